"""Timing in turn: every work once a round, so that a busy machine touches them alike; ratios within a round.

Beside the clock stands the processor time of this process, which other work on the machine moves less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import NamedTuple

import torch

_LEAST = 0.1
"""Seconds that a measurement takes at least: short calls are repeated."""


@dataclass(frozen=True)
class Work:
    """Something to time."""

    name: str
    do: Callable[[], object]
    pictures: int
    """How many one call handles."""
    rounds: int | None = None
    """Rounds in which it takes part, where it is too slow for all of them."""


class Spent(NamedTuple):
    """Seconds for one picture."""

    clock: float
    processor: float


@dataclass(frozen=True)
class Timing:
    """One work; ratios are those of the time for one picture to the first work's in the same round."""

    name: str
    images_per_second: float
    ratio: float
    """By the clock: the median over the rounds."""
    lower: float
    """Quartiles of the same."""
    upper: float
    processor_ratio: float
    rounds: int


def measure(works: Sequence[Work], rounds: int, device: torch.device) -> list[Timing]:
    """Time every work in turn, after one round for warming up; the first is what all are compared with."""
    spent: dict[str, list[Spent]] = {work.name: [] for work in works}
    for turn in range(rounds + 1):
        for work in works:
            if turn <= (rounds if work.rounds is None else work.rounds):
                one = _spent(work, device)
                if turn:
                    spent[work.name].append(one)
    plain = spent[works[0].name]
    return [_timing(work.name, spent[work.name], plain) for work in works]


def _timing(name: str, own: Sequence[Spent], plain: Sequence[Spent]) -> Timing:
    pairs = list(zip(own, plain, strict=False))
    ratios = [one.clock / other.clock for one, other in pairs]
    lower, middle, upper = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    processor = median(one.processor / other.processor for one, other in pairs)
    return Timing(name, 1 / median(one.clock for one in own), middle, lower, upper, processor, len(pairs))


def _spent(work: Work, device: torch.device) -> Spent:
    calls, clock, processor = 0, time.perf_counter(), time.process_time()
    while calls == 0 or time.perf_counter() - clock < _LEAST:
        work.do()
        calls += 1
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    pictures = calls * work.pictures
    return Spent((time.perf_counter() - clock) / pictures, (time.process_time() - processor) / pictures)
