"""Class vectors of a run's classifier, as the model came and as it was tuned."""

from __future__ import annotations

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

Floats = npt.NDArray[np.float64]


class ClassVectors(NamedTuple):
    """Both C×D, at unit length."""

    zero_shot: Floats
    tuned: Floats


def class_vectors(run: Run, registry: Registry) -> ClassVectors:
    """Embed the class names by the model as it came, then restore the checkpoint and ask its classifier.

    Raises ``InputError`` where class vectors do not come from text, or each picture has its own.
    """
    built = build(requested(run, registry).configuration)
    classifier = built.classifier
    if classifier.family != "text":
        raise InputError(
            "Expected a classifier whose class vectors come from text but this run has a linear head.",
            where=run.name,
            next_step="--method temperature, histogram or isotonic",
        )
    with torch.no_grad():
        zero_shot = class_embeddings(built.model, built.dataset.task)
        restore_checkpoint(run, classifier)
        cast(nn.Module, classifier).eval()
        tuned = _vectors(classifier, zero_shot.shape[1], run)
    return ClassVectors(*(F.normalize(one.double(), dim=-1).cpu().numpy() for one in (zero_shot, tuned)))


def _vectors(classifier: Classifier, width: int, run: Run) -> Tensor:
    """The class vectors as the scalar ``dot`` shows them: it is linear in the features."""
    axes = torch.eye(width)
    vectors = classifier.score(axes, "dot").T
    probe = torch.randn(4, width, generator=torch.Generator().manual_seed(0))
    if not torch.allclose(classifier.score(probe, "dot"), probe @ vectors.T, rtol=1e-3, atol=1e-4):
        raise InputError(
            "Expected one vector a class but in this run each picture has its own.",
            where=run.name,
            next_step="--method temperature, histogram or isotonic",
        )
    return vectors
