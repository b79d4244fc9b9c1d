"""Which assembly a picture of blocks shows, and what is known of it."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from ._block_assemblies import held, kinds_of, red_pair
from ._block_statics import Assembly, column_margins, failing_interface, without
from ._block_towers import mirrored, tower_pair

Task = Literal["stability", "causal-removal"]
Size = Literal["small", "large"]
TASKS: tuple[Task, ...] = ("stability", "causal-removal")
SIZES: tuple[Size, ...] = ("small", "large")

VERSION = 1
"""Raised whenever the same seed would make another item or picture: part of the data's fingerprint."""

STABLE, UNSTABLE = 0, 1
"""Labels."""
_COLUMN = "column"
_TWOS = 0.1
"""Share of the small towers that are of two blocks: there the offset between neighbours is the truth."""


class Family(NamedTuple):
    """What items have in common."""

    task: Task
    size: Size
    seed: int
    part: int
    """Stream of random numbers: train, val and test have nothing in common."""
    margin: float
    equal: bool
    """Whether all blocks are equally large."""


class Item(NamedTuple):
    """One assembly and its answer."""

    blocks: Assembly
    red: int | None
    """The block that is thought away; None where there is none."""
    kind: str
    label: int

    @property
    def margin(self) -> float | None:
        """How far inside its support the worst interface is, in block widths; None where that is not defined.

        Of a column alone: without the red block, where there is one.
        """
        if self.kind != _COLUMN:
            return None
        judged = self.blocks if self.red is None else without(self.blocks, self.red)
        return float(column_margins(judged).min())

    @property
    def evidence(self) -> tuple[int, ...]:
        """The blocks that are a valid reason for the answer.

        A falling tower's are the two between which it tips over, the lowest such; a standing tower stands
        because of every block. Where a block is thought away, it is that block and what it holds.
        """
        if self.red is not None:
            return (self.red, *held(self.blocks, self.red))
        failing = failing_interface(column_margins(self.blocks))
        return tuple(range(len(self.blocks))) if failing is None else (failing - 1, failing)

    @property
    def geometry(self) -> str:
        """JSON: kind, red block; of each block x of its centre, y of its bottom, width, height, density."""
        rounded = [[round(side, 6) + 0.0 for side in block] for block in self.blocks]
        return json.dumps({"kind": self.kind, "red": self.red, "blocks": rounded}, separators=(",", ":"))


def label(family: Family, index: int) -> int:
    """Of an item, known without making it: of two neighbours one is stable, which one is left to chance."""
    first = np.random.default_rng(_stream(family, index // 2, 0)).integers(2)
    return (int(first) + index) % 2


def item(family: Family, index: int) -> Item:
    """The item of that place in its family; neighbours 2k and 2k + 1 are a pair."""
    pair, answer = _pair(family, index // 2), label(family, index)
    assembly = pair.stable if answer == STABLE else pair.unstable
    rng = np.random.default_rng(_stream(family, index, 2))
    return Item(mirrored(assembly) if rng.random() < 0.5 else assembly, pair.red, pair.kind, answer)


class _Pair(NamedTuple):
    kind: str
    red: int | None
    stable: Assembly
    unstable: Assembly


@lru_cache(maxsize=1 << 16)
def _pair(family: Family, index: int) -> _Pair:
    rng = np.random.default_rng(_stream(family, index, 1))
    if family.task == "stability":
        tower = tower_pair(rng, _tower_count(rng, family), family.margin, family.equal)
        return _Pair(_COLUMN, None, tower.stable, tower.unstable)
    count = int(rng.integers(3, 5) if family.size == "small" else rng.integers(5, 9))
    kind = str(rng.choice(kinds_of(count)))
    pair = red_pair(rng, kind, count, family.margin, family.equal)
    return _Pair(kind, pair.red, pair.stable, pair.unstable)


def _tower_count(rng: np.random.Generator, family: Family) -> int:
    if family.size == "large":
        return int(rng.integers(5, 9))
    # Two equal blocks differ in nothing but their offset: nothing could be kept alike.
    return 2 if not family.equal and rng.random() < _TWOS else int(rng.integers(3, 5))


def _stream(family: Family, index: int, what: int) -> tuple[int, ...]:
    task, size = TASKS.index(family.task), SIZES.index(family.size)
    return (family.seed, family.part, task, size, index, what)
