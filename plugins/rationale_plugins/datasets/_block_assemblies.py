"""Standing assemblies with one red block, in pairs: one stands without it, the other falls.

Both assemblies of a pair have the same plan: the same blocks in the same rows, the red one among them. Only
where the blocks lie, left or right, differs. So neither number nor size of blocks, nor the level of the red
one, nor what rests on it, tells the class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from rationale_cli.errors import WorkError

from ._block_statics import Assembly, Block, Floats, contacts, margins, settled, stand, without
from ._block_towers import LEAST_CONTACT, alike, clear, columns

_ROWS: dict[int, tuple[int, ...]] = {3: (2, 1), 5: (3, 2), 6: (3, 2, 1), 7: (4, 3), 8: (4, 3, 1)}
"""Number of blocks → blocks in the rows of a pyramid."""
_COUNTS = {"column": range(4, 9), "bridge": range(3, 9), "T": range(4, 7), "pyramid": tuple(_ROWS)}
"""Kind → numbers of blocks in which either answer is common."""
_ALIKE = 0.15
"""By how much the looks of two columns may differ: counterweights are rarer than towers."""
_GAP = 0.06
"""Blocks of a row are so far apart at least."""
_TRIES = 3000
_ROUNDS, _PLACES = 8, 10
"""Placements of one plan before another is drawn, in rounds."""
_PLANS = 60


class RedPair(NamedTuple):
    """Two that stand, alike in all that should not matter; without the red block only the first does."""

    red: int
    """Which block is red, in both."""
    stable: Assembly
    unstable: Assembly


_Resting = tuple[tuple[int, int], ...]
"""Which block rests on which."""


class _Plan(NamedTuple):
    """Blocks whose places are open."""

    width: Floats
    height: Floats
    bottom: Floats
    red: int
    place: Callable[[np.random.Generator], Sequence[float]]
    """Draws the centres."""


def kinds_of(count: int) -> tuple[str, ...]:
    """The kinds that so many blocks can be arranged in, to stand or to fall without the red one."""
    return tuple(kind for kind, counts in _COUNTS.items() if count in counts)


def red_pair(rng: np.random.Generator, kind: str, count: int, margin: float, equal: bool) -> RedPair:
    """Two assemblies of ``count`` blocks; moving any one by ``margin`` changes no answer, before or after."""
    if kind == "column":
        return _columns(rng, count, margin, equal)
    draw = {"bridge": _bridge, "T": _tee, "pyramid": _pyramid}[kind]
    for _ in range(_PLANS):
        plan = draw(rng, count, equal)
        pair = _placed(rng, plan, margin)
        if pair is not None:
            return pair
    raise WorkError(f"Expected a {kind} of {count} blocks with a margin of {margin:g} but found none.")


def held(assembly: Assembly, red: int) -> tuple[int, ...]:
    """The blocks that the red one holds: those that rest on it, and those that rest on them."""
    above = {red}
    resting = contacts(assembly)
    while grown := {one.upper for one in resting if one.lower in above} - above:
        above |= grown
    return tuple(sorted(above - {red}))


def _columns(rng: np.random.Generator, count: int, margin: float, equal: bool) -> RedPair:
    """The topmost block is red: a counterweight, or not. Offsets are put in another order, as in towers."""
    for _ in range(_TRIES):
        drawn = columns(rng, count, equal)
        x, width, mass = drawn.x, drawn.width, drawn.width * drawn.height
        before, after = margins(x, width, mass), margins(x[..., :-1], width[:-1], mass[:-1])
        wanted = drawn.usable & (before.min(axis=2) >= margin) & clear(after, margin)
        stable = after.min(axis=2) > 0
        for pair in alike(drawn, wanted & stable, wanted & ~stable, _ALIKE):
            return RedPair(count - 1, *pair)
    raise WorkError(f"Expected a column of {count} blocks with a margin of {margin:g} but found none.")


def _placed(rng: np.random.Generator, plan: _Plan, margin: float) -> RedPair | None:
    """Place the blocks of a plan many times over; None where a usable pair is not among the placements.

    What rests on what is the same in both of a pair.
    """
    candidates: dict[_Resting, dict[bool, list[Assembly]]] = {}
    for _ in range(_ROUNDS):
        placed = (_assembly(plan, plan.place(rng)) for _ in range(_PLACES))
        sound = [one for one in placed if _sound(one)]
        answers = stand([*sound, *(without(one, plan.red) for one in sound)])
        for one, before, after in zip(sound, answers[: len(sound)], answers[len(sound) :], strict=True):
            if before:
                resting = tuple((contact.lower, contact.upper) for contact in contacts(one))
                candidates.setdefault(resting, {True: [], False: []})[after].append(one)
        for of_answer in candidates.values():
            pair = _settled(of_answer, plan.red, margin)
            if pair is not None:
                return RedPair(plan.red, *pair)
    return None


def _settled(
    candidates: dict[bool, list[Assembly]], red: int, margin: float
) -> tuple[Assembly, Assembly] | None:
    """The first of either answer that no small move changes; those that one does are taken out, in place."""
    while all(candidates.values()):
        pair = candidates[True][0], candidates[False][0]
        found = settled([*pair, *(without(one, red) for one in pair)], margin)
        fit = {
            answer: found[place] is True and found[2 + place] is answer
            for place, answer in enumerate((True, False))
        }
        if all(fit.values()):
            return pair
        for answer, fits in fit.items():
            if not fits:
                del candidates[answer][0]
    return None


def _assembly(plan: _Plan, x: Sequence[float]) -> Assembly:
    sides = zip(x, plan.bottom, plan.width, plan.height, strict=True)
    return tuple(Block(*map(float, side)) for side in sides)


def _sound(assembly: Assembly) -> bool:
    """Whether no block runs into another, and all touch what they rest on along enough."""
    for index, one in enumerate(assembly):
        for other in assembly[:index]:
            beside = min(one.top, other.top) > max(one.bottom, other.bottom)
            if beside and min(one.right, other.right) + _GAP > max(one.left, other.left):
                return False
    return all(one.right - one.left >= LEAST_CONTACT for one in contacts(assembly))


def _bridge(rng: np.random.Generator, count: int, equal: bool) -> _Plan:
    """A beam on two or three posts, one of them red, under stacks of what is left."""
    posts = 3 if count >= 5 and rng.random() < 0.5 else 2
    stacks = _shared(rng, count - posts - 1)
    width = _drawn(rng, equal, [(0.5, 0.9)] * posts, [(0.9 * posts, 1.3 * posts)], [(0.6, 1.0)] * sum(stacks))
    loads = _heights(rng, equal, sum(stacks), (0.4, 0.7))
    (post,), (beam,) = _heights(rng, equal, 1, (0.5, 0.8)), _heights(rng, equal, 1, (0.25, 0.4))
    height = np.concatenate((np.full(posts, post), [beam], loads))
    bottom = np.concatenate((np.zeros(posts), [post], _piled(post + beam, loads, stacks)))

    def place(rng: np.random.Generator) -> list[float]:
        spread = rng.uniform(0.55, 0.75) * (posts - 1)
        feet = np.linspace(-spread, spread, posts) + rng.uniform(-0.1, 0.1, posts)
        middle = rng.uniform(-0.6, 0.6)
        return [*feet, middle, *_on_beam(rng, middle, width[posts] / 2, stacks)]

    return _Plan(width, height, bottom, int(rng.integers(posts)), place)


def _tee(rng: np.random.Generator, count: int, equal: bool) -> _Plan:
    """A beam on one stem, under two stacks; the topmost block of one of them is red."""
    first = int(rng.integers(1, count - 2))
    stacks = (first, count - 2 - first)
    width = _drawn(rng, equal, [(0.45, 0.8)], [(2.0, 2.7)], [(0.6, 1.0)] * sum(stacks))
    loads = _heights(rng, equal, sum(stacks), (0.4, 0.7))
    (stem,), (beam,) = _heights(rng, equal, 1, (0.5, 0.8)), _heights(rng, equal, 1, (0.25, 0.4))
    bottom = np.concatenate(([0.0, stem], _piled(stem + beam, loads, stacks)))

    def place(rng: np.random.Generator) -> list[float]:
        middle = rng.uniform(-0.45, 0.45)
        return [0.0, middle, *_on_beam(rng, middle, width[1] / 2, stacks)]

    red = 1 + first if rng.random() < 0.5 else count - 1
    return _Plan(width, np.concatenate(([stem, beam], loads)), bottom, red, place)


def _pyramid(rng: np.random.Generator, count: int, equal: bool) -> _Plan:
    """Rows of blocks, each on two of the row below; the lowest one at either end is red."""
    rows = _ROWS[count]
    width = _drawn(rng, equal, [(0.85, 1.15)] * count)
    levels = _heights(rng, equal, len(rows), (0.45, 0.7))
    height, bottom = np.repeat(levels, rows), np.repeat(np.cumsum(levels) - levels, rows)
    skipped = int(rng.integers(rows[-2] - rows[-1]))

    def place(rng: np.random.Generator) -> list[float]:
        spaces = width[: rows[0]] + rng.uniform(0.06, 0.3, rows[0])
        below = (np.cumsum(spaces) - spaces / 2).tolist()
        x = list(below)
        for row, blocks in enumerate(rows[1:], start=1):
            first = skipped if row == len(rows) - 1 else 0
            between = [(below[first + k] + below[first + k + 1]) / 2 for k in range(blocks)]
            below = (np.array(between) + rng.uniform(-0.35, 0.35, blocks)).tolist()
            x += below
        return x

    return _Plan(width, height, bottom, 0 if rng.random() < 0.5 else rows[0] - 1, place)


def _shared(rng: np.random.Generator, loads: int) -> tuple[int, int]:
    """How many of the loads stand in the left stack, and how many in the right."""
    left = int(rng.integers(loads + 1))
    return left, loads - left


def _drawn(rng: np.random.Generator, equal: bool, *ranges: list[tuple[float, float]]) -> Floats:
    """A side within each range; its middle where blocks are equal."""
    low, high = np.array([one for part in ranges for one in part]).T
    return np.asarray((low + high) / 2) if equal else rng.uniform(low, high)


def _heights(rng: np.random.Generator, equal: bool, count: int, within: tuple[float, float]) -> Floats:
    return _drawn(rng, equal, [within] * count) if count else np.zeros(0)


def _piled(bottom: float, heights: Floats, stacks: tuple[int, int]) -> Floats:
    """Where the loads of two stacks begin, given where the stacks do."""
    parts = np.split(heights, [stacks[0]])
    return np.concatenate([bottom + np.cumsum(part) - part for part in parts])


def _on_beam(rng: np.random.Generator, middle: float, reach: float, stacks: tuple[int, int]) -> list[float]:
    """Centres of the loads: either stack on its half of the beam."""
    x: list[float] = []
    for side, loads in zip((-1, 1), stacks, strict=True):
        foot = middle + side * rng.uniform(0.3, max(reach - 0.1, 0.4))
        x += (foot + rng.uniform(-0.2, 0.2, loads)).tolist()
    return x
