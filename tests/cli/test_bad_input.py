"""Bad input and failing work: one clear error, the right exit code, nothing half-written."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rationale_plugins.datasets.folder import Folder

from rationale_cli import load_run

from .conftest import Command

LP = ("finetune", "--method", "lp", "--limit", "64", "--epochs", "1", "--run", "probe")
EXPLAIN = ("explain", "probe", "--split", "test", "--no-audit")


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two classes of six pictures with masks."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for kind in ("images", "masks"):
            (tmp_path / "data" / kind / name).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 255, (80, 100, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / "images" / name / f"{number}.png")
            mask = np.zeros((80, 100), np.uint8)
            mask[20:60, 30:70] = 255
            Image.fromarray(mask).save(tmp_path / "data" / "masks" / name / f"{number}.png")
    return tmp_path / "data"


def test_a_run_folder_of_another_configuration_is_refused(rationale: Command, tmp_path: Path) -> None:
    rationale(*LP)
    before = (tmp_path / "runs" / "probe" / "run.yaml").read_bytes()
    refused = rationale(*LP, "--lr", "0.5", code=2)
    assert "method.lr: there 0.001, here 0.5" in refused.stderr
    assert "--run" in refused.stderr
    assert (tmp_path / "runs" / "probe" / "run.yaml").read_bytes() == before
    assert "nothing to do" in rationale(*LP).stderr


def test_a_folder_that_is_no_run(rationale: Command, tmp_path: Path) -> None:
    (tmp_path / "runs" / "empty").mkdir(parents=True)
    assert "holds no run.yaml" in rationale("explain", "empty", code=2).stderr
    assert "none called 'missing'" in rationale("score", "missing", code=2).stderr
    (tmp_path / "runs" / "empty" / "letter.txt").write_text("dear")
    refused = rationale("finetune", "--method", "zs", "--run", "empty", code=2)
    assert "holds other things" in refused.stderr
    assert [path.name for path in (tmp_path / "runs" / "empty").iterdir()] == ["letter.txt"]
    (tmp_path / "runs" / "empty" / "run.yaml").write_text("[not a run")
    assert "could not read it" in rationale("explain", "empty", code=2).stderr


def test_nothing_there_yet(rationale: Command) -> None:
    assert "rationale finetune" in rationale("explain", code=2).stderr
    assert "rationale finetune" in rationale("report", code=2).stderr


def test_a_loss_that_is_not_finite_stops_and_says_where(rationale: Command, tmp_path: Path) -> None:
    words = ("--weights", "none", "--limit", "64", "--batch-size", "32", "--epochs", "3", "--lr", "1e30")
    failed = rationale("finetune", "--method", "ft", *words, "--run", "bad", code=1)
    assert "Traceback" not in failed.stderr
    assert "Expected a finite loss" in failed.stderr
    assert "of 6 (epoch" in failed.stderr
    assert not load_run("bad", tmp_path / "runs").done
    assert not leftovers(tmp_path / "runs")


def test_a_damaged_checkpoint_is_named(rationale: Command, tmp_path: Path) -> None:
    rationale(*LP)
    checkpoint = load_run("probe", tmp_path / "runs").checkpoint
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    assert "delta.safetensors" in rationale(*EXPLAIN, code=2).stderr
    checkpoint.write_bytes(whole[:-4] + b"abcd")
    assert "was changed since" in rationale(*EXPLAIN, code=2).stderr


def test_evidence_of_another_making_is_refused(rationale: Command, tmp_path: Path) -> None:
    rationale(*LP)
    rationale(*EXPLAIN, "--limit", "16")
    refused = rationale(*EXPLAIN, "--limit", "24", code=2)
    assert "made with these pictures" in refused.stderr
    assert len(load_run("probe", tmp_path / "runs").evidence("test")["gaa-last-dot"].table) == 16


def test_unreadable_pictures_stop_or_are_counted(
    rationale: Command, tmp_path: Path, photographs: Path
) -> None:
    words = (
        "--dataset",
        "folder",
        "--data",
        "data",
        "--set",
        "dataset.test_fraction=0.5",
        "--batch-size",
        "4",
    )
    bad = _test_pictures(photographs)[0]
    bad.write_bytes(bad.read_bytes()[:2000])
    rationale("finetune", "--method", "zs", *words[:-2], "--run", "probe")
    refused = rationale(*EXPLAIN, code=2)
    assert bad.name in refused.stderr
    assert "--skip-bad" in refused.stderr
    assert not list(tmp_path.rglob("table.parquet"))
    told = rationale(*EXPLAIN, "--skip-bad")
    assert "1 unreadable pictures left out" in told.stdout
    evidence = load_run("probe", tmp_path / "runs").evidence("test")["gaa-last-dot"]
    assert len(evidence.spec.skipped) == 1
    assert len(evidence.table) == 5


def _test_pictures(photographs: Path) -> list[Path]:
    dataset = Folder(Folder.Options(root=photographs, test_fraction=0.5))
    ids = dataset.split("test").ids
    return [one for one in sorted(photographs.glob("images/*/*")) if any(_names(one, i) for i in ids)]


def _names(path: Path, identifier: str) -> bool:
    return identifier.endswith(f"{path.parent.name}/{path.stem}")


def test_changed_data_are_told(rationale: Command, photographs: Path) -> None:
    rationale("finetune", "--method", "zs", "--dataset", "folder", "--data", "data", "--run", "probe")
    next(photographs.glob("images/cat/*")).unlink()
    assert "they changed since" in rationale(*EXPLAIN, code=2).stderr


def test_a_mask_of_the_wrong_size_is_named(rationale: Command, photographs: Path) -> None:
    for mask in photographs.glob("masks/cat/*.png"):
        Image.new("L", (33, 80), 255).save(mask)
    rationale("finetune", "--method", "zs", "--dataset", "folder", "--data", "data", "--run", "probe")
    refused = rationale(*EXPLAIN, code=2)
    assert "cat" in refused.stderr
    assert "33×80" in refused.stderr


def test_an_empty_class_is_told(rationale: Command, photographs: Path) -> None:
    (photographs / "images" / "horse").mkdir()
    refused = rationale("finetune", "--method", "zs", "--dataset", "folder", "--data", "data", code=2)
    assert "horse" in refused.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB; only the superuser can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by the superuser only")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_and_leaves_nothing_half_written(rationale: Command, small_disk: Path) -> None:
    words = (
        "--method",
        "ft",
        "--limit",
        "32",
        "--epochs",
        "1",
        "--runs-dir",
        str(small_disk),
        "--run",
        "big",
    )
    failed = rationale("finetune", *words, code=1)
    assert "The disk is full" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not leftovers(small_disk)
    assert not load_run("big", small_disk).done


def test_a_read_only_folder_is_told(rationale: Command, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    words = ("finetune", "--method", "zs", "--runs-dir", str(small_disk / "runs"))
    assert "read-only" in rationale(*words, code=2).stderr
