"""A run's classifier for the classes and question of a split, which may be others than it was tuned on."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from ..contracts import Classifier, Task
from ..errors import InputError, did_you_mean
from .build import Built


class UnknownClassesError(InputError):
    """Pictures of classes that a run cannot predict."""


def classifier_for(built: Built, task: Task) -> Classifier:
    """The run's own classifier, or what its method makes of other classes' names or of another question.

    A method that reads neither names nor prompts answers as it was tuned to. The checkpoint is restored and
    the model in its place already. Raises ``UnknownClassesError`` where the method knows no other classes
    than those it was tuned on.
    """
    own = built.dataset.task
    same = task.classnames == own.classnames
    retarget = getattr(built.method, "retarget", None)
    if same and (retarget is None or (task.question, task.answers) == (own.question, own.answers)):
        return built.classifier
    if retarget is None:
        raise _refusal(built, task)
    cast(nn.Module, built.classifier).eval()
    with torch.no_grad():
        found: Classifier | None = retarget(built.fitted, task)
    if found is None and not same:
        raise _refusal(built, task)
    return built.classifier if found is None else found


def _refusal(built: Built, task: Task) -> UnknownClassesError:
    own = built.dataset.task.classnames
    new = next(name for name in task.classnames if name not in own)
    return UnknownClassesError(
        f"Expected classes that the run knows but got {new!r}, and this run of "
        f"{built.configuration.method.bare!r} makes no class vectors from names. {did_you_mean(new, own)}",
        next_step="choose pictures of the classes that the run was tuned on, or a method that classifies by "
        "names (zs, flcp, coop)",
    )
