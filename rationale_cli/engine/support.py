"""The training pictures as a method sees them: ``Support``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from ..contracts import Drawn, Progress, Split
from ..errors import InputError
from ..toolkit.geometry import normalise
from .batches import Key, Pictures, chunks, loader
from .build import Built
from .grouped import grouped
from .shots import Selection, selected


class TrainingPictures:
    """Those of the run's training split, and what is held out. Nothing is opened before it is asked for."""

    def __init__(self, built: Built, device: torch.device, progress: Progress) -> None:
        self._built = built
        self._options = built.configuration.train
        self._device = device
        self._progress = progress
        self.skipped: set[str] = set()
        """Identifiers of unreadable pictures that were left out."""

    @cached_property
    def split(self) -> Split:
        """The training split. Raises ``InputError`` where the dataset has no such split."""
        return self._built.dataset.split(self._options.split)

    def draw(self) -> Selection:
        """Which pictures of the training split, the same ones at every call; raises as ``selected`` does."""
        return self._drawn

    @cached_property
    def _drawn(self) -> Selection:
        classnames, holds_out = self._built.dataset.task.classnames, self._validates and self._apart is None
        return selected(self.split, classnames, self._options, self._progress, validates=holds_out)

    @cached_property
    def _apart(self) -> Split | None:
        """The split that is held out whole. Raises ``InputError`` where the dataset has no such split."""
        named = self._options.validation
        return None if named is None else self._built.dataset.split(named)

    @property
    def _validates(self) -> bool:
        return bool(getattr(self._built.method, "validates", False))

    @property
    def classes(self) -> int:
        """See ``Support.classes``."""
        return len(self._built.dataset.task.classnames)

    def size(self, part: Drawn) -> int:
        """See ``Support.size``."""
        return len(self._part(part)[1])

    def pictures(self, augment: str, masked: Collection[int] = ()) -> Pictures:
        """The split on the model's input grid, some of its pictures with their masks."""
        return self._seen(self.split, augment, masked)

    def batches(
        self, part: Drawn, *, passes: int = 1, augment: str | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See ``Support.batches``."""
        split, indices = self._part(part)
        pictures = self._seen(split, augment or "none")
        once = chunks(indices, self._options.batch_size)
        plans = [_of_pass(number, keys) for number in range(passes) for keys in once]
        found = False
        with self._progress.task(f"looking at the {part} pictures", len(plans)) as advance:
            for batch in loader(pictures, plans, self._options.workers):
                if not self._options.skip_bad:
                    batch.complain()
                self.skipped.update(one.id for one in batch.unreadable)
                if batch.ids:
                    found = True
                    pixels = batch.pixels.to(self._device)
                    yield normalise(pixels, pictures.preprocessing), batch.labels.to(self._device)
                advance(1, "")
        if not found:
            raise InputError(
                f"Expected {part} pictures in the split {self._named(part)!r} but none can be read."
            )

    def groups(self, part: Drawn) -> Tensor | None:
        """See ``Support.groups``."""
        split, indices = self._part(part)
        found = grouped(split, indices, self._built.dataset.task.classnames)
        if found is None:
            return None
        ids = split.ids
        return torch.tensor([found.of[ids[one]] for one in indices if ids[one] not in self.skipped])

    def _part(self, part: Drawn) -> tuple[Split, Sequence[int]]:
        if part == "train":
            return self.split, self._drawn.train
        if self._validates and self._apart is not None:
            return self._apart, range(len(self._apart))
        return self.split, self._drawn.validation

    def _named(self, part: Drawn) -> str:
        options = self._options
        return options.split if part == "train" else options.validation or options.split

    def _seen(self, split: Split, augment: str, masked: Collection[int] = ()) -> Pictures:
        return Pictures(split, self._built.preprocessing, evidence=False, augment=augment, masked=masked)


def _of_pass(number: int, keys: list[Key]) -> list[Key]:
    """The keys of one pass, numbered below 0: other augmentations than those of any epoch."""
    return [(-1 - number, index) for _, index in keys]
