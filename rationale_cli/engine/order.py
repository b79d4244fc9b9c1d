"""In which order pictures are trained on: decided by seed and step alone, for any number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..errors import InputError
from ..recipe import TrainOptions
from .batches import Key


@dataclass(frozen=True)
class Plan:
    """The order of the pictures: the same for any number of processes."""

    indices: tuple[int, ...]
    batch: int
    epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Incomplete batches are dropped, as in the reference."""
        return max(len(self.indices) // self.batch, 1)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    def keys(self, step: int) -> list[Key]:
        """The global batch of one step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = _order(len(self.indices), self.seed, epoch)
        chosen = order[position * self.batch : (position + 1) * self.batch]
        return [(epoch, self.indices[index]) for index in chosen.tolist()]


@dataclass(frozen=True)
class Shares:
    """What falls to one process of the global batches from a step on, drawn up batch by batch.

    All at once they would take gigabytes and minutes for the epochs of a large data set.
    """

    plan: Plan
    start: int
    process: int
    processes: int

    def __len__(self) -> int:
        return self.plan.steps - self.start

    def __iter__(self) -> Iterator[list[Key]]:
        for step in range(self.start, self.plan.steps):
            keys = self.plan.keys(step)
            size = len(keys) // self.processes
            yield keys[self.process * size : (self.process + 1) * size]


def planned(indices: Sequence[int], options: TrainOptions, processes: int) -> Plan:
    """Raises ``InputError`` for an empty split and a batch that so many processes cannot share."""
    if not indices:
        raise InputError(f"Expected pictures in the split {options.split!r} but it is empty.")
    batch = min(options.batch_size, len(indices))
    if batch % processes:
        raise InputError(
            f"Expected a batch size that {processes} processes can share evenly but got {batch}.",
            next_step=f"use a multiple of {processes} for --batch-size (it is the size over all processes)",
        )
    return Plan(tuple(indices), batch, options.epochs, options.seed)


@lru_cache(maxsize=2)
def _order(n: int, seed: int, epoch: int) -> Tensor:
    """Of n pictures in one epoch."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(mixed(seed, epoch)))


def mixed(*parts: int) -> int:
    """One 63-bit seed from several small numbers."""
    value = 0
    for part in parts:
        value = (value * 6364136223846793005 + part + 1442695040888963407) % (1 << 63)
    return value
