"""A run's classifier and the pictures of a split, as they were when it was explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from ..contracts import Classifier, Task
from ..engine.batches import Pictures
from ..engine.build import Built, accelerator, build, place, restore_checkpoint
from ..engine.conditions import Condition, conditions, further_conditions
from ..engine.request import requested
from ..engine.retarget import classifier_for
from ..errors import InputError
from ..registry import Registry
from ..runs.evidence import EvidenceSet
from ..runs.folder import Run


@dataclass(frozen=True)
class Reopened:
    """What is asked anew of the pictures of a split."""

    classifier: Classifier
    """On its device, in evaluation mode."""
    task: Task
    pictures: Pictures
    device: torch.device

    def places(self, identifiers: list[str]) -> list[int]:
        """Where pictures stand in the split."""
        place_of = {identifier: place for place, identifier in enumerate(self.pictures.split.ids)}
        return [place_of[one] for one in identifiers]


def explained_sets(run: Run, split: str | None) -> tuple[str, dict[str, EvidenceSet]]:
    """A split, the run's first if none is named, and its evidence.

    Raises ``InputError`` where there is none.
    """
    splits = run.splits()
    found = split or next(iter(splits), None)
    if found is None or found not in splits:
        known = ", ".join(splits) or "none"
        raise InputError(
            f"Expected evidence of run {run.name!r} on {split or 'some split'} but there is none. "
            f"Known: {known}.",
            where=str(run.path),
            next_step=f"rationale explain {run.name}",
        )
    return found, run.evidence(found)


def reopened(run: Run, registry: Registry, split: str, fingerprint: str) -> Reopened:
    """Build and restore the run's classifier; ``fingerprint`` is that of the data that were explained.

    Raises ``InputError`` for a split that the run's settings do not show, and for data that changed since.
    """
    built = build(requested(run, registry).configuration)
    condition = _condition(run, built, split)
    restore_checkpoint(run, built.classifier)
    device = accelerator("no").device
    place(built.classifier, device)
    task = condition.task(built.dataset.task)
    classifier = classifier_for(built, task)
    place(classifier, device)
    cast(nn.Module, classifier).eval()
    if condition.dataset.fingerprint != fingerprint:
        raise InputError(
            "Expected the data that this run was explained on but they changed since.",
            where=run.name,
            next_step="restore the data, or explain again",
        )
    return Reopened(classifier, task, condition.pictures(built), device)


def _condition(run: Run, built: Built, split: str) -> Condition:
    tuned = run.configuration
    known = conditions(built.configuration, tuned, built) + further_conditions(built.configuration, tuned)
    for one in known:
        if one.label == split:
            return one
    told = ", ".join(one.label for one in known)
    raise InputError(
        f"Expected a split that the run's own settings show but got {split!r}. Known: {told}.",
        where=str(run.path),
        next_step="choose one of these with --split",
    )
