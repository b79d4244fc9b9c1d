"""Columns of blocks in pairs, one that stands and one that falls, which shortcuts do not tell apart.

Both towers of a pair are made of the same blocks with the same offsets between neighbours, put in another
order. Whatever does not depend on the order is then the same in both classes: number of blocks, height, total
lean, largest offset. Of three blocks and more each kind of tower is as frequent in either class: such whose
every block would stand on the one below it alone ("locally fine"), and such with a block that would not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rationale_cli.errors import WorkError

from ._block_statics import Assembly, Floats, column_margins, margins, stacked

WIDTHS, HEIGHTS, LOWER = (0.75, 1.3), (0.4, 0.75), (0.35, 0.6)
"""Smallest and largest side of a block; ``LOWER`` are the heights where there are more than four."""
LEAST_CONTACT = 0.15
"""Neighbours touch along so much at least."""
_REACH = 0.75
"""Largest offset between neighbours."""
_ALIKE = 0.015
"""By how much the looks of a pair may differ."""
_TRIES = 4000
_MOST_ORDERS = 60
_AT_ONCE = 240
"""Towers that are looked at in one go."""

Flags = npt.NDArray[np.bool_]


class Pair(NamedTuple):
    """Two assemblies alike in all that should not matter."""

    stable: Assembly
    unstable: Assembly


class Columns(NamedTuple):
    """S sets of offsets, each in P orders: columns of the same n blocks."""

    x: Floats
    """S×P×n centres."""
    width: Floats
    """n, from the lowest block on, as all that follows."""
    height: Floats
    usable: Flags
    """S×P: whether neighbours touch."""
    fine: Flags
    """S×P: whether every block would stand on the one below it alone."""

    def column(self, place: tuple[int, int]) -> Assembly:
        """One of them."""
        return stacked(self.x[place].tolist(), self.width.tolist(), self.height.tolist())


def sides(rng: np.random.Generator, count: int, equal: bool) -> tuple[Floats, Floats]:
    """Widths and heights of so many blocks."""
    heights = HEIGHTS if count <= 4 else LOWER
    if equal:
        return np.full(count, 1.0), np.full(count, sum(heights) / 2)
    return rng.uniform(*WIDTHS, count), rng.uniform(*heights, count)


def tower_pair(rng: np.random.Generator, count: int, margin: float, equal: bool) -> Pair:
    """Two towers of ``count`` blocks; none of their margins is nearer to 0 than ``margin``.

    Of two blocks the pair has the same offset, and which block is below differs; of more the offsets are put
    in another order. No tower tips over the ground as a whole, so that what fails is between two blocks.
    """
    draw = _two if count == 2 else _several
    locally_fine = bool(rng.random() < 0.5)
    for _ in range(_TRIES):
        pair = draw(rng, count, margin, equal, locally_fine)
        if pair is not None:
            return pair
    raise WorkError(
        f"Expected a pair of towers of {count} blocks with a margin of {margin:g} but found none."
    )


def mirrored(assembly: Assembly) -> Assembly:
    """Left and right exchanged."""
    return tuple(block._replace(x=-block.x) for block in assembly)


def _two(rng: np.random.Generator, count: int, margin: float, equal: bool, locally_fine: bool) -> Pair | None:
    """Of two blocks the local rule is the truth, so ``locally_fine`` cannot be had in both."""
    width, height = sides(rng, count, equal)
    order = np.argsort(-width)
    x = np.array((0.0, rng.uniform(*np.sort(width)) / 2))
    towers = [stacked(x.tolist(), width[way].tolist(), height[way].tolist()) for way in (order, order[::-1])]
    found = np.array([column_margins(tower) for tower in towers])
    touching = x[1] <= width.sum() / 2 - LEAST_CONTACT
    usable = touching and clear(found, margin).all() and (found[:, 0] > 0).all()
    return Pair(*towers) if usable and found[0, 1] > 0 > found[1, 1] else None


def _several(
    rng: np.random.Generator, count: int, margin: float, equal: bool, locally_fine: bool
) -> Pair | None:
    drawn = columns(rng, count, equal)
    found = margins(drawn.x, drawn.width, drawn.width * drawn.height)
    wanted = drawn.usable & (drawn.fine == locally_fine) & clear(found, margin) & (found[..., 0] > 0)
    stable = found.min(axis=2) > 0
    return next((Pair(*pair) for pair in alike(drawn, wanted & stable, wanted & ~stable)), None)


def columns(rng: np.random.Generator, count: int, equal: bool) -> Columns:
    """Draw blocks, and many sets of offsets between them, each in many orders."""
    width, height = sides(rng, count, equal)
    if count == 3:
        # In widths of the block below, two offsets stay what they are in the other order in this case alone.
        width[1] = width[0]
    ways = _orders(rng, count - 1)
    sets = max(_AT_ONCE // len(ways), 1)
    offsets = rng.uniform(-_REACH, _REACH, (sets, count - 1)) * rng.uniform(0.4, 1.0, (sets, 1))
    steps = offsets[:, ways]
    x = np.concatenate((np.zeros((*steps.shape[:2], 1)), np.cumsum(steps, axis=2)), axis=2)
    reach = (width[:-1] + width[1:]) / 2 - LEAST_CONTACT
    usable, fine = _all(np.abs(steps) <= reach), _all(np.abs(steps) <= width[:-1] / 2)
    return Columns(x, width, height, usable, fine)


def clear(found: Floats, margin: float) -> Flags:
    """…×n margins → whether none of the n is near 0."""
    return _all(np.abs(found) >= margin)


def _all(flags: Flags) -> Flags:
    """…×n → …"""
    return np.asarray(flags.all(axis=-1))


def alike(
    drawn: Columns, stable: Flags, unstable: Flags, within: float = _ALIKE
) -> Iterator[tuple[Assembly, Assembly]]:
    """S×P flags of columns that may stand for either class → of each set the two that look most alike.

    Sets are left out where no two are nearly equally wide, with nearly the same largest offset in widths of
    the block below: that would tell the classes apart.
    """
    spread = np.ptp(drawn.x, axis=2)
    steep = np.abs(np.diff(drawn.x, axis=2) / drawn.width[:-1]).max(axis=2)
    for one in np.flatnonzero(stable.any(axis=1) & unstable.any(axis=1)).tolist():
        standing, falling = np.flatnonzero(stable[one]), np.flatnonzero(unstable[one])
        apart = np.maximum(*(np.abs(of[one, standing][:, None] - of[one, falling]) for of in (spread, steep)))
        first, second = np.unravel_index(int(apart.argmin()), apart.shape)
        if apart[first, second] <= within:
            yield drawn.column((one, int(standing[first]))), drawn.column((one, int(falling[second])))


def _orders(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """P×count: every order of so many things, or some of them where there are many."""
    if math.factorial(count) <= _MOST_ORDERS:
        return np.array(list(permutations(range(count))))
    return rng.permuted(np.tile(np.arange(count), (_MOST_ORDERS, 1)), axis=1)
