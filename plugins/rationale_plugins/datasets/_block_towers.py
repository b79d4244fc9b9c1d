"""Columns of blocks in pairs, one that stands and one that falls, which shortcuts do not tell apart.

Both towers of a pair are made of the same blocks with the same offsets between neighbours, put in another
order. Whatever does not depend on the order is then the same in both classes: number of blocks, height, total
lean, largest offset. Of three blocks and more each kind of tower is as frequent in either class: such whose
every block would stand on the one below it alone ("locally fine"), and such with a block that would not.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rationale_cli.errors import WorkError

from ._block_statics import Assembly, Floats, margins, stacked

WIDTHS, HEIGHTS, LOWER = (0.75, 1.3), (0.4, 0.75), (0.35, 0.6)
"""Smallest and largest side of a block; ``LOWER`` are the heights where there are more than four."""
LEAST_CONTACT = 0.15
"""Neighbours touch along so much at least."""
REACH = 0.75
"""Largest offset between neighbours."""
_TRIES = 4000
_MOST_ORDERS = 60
AT_ONCE = 240
"""Towers that are looked at in one go."""


class Pair(NamedTuple):
    """Two assemblies alike in all that should not matter."""

    stable: Assembly
    unstable: Assembly


class Ordered(NamedTuple):
    """S sets of offsets, each in P orders, of towers of n blocks."""

    x: Floats
    """S×P×n centres."""
    usable: npt.NDArray[np.bool_]
    """S×P: whether neighbours touch."""
    fine: npt.NDArray[np.bool_]
    """S×P: whether every block would stand on the one below it alone."""


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
    narrow, wide = np.sort(width) / 2
    offset = rng.uniform(narrow + margin, max(wide - margin, narrow + margin))
    if not narrow + margin <= offset <= min(wide - margin, narrow + wide - LEAST_CONTACT):
        return None
    order = np.argsort(-width)
    x = (0.0, float(offset))
    return Pair(
        stacked(x, width[order].tolist(), height[order].tolist()),
        stacked(x, width[order[::-1]].tolist(), height[order[::-1]].tolist()),
    )


def _several(
    rng: np.random.Generator, count: int, margin: float, equal: bool, locally_fine: bool
) -> Pair | None:
    width, height = sides(rng, count, equal)
    ways = orders(rng, count - 1)
    sets = max(AT_ONCE // len(ways), 1)
    offsets = rng.uniform(-REACH, REACH, (sets, count - 1)) * rng.uniform(0.4, 1.0, (sets, 1))
    x, usable, fine = ordered(offsets, ways, width)
    found = margins(x, width, width * height)
    wanted = usable & (fine == locally_fine) & clear(found, margin) & (found[..., 0] > 0)
    stable = found.min(axis=2) > 0
    stable, unstable = wanted & stable, wanted & ~stable
    both = np.flatnonzero(stable.any(axis=1) & unstable.any(axis=1))
    if not len(both):
        return None
    first = both[0]
    standing, falling = alike(x[first, stable[first]], x[first, unstable[first]])
    return Pair(
        stacked(standing.tolist(), width.tolist(), height.tolist()),
        stacked(falling.tolist(), width.tolist(), height.tolist()),
    )


def ordered(offsets: Floats, ways: npt.NDArray[np.int64], width: Floats) -> Ordered:
    """S×(n−1) sets of offsets in P×(n−1) orders: the towers of blocks that wide."""
    steps = offsets[:, ways]
    x = np.concatenate((np.zeros((*steps.shape[:2], 1)), np.cumsum(steps, axis=2)), axis=2)
    reach = (width[:-1] + width[1:]) / 2 - LEAST_CONTACT
    usable = (np.abs(steps) <= reach).all(axis=2)
    return Ordered(x, usable, (np.abs(steps) <= width[:-1] / 2).all(axis=2))


def clear(found: Floats, margin: float) -> npt.NDArray[np.bool_]:
    """…×n margins → whether none of the n is near 0."""
    return np.asarray((np.abs(found) >= margin).all(axis=-1))


def alike(standing: Floats, falling: Floats) -> tuple[Floats, Floats]:
    """Of A×n and B×n positions the two towers that spread most equally wide."""
    apart = np.abs(np.ptp(standing, axis=1)[:, None] - np.ptp(falling, axis=1))
    one, other = np.unravel_index(int(apart.argmin()), apart.shape)
    return standing[one], falling[other]


def orders(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """P×count: every order of so many things, or some of them where there are many."""
    if math.factorial(count) <= _MOST_ORDERS:
        return np.array(list(permutations(range(count))))
    return rng.permuted(np.tile(np.arange(count), (_MOST_ORDERS, 1)), axis=1)
