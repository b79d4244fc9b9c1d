"""Class vectors of a run's classifier, as the model came and as it was tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contracts import Classifier
from ..errors import InputError
from ..registry import Registry
from ..runs.folder import Run
from ..toolkit.heads import class_embeddings
from .build import build, restore_checkpoint
from .request import requested
from .retarget import classifier_for

Floats = npt.NDArray[np.float64]

_INSTEAD = "--method temperature, histogram or isotonic"


class ClassVectors(NamedTuple):
    """Both C×D, at unit length."""

    zero_shot: Floats
    tuned: Floats


def class_vectors(run: Run, registry: Registry, tasks: Sequence[Sequence[str]]) -> list[ClassVectors]:
    """Of each list of class names: by the model as it came, and by the run's classifier of these classes.

    Raises ``InputError`` where class vectors do not come from text, or each picture has its own.
    """
    built = build(requested(run, registry).configuration)
    if built.classifier.family != "text":
        raise InputError(
            "Expected a classifier whose class vectors come from text but this run has a linear head.",
            where=run.name,
            next_step=_INSTEAD,
        )
    wanted = [replace(built.dataset.task, classnames=tuple(names)) for names in tasks]
    # Before the checkpoint is restored: tuning may have changed the text tower.
    zero_shot = [class_embeddings(built.model, task) for task in wanted]
    restore_checkpoint(run, built.classifier)
    with torch.no_grad():
        tuned = [
            _vectors(classifier_for(built, task), before.shape[1], run)
            for task, before in zip(wanted, zero_shot, strict=True)
        ]
    return [ClassVectors(*map(_unit, pair)) for pair in zip(zero_shot, tuned, strict=True)]


def _vectors(classifier: Classifier, width: int, run: Run) -> Tensor:
    """The class vectors as the scalar ``dot`` shows them: it is linear in the features."""
    cast(nn.Module, classifier).eval()
    one, other = torch.randn(2, 1, width, generator=torch.Generator().manual_seed(0))
    apart = classifier.score(one, "dot") + classifier.score(other, "dot")
    if not torch.allclose(classifier.score(one + other, "dot"), apart, rtol=1e-3, atol=1e-4):
        raise InputError(
            "Expected one vector a class but in this run each picture has its own.",
            where=run.name,
            next_step=_INSTEAD,
        )
    return classifier.score(torch.eye(width), "dot").T


def _unit(vectors: Tensor) -> Floats:
    return np.asarray(F.normalize(vectors.double(), dim=-1).cpu().numpy())
