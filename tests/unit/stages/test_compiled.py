"""Compiled forwards: heatmaps stay as they are, the witness says the same, and what fails is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rationale_cli import explain, finetune
from rationale_cli.errors import InputError

QUICK = {"explain.splits": ["test"], "explain.limit": 20, "explain.audit": False, "explain.batch_size": 16}
COMPILED = QUICK | {"explain.compile": True}


def zero_shot(root):
    return finetune({"model": "tiny-clip", "method": "zs"}, name="zero-shot", root=root)


def test_nothing_changes_but_the_time(tmp_path, monkeypatch):
    compiling, graphs = nn.Module.compile, []

    def traced(module):
        # As torch.compile traces it, without the minute that making code takes.
        compiling(module, backend=lambda graph, _: graphs.append(graph) or graph.forward)

    plain = zero_shot(tmp_path / "plain")
    explain(plain, QUICK)
    monkeypatch.setattr(nn.Module, "compile", traced)
    other = zero_shot(tmp_path / "compiled")
    explain(other, COMPILED)
    assert graphs
    one, two = (run.evidence("test")["gaa-last-dot"] for run in (plain, other))
    assert np.array_equal(one.heatmaps(), two.heatmaps())
    assert np.array_equal(one.table.prediction, two.table.prediction)
    for kind in ("object", "background", "box", "exact"):
        assert np.array_equal(getattr(plain.witness("test"), kind), getattr(other.witness("test"), kind))


def test_a_machine_that_cannot_compile_is_told(tmp_path, monkeypatch):
    def failing(module):
        def fail(*_):
            raise RuntimeError("no compiler\nlong trace")

        module._compiled_call_impl = fail

    made = zero_shot(tmp_path)
    monkeypatch.setattr(nn.Module, "compile", failing)
    with pytest.raises(InputError, match=r"failed: no compiler\nWhere") as caught:
        explain(made, COMPILED)
    assert "leave explain.compile out" in caught.value.next_step
    assert torch.is_grad_enabled() and not made.splits()
