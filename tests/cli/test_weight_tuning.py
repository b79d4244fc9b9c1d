"""Methods that tune weights, from the tuning to the explanation, and the weights between."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rationale_cli import explain, finetune, load_run, score
from rationale_cli.contracts import Silent
from rationale_cli.errors import InputError
from rationale_cli.registry import Registry
from rationale_cli.stages.interpolate import InterpolateRequest
from rationale_cli.stages.interpolate import run as interpolate

from .conftest import Command

QUICK = {"train.epochs": 1, "train.shots": 2, "train.batch_size": 12}
SHOWN = {"explain.splits": ["test"], "explain.limit": 12, "explain.audit": False, "explain.witness": False}


@pytest.mark.slow
def test_each_is_tuned_and_explained_and_weights_between_are_runs(rationale: Command, tmp_path: Path) -> None:
    rationale("finetune", "--method", "clip-lora", "--shots", "2", "--epochs", "1", "--run", "clip-lora")
    told = rationale("interpolate", "clip-lora", "--alpha", "0,1").stdout
    assert "Next: rationale explain clip-lora-alpha-0" in told
    root = tmp_path / "runs"
    finetune({"method": "zs"}, name="zs", root=root)
    finetune({"method": "lp-ft", "method.strengths": 4, **QUICK}, name="lp-ft", root=root)
    finetune({"method": "wise-ft", "method.alpha": "validation", **QUICK}, name="wise-ft", root=root)
    names = ("zs", "clip-lora", "clip-lora-alpha-0", "clip-lora-alpha-1", "lp-ft", "wise-ft")
    runs = [explain(name, SHOWN, root=root) for name in names]
    tables = {run.name: run.evidence("test")["gaa-last-dot"].table for run in runs}
    assert all(np.isfinite(table.rma).all() for table in tables.values())
    for one, other in (("zs", "clip-lora-alpha-0"), ("clip-lora", "clip-lora-alpha-1")):
        np.testing.assert_allclose(tables[one].rma, tables[other].rma, rtol=1e-4)
    assert {"alpha", "validation_accuracy"} <= runs[-1].manifest["training"]["found"].keys()
    rows = {row.run: row.title for row in score(runs, root=root).tables[0].rows}
    assert rows["clip-lora-alpha-0"] == "clip-lora · 0"


class Stopping(Silent):
    """Ends the work in its second epoch."""

    @contextmanager
    def task(self, description, total):
        steps = []

        def advance(done, remark):
            steps.append(done)
            if description == "training" and sum(steps) == 3:
                raise KeyboardInterrupt

        yield advance


@pytest.mark.parametrize("method", ["lp-ft", "clip-lora", "wise-ft"])
def test_what_was_interrupted_ends_as_if_it_had_not_been(method: str, tmp_path: Path) -> None:
    settings = {"method": method, **QUICK, "train.epochs": 2}
    if method == "lp-ft":
        settings["method.strengths"] = 3
    whole = finetune(settings, name="whole", root=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        finetune(settings, name="parts", root=tmp_path, progress=Stopping())
    assert (tmp_path / "parts" / "state").is_dir()
    parts = finetune(settings, name="parts", root=tmp_path)
    assert parts.manifest["training"]["resumed"]
    assert parts.manifest["training"]["found"] == whole.manifest["training"]["found"]
    assert parts.checkpoint.read_bytes() == whole.checkpoint.read_bytes()


def between(run, *alphas):
    return interpolate(InterpolateRequest(run, alphas, Registry.discover()))


def test_weights_between_are_means_and_their_class_vectors_are_encoded_anew(tmp_path: Path) -> None:
    run = finetune({"method": "flcp", **QUICK}, name="flcp", root=tmp_path)
    start, half, end = between(run, 0, 0.5, 1)
    tensors = [load_file(one.checkpoint) for one in (start, half, end)]
    own = load_file(run.checkpoint)
    for name, tensor in own.items():
        first, middle, last = (one[name] for one in tensors)
        torch.testing.assert_close(last, tensor)
        if name != "class_vectors":
            torch.testing.assert_close(middle, (first + last) / 2)
    mean = (tensors[0]["class_vectors"] + tensors[2]["class_vectors"]) / 2
    assert not torch.allclose(tensors[1]["class_vectors"], mean, atol=1e-6)
    assert half.configuration["interpolation"]["run"] == "flcp"
    changed = half.checkpoint.stat().st_mtime_ns
    assert between(run, 0.5)[0].checkpoint.stat().st_mtime_ns == changed
    with pytest.raises(InputError, match="interpolated itself"):
        between(half, 0.5)
    with pytest.raises(InputError, match="shares from 0 to 1"):
        between(run, 1.5)


def test_flcp_can_end_with_the_mean_itself(tmp_path: Path) -> None:
    run = finetune({"method": "flcp", **QUICK}, name="flcp", root=tmp_path)
    (half,) = between(run, 0.5)
    mean = finetune({"method": "flcp", "method.alpha": 0.5, **QUICK}, name="mean", root=tmp_path)
    own, wanted = load_file(mean.checkpoint), load_file(half.checkpoint)
    assert own.keys() == wanted.keys()
    for name, tensor in own.items():
        torch.testing.assert_close(tensor, wanted[name])
    assert mean.manifest["training"]["found"] == {"alpha": 0.5}
    with pytest.raises(InputError, match="averaged already"):
        between(mean, 0.5)


def test_a_linear_head_begins_at_the_class_vectors(tmp_path: Path) -> None:
    zero_shot = explain(finetune({"method": "zs"}, name="zs", root=tmp_path), SHOWN, root=tmp_path)
    run = finetune({"method": "ft", **QUICK}, name="ft", root=tmp_path)
    (start,) = between(run, 0)
    explain(start, SHOWN, root=tmp_path)
    tables = [load_run(one).evidence("test")["gaa-last-dot"].table for one in (zero_shot, start)]
    assert tables[0].prediction.tolist() == tables[1].prediction.tolist()
    with pytest.raises(InputError, match="no zero-shot end"):
        between(zero_shot, 0.5)
