"""Prompts in the public layout give the numbers of the released implementations, on a small random CLIP."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from rationale_plugins.formats.deep_prompts import MaPLeFormat
from rationale_plugins.formats.prompts import CoCoOpFormat, CoOpFormat
from rationale_plugins.methods.cocoop import CoCoOp
from rationale_plugins.methods.coop import CoOp
from rationale_plugins.methods.maple import MaPLe

from rationale_cli.contracts import ForeignCheckpoint

from .closeness import close


def classifier(layout, method, small_clip, task, tensors):
    """As the import builds it."""
    checkpoint = ForeignCheckpoint(Path("model.pth.tar-50"), (), tensors)
    assert layout.knows(tensors.keys())
    made = method(method.Options(**layout.options(checkpoint, layout.methods[0])))
    fitted = made.build(small_clip, task)
    with torch.no_grad():
        found = layout.restore(checkpoint, fitted, task)
        fitted.classifier.load_delta({**fitted.classifier.delta(), **found.tensors})
        if hasattr(made, "finish"):
            made.finish(fitted, None)
    return fitted.classifier.eval()


@pytest.mark.parametrize(("name", "kind"), [("coop.ctx", "uni"), ("coop.ctx_csc", "csc")])
def test_coop(small_clip, task, given, golden, name, kind):
    tuned = classifier(CoOpFormat(), CoOp, small_clip, task, {"ctx": given[name]})
    close(tuned(given["images"]), golden[f"coop.end.{kind}.logits"])


def test_cocoop(small_clip, task, given, golden):
    learner = {name.removeprefix("cocoop."): one for name, one in given.items() if name.startswith("cocoop.")}
    tuned = classifier(CoCoOpFormat(), CoCoOp, small_clip, task, {"ctx": given["coop.ctx"], **learner})
    close(tuned(given["images"]), golden["cocoop.logits"])


def test_maple(small_clip, task, given, golden):
    learner = {
        f"prompt_{name.replace('maple.', 'learner.')}": one
        for name, one in given.items()
        if name.startswith("maple.")
    }
    tuned = classifier(MaPLeFormat(), MaPLe, small_clip, task, learner)
    close(tuned(given["images"]), golden["maple.logits"])
