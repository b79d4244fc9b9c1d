"""The contract suite of checkpoint formats."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..contracts import CheckpointFormat, Fitted, ForeignCheckpoint, Method, Task, VisionLanguageModel
from .demands import demand, evaluation, listed, pictures
from .fakes import FakeSupport
from .methods import check_classifier
from .options import check_plugin


def check_format(
    layout: CheckpointFormat,
    tensors: Mapping[str, Tensor],
    method: type[Any],
    model: VisionLanguageModel,
    task: Task,
) -> None:
    """Check a format on the tensors of a file, given the class of its first method, a model and a task.

    It knows these names and no file without any; its options are the method's; what it restores is of the
    classifier's delta, in its shapes and the same twice; the classifier works afterwards. The file's tensors
    and ``model`` are left alone.
    """
    check_plugin("format", type(layout))
    demand(layout.knows(tensors.keys()), "a format must know the names of its own layout")
    demand(not layout.knows(()), "a format must not know a file without tensors")
    given = {name: one.clone() for name, one in tensors.items()}
    checkpoint = ForeignCheckpoint(Path("checkpoint.pt"), (), given)
    options = method.Options(**layout.options(checkpoint, layout.methods[0]))
    plugin: Method = method(options)
    fitted = plugin.build(copy.deepcopy(model), task)
    with torch.no_grad(), evaluation(cast(nn.Module, fitted.classifier)):
        first, again = (layout.restore(checkpoint, fitted, task).tensors for _ in range(2))
        demand(
            first.keys() == again.keys() and all(torch.equal(first[name], again[name]) for name in first),
            "the same file must restore the same tensors twice",
        )
        demand(
            given.keys() == tensors.keys() and all(torch.equal(given[name], tensors[name]) for name in given),
            "restore must leave the tensors of the file as they are",
        )
        _load(plugin, fitted, first, task)
    check_classifier(fitted.classifier, pictures(model, 2), len(task.classnames))


def _load(plugin: Method, fitted: Fitted, restored: Mapping[str, Tensor], task: Task) -> None:
    delta = fitted.classifier.delta()
    foreign = restored.keys() - delta.keys()
    demand(not foreign, f"restore may hold tensors of the delta alone, not {listed(set(foreign))}")
    wrong = {name for name, one in restored.items() if one.shape != delta[name].shape}
    demand(not wrong, f"restored tensors must have the delta's shapes, but not so {listed(wrong)}")
    fitted.classifier.load_delta({**delta, **restored})
    finish = getattr(plugin, "finish", None)
    if finish is not None:
        images = pictures(fitted.classifier.model, 4)
        labels = torch.arange(4, device=images.device) % len(task.classnames)
        finish(fitted, FakeSupport(images, labels, len(task.classnames)))
