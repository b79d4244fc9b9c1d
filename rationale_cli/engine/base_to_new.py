"""Base-to-new: tuned on the first half of the classes, judged on either half by its own names.

The protocol of CoCoOp (Zhou et al. 2022): classes in the order of their labels, the first ⌈n/2⌉ are base, the
rest new, and the labels are counted anew within each half.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..contracts import Dataset, Sample, Split, Task
from ..errors import InputError

CHOICE = "base-to-new"
"""Value of ``dataset.classes``."""

BASE, NEW = "base", "new"


@dataclass(frozen=True)
class Half:
    """The samples of a split whose class is in one half, labelled within it."""

    split: Split
    indices: tuple[int, ...]
    labels: tuple[int, ...]
    """Of the samples, within the half."""

    @cached_property
    def ids(self) -> Sequence[str]:
        """Of the samples, as in the split."""
        return tuple(self.split.ids[index] for index in self.indices)

    @cached_property
    def contexts(self) -> Sequence[str] | None:
        """Of the samples, as in the split."""
        known: Sequence[str] | None = getattr(self.split, "contexts", None)
        return None if known is None else tuple(known[index] for index in self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> Sample:
        """Raises what the split raises."""
        return replace(self.split[self.indices[place]], label=self.labels[place])


class BaseToNew:
    """A dataset whose task is its base classes; each split that it is judged on becomes two.

    ``test`` becomes ``test-base`` and ``test-new``; all other splits hold base classes only. Raises
    ``InputError`` for a dataset of fewer than two classes.
    """

    def __init__(self, dataset: Dataset) -> None:
        names = dataset.task.classnames
        if len(names) < 2:
            raise InputError(f"Expected two classes or more, for base and new, but got {len(names)}.")
        self._dataset = dataset
        self._border = (len(names) + 1) // 2

    @property
    def task(self) -> Task:
        """The base classes."""
        return self._half(BASE)

    def task_of(self, split: str) -> Task:
        """The classes that a split is judged by."""
        return self._half(NEW if split in self._parts and self._parts[split][1] == NEW else BASE)

    @property
    def splits(self) -> tuple[str, ...]:
        """See ``BaseToNew``."""
        return tuple(self._parts)

    @property
    def evaluation(self) -> tuple[str, ...]:
        """Both halves of each split that the dataset is judged on."""
        judged = self._dataset.evaluation
        return tuple(name for name, (whole, _) in self._parts.items() if whole in judged)

    @cached_property
    def fingerprint(self) -> str:
        """The dataset's, divided."""
        return hashlib.sha256(f"{self._dataset.fingerprint}/{CHOICE}".encode()).hexdigest()[:16]

    def split(self, name: str) -> Half:
        """Raises ``InputError`` for an unknown name, telling the known ones."""
        if name not in self._parts:
            raise InputError(
                f"Expected one of the splits {', '.join(self.splits)} but got {name!r}.",
                next_step="with dataset.classes=base-to-new each held-out split has two halves",
            )
        whole, half = self._parts[name]
        split = self._dataset.split(whole)
        first = 0 if half == BASE else self._border
        last = self._border if half == BASE else len(self._dataset.task.classnames)
        labels = _labels(split)
        chosen = [(index, label - first) for index, label in enumerate(labels) if first <= label < last]
        return Half(split, tuple(index for index, _ in chosen), tuple(label for _, label in chosen))

    @cached_property
    def _parts(self) -> dict[str, tuple[str, str]]:
        """Split → the dataset's split and the half."""
        parts: dict[str, tuple[str, str]] = {}
        for name in self._dataset.splits:
            if name in self._dataset.evaluation:
                parts |= {f"{name}-{half}": (name, half) for half in (BASE, NEW)}
            else:
                parts[name] = (name, BASE)
        return parts

    def _half(self, half: str) -> Task:
        task = self._dataset.task
        names = task.classnames
        return replace(task, classnames=names[: self._border] if half == BASE else names[self._border :])


def _labels(split: Split) -> Sequence[int]:
    """Of every sample; opens the pictures of a split that does not tell them otherwise."""
    known: Sequence[int] | None = getattr(split, "labels", None)
    return known if known is not None else [split[index].label for index in range(len(split))]
