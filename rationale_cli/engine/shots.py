"""Which pictures of the training split a run trains on, and which it holds out to choose settings on.

They follow from the options and the annotated classes alone: the same for every method, every model and any
number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ..contracts import Progress, Split
from ..errors import InputError
from ..recipe import TrainOptions
from .batches import limited

LARGEST_VALIDATION = 4
"""Pictures of a class that are held out beside its shots: as many as there are shots, but not more."""
HELD_OUT = 0.1
"""Share of each class that is held out where all pictures are trained on."""
_READ_AT_ONCE = 64
_NAMED = 6


@dataclass(frozen=True)
class Selection:
    """Indices into the training split, in order; no picture is in both."""

    train: tuple[int, ...]
    validation: tuple[int, ...]


def selected(
    split: Split, classnames: Sequence[str], options: TrainOptions, progress: Progress, *, validates: bool
) -> Selection:
    """Draw ``train.shots`` pictures of each class, or take all; hold some out where the method ``validates``.

    The shots do not depend on whether any are held out. ``train.limit`` and ``train.share`` then thin out
    both parts. Raises ``InputError`` where a class has too few pictures.
    """
    if options.shots is None and not validates:
        return Selection(_thinned(range(len(split)), options), ())
    members = _members(_labels(split, options, progress), len(classnames))
    _check(members, classnames, options, validates)
    train: list[int] = []
    validation: list[int] = []
    for label, indices in members.items():
        first, further = _quota(len(indices), options, validates)
        drawn = np.random.default_rng((options.shot_seed, label)).permutation(indices).tolist()
        train += drawn[:first]
        validation += drawn[first : first + further]
    if validates and not validation:
        raise InputError(
            f"Expected two pictures of a class in the split {options.split!r}, one to choose settings on, "
            "but no class has two.",
            next_step="give the method's settings instead of having them searched for",
        )
    return Selection(_thinned(sorted(train), options), _thinned(sorted(validation), options))


def _quota(count: int, options: TrainOptions, validates: bool) -> tuple[int, int]:
    """How many of a class's pictures are trained on, and how many are held out."""
    if options.shots is not None:
        return options.shots, _beside(options.shots, validates)
    held_out = max(round(count * HELD_OUT), 1) if count > 1 else 0
    return count - held_out, held_out


def _beside(shots: int, validates: bool) -> int:
    return min(shots, LARGEST_VALIDATION) if validates else 0


def _thinned(indices: Sequence[int], options: TrainOptions) -> tuple[int, ...]:
    kept = limited(len(indices), options.limit, options.share, options.batch_size)
    return tuple(indices[place] for place in kept)


def _members(labels: Sequence[int | None], classes: int) -> dict[int, list[int]]:
    """Indices of the pictures of each class, in the order of the split."""
    members: dict[int, list[int]] = {label: [] for label in range(classes)}
    for index, label in enumerate(labels):
        if label is not None:
            members[label].append(index)
    return members


def _check(
    members: Mapping[int, Sequence[int]], classnames: Sequence[str], options: TrainOptions, validates: bool
) -> None:
    if options.shots is None:
        return
    further = _beside(options.shots, validates)
    needed = options.shots + further
    few = {classnames[label]: len(indices) for label, indices in members.items() if len(indices) < needed}
    if not few:
        return
    told = ", ".join(f"{name} ({count})" for name, count in list(few.items())[:_NAMED])
    told += f" and {len(few) - _NAMED} more" if len(few) > _NAMED else ""
    purpose = f" ({options.shots} to train and {further} to choose settings on)" if further else ""
    least = min(few.values())
    possible = (shots for shots in range(least, 0, -1) if shots + _beside(shots, validates) <= least)
    most = next(possible, None)
    raise InputError(
        f"Expected {needed} pictures of each class in the split {options.split!r}{purpose} but "
        f"{len(few)} of {len(members)} classes have fewer: {told}.",
        next_step="leave --shots out to take all pictures"
        if most is None
        else f"use --shots {most}, the most that every class has",
    )


def _labels(split: Split, options: TrainOptions, progress: Progress) -> Sequence[int | None]:
    """The class of each picture; None for one that cannot be read and may be skipped."""
    known: Sequence[int] | None = getattr(split, "labels", None)
    if known is not None:
        return known
    labels: list[int | None] = []
    loader = DataLoader(
        _Labels(split), batch_size=_READ_AT_ONCE, num_workers=options.workers, collate_fn=list
    )
    with progress.task("reading the classes of the pictures", len(split)) as advance:
        for batch in loader:
            for one in batch:
                if isinstance(one, InputError) and not options.skip_bad:
                    raise InputError(
                        one.what,
                        where=one.where,
                        next_step="mend or remove it, or pass --skip-bad to leave out such pictures",
                    )
                labels.append(None if isinstance(one, InputError) else one)
            advance(len(batch), "")
    return labels


class _Labels(TorchDataset[int | InputError]):
    """Labels of a split that knows them only from its samples."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> int | InputError:
        try:
            return self.split[index].label
        except InputError as error:
            return error
