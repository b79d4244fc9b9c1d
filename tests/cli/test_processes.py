"""Several processes do what one does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from rationale_cli import load_run

from .conftest import ENVIRONMENT, Command, arguments

QUICK = ("--weights", "none", "--limit", "96", "--batch-size", "32")


def kill_one(condition: Callable[[], bool], words: tuple[str, ...], folder: Path) -> str:
    """Start a command in two processes, kill one of them when the condition holds; what is told of it."""
    line = arguments(*words, "--processes", "2")
    with subprocess.Popen(
        line, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 300
        while not condition():
            assert process.poll() is None, "the command ended before one of its processes could be killed"
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.01)
        psutil.Process(process.pid).children()[-1].kill()
        told = process.communicate(timeout=300)[1]
        assert process.returncode == 1, told
        assert "was killed by SIGKILL" in told, told
        return told


def same_checkpoint(folder: Path) -> None:
    """That the runs ``p1`` and ``p2`` ended alike."""
    one, two = (load_file(load_run(name, folder / "runs").checkpoint) for name in ("p1", "p2"))
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "epochs", "regularizer"),
    [
        ("flcp", "1", "none"),
        ("prograd", "3", "none"),
        ("promptsrc", "2", "none"),
        ("ft", "1", "gaa-mass,group-dro"),
    ],
)
def test_training_with_two_processes_equals_one(
    rationale: Command, tmp_path: Path, method: str, epochs: str, regularizer: str
) -> None:
    for processes in ("1", "2"):
        words = ("--method", method, "--epochs", epochs, "--processes", processes, "--run", f"p{processes}")
        words += ("--regularizer", regularizer)
        rationale("finetune", *QUICK, "--set", "train.optimizer=sgd", "--lr", "0.01", *words)
    same_checkpoint(tmp_path)


@pytest.mark.slow
def test_training_with_two_processes_equals_one_though_one_of_them_was_killed(
    rationale: Command, tmp_path: Path
) -> None:
    words = ("finetune", *QUICK, "--set", "train.optimizer=sgd", "--lr", "0.01", "--method", "ft")
    words = (*words, "--epochs", "4")
    runs = tmp_path / "runs"
    state = runs / "p2" / "state" / "training.pt"
    kill_one(state.is_file, (*words, "--run", "p2"), tmp_path)
    assert not load_run("p2", runs).done
    for name, processes in (("p1", "1"), ("p2", "2")):
        rationale(*words, "--run", name, "--processes", processes)
    assert load_run("p2", runs).manifest["training"]["resumed"]
    same_checkpoint(tmp_path)


@pytest.mark.slow
def test_explaining_with_two_processes_equals_one_though_one_of_them_was_killed(
    rationale: Command, tmp_path: Path
) -> None:
    for name in ("p1", "p2"):
        rationale("finetune", *QUICK, "--method", "lp", "--epochs", "1", "--run", name)
    words = ("--split", "test", "--limit", "60", "--batch-size", "4")
    rationale("explain", "p1", *words)
    evidence = tmp_path / "runs" / "p2" / "evidence" / "test"
    kill_one(lambda: len(list(evidence.glob(".parts-*/*.npz"))) >= 2, ("explain", "p2", *words), tmp_path)
    assert load_run("p2", tmp_path / "runs").splits() == []
    rationale("explain", "p2", *words, "--processes", "2")
    one, two = (load_run(name, tmp_path / "runs").evidence("test") for name in ("p1", "p2"))
    assert one.keys() == two.keys()
    for name in one:
        assert list(one[name].table.id) == list(two[name].table.id)
        np.testing.assert_array_equal(one[name].table.prediction, two[name].table.prediction)
        np.testing.assert_allclose(one[name].table.rma, two[name].table.rma, atol=1e-5)
        # Half precision: relevance differs by 1e-5 at most, and so by one step of the last bit.
        np.testing.assert_allclose(one[name].heatmaps(), two[name].heatmaps(), rtol=1e-3, atol=1e-5)
    one, two = (load_run(name, tmp_path / "runs").predictions("test") for name in ("p1", "p2"))
    np.testing.assert_array_equal(one.table.id, two.table.id)
    np.testing.assert_allclose(one.table.log_true, two.table.log_true, atol=1e-5)


@pytest.mark.slow
def test_accelerate_launch_runs_the_command(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    words = [
        "-m",
        "rationale_cli",
        "finetune",
        *QUICK,
        "--method",
        "lp",
        "--epochs",
        "1",
        "--runs-dir",
        "here",
    ]
    subprocess.run(
        [*launcher, *words], cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True, timeout=600
    )
    (run,) = (tmp_path / "here").iterdir()
    assert load_run(run).done


def test_a_batch_that_cannot_be_shared_evenly_is_refused(rationale: Command) -> None:
    words = ("--method", "lp", "--batch-size", "31", "--limit", "62", "--weights", "none", "--processes", "2")
    outcome = rationale("finetune", *words, code=2)
    assert "2 processes can share evenly but got 31" in outcome.stderr
