"""The choices of a protocol that need no retraining, their combinations, and what each of them moves.

A multiverse analysis (Steegen et al. 2016) computes a result under every combination of defensible choices.
Between two of the combinations the difference of the results is split over the choices that differ, exactly,
by Shapley's values (1953): the mean of what a choice changes over all orders in which the choices can be
made.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

Combination = tuple[str, ...]
"""One specification: the level of each choice, in the order of the choices."""

Coalition = frozenset[str]
"""Names of the choices that are made as at the end, and not as at the start."""

MOST_PLAYERS = 12
"""Choices between which a difference is split: their 4,096 coalitions are all computed."""


@dataclass(frozen=True)
class Choice:
    """One decision of the protocol and the ways to make it."""

    name: str
    levels: tuple[str, ...]
    """The first is the default."""
    apart: frozenset[str] = frozenset()
    """Levels that treat compared runs by different rules, so that their difference is partly the rules'."""

    def __post_init__(self) -> None:
        if not self.levels or len(set(self.levels)) != len(self.levels):
            raise ValueError(f"Expected levels that differ from each other but got {self.levels}.")


class Neighbour(NamedTuple):
    """A combination that differs from another in one choice."""

    choice: str
    level: str
    combination: Combination


def default_of(choices: Sequence[Choice]) -> Combination:
    """Every choice at its default."""
    return tuple(choice.levels[0] for choice in choices)


def grid(choices: Sequence[Choice]) -> list[Combination]:
    """Every combination once, the default first.

    >>> grid([Choice("a", ("0", "1")), Choice("b", ("x", "y"))])
    [('0', 'x'), ('0', 'y'), ('1', 'x'), ('1', 'y')]
    """
    return list(itertools.product(*(choice.levels for choice in choices)))


def neighbours(choices: Sequence[Choice], start: Combination) -> Iterator[Neighbour]:
    """Every combination that differs from ``start`` in one choice, in the order of choices and levels."""
    for place, choice in enumerate(choices):
        for level in choice.levels:
            if level != start[place]:
                yield Neighbour(choice.name, level, (*start[:place], level, *start[place + 1 :]))


def shared(choices: Sequence[Choice], combination: Combination) -> bool:
    """Whether compared runs are treated by one rule in every choice."""
    return not any(level in one.apart for one, level in zip(choices, combination, strict=True))


def players(choices: Sequence[Choice], start: Combination, end: Combination) -> list[str]:
    """Names of the choices in which two combinations differ."""
    return [choice.name for choice, one, other in zip(choices, start, end, strict=True) if one != other]


def coalitions(
    choices: Sequence[Choice], start: Combination, end: Combination
) -> dict[Coalition, Combination]:
    """The 2^k combinations between two that differ in k choices: each choice made as at the one or the other.

    Raises ``ValueError`` for more than ``MOST_PLAYERS`` choices.

    >>> between = coalitions([Choice("a", ("0", "1")), Choice("b", ("x", "y"))], ("0", "x"), ("1", "y"))
    >>> between[frozenset({"b"})]
    ('0', 'y')
    """
    differing = players(choices, start, end)
    if len(differing) > MOST_PLAYERS:
        raise ValueError(f"Expected at most {MOST_PLAYERS} differing choices but got {len(differing)}.")
    names = [choice.name for choice in choices]
    return {
        members: tuple(
            there if name in members else here for name, here, there in zip(names, start, end, strict=True)
        )
        for size in range(len(differing) + 1)
        for members in map(frozenset, itertools.combinations(differing, size))
    }


def shapley(values: Mapping[Coalition, Any], members: Collection[str]) -> dict[str, Floats]:
    """Shapley's value of each of k members, from the value of each of their 2^k coalitions.

    φ(j) = Σ over S without j of |S|!·(k − |S| − 1)!/k! · (v(S ∪ {j}) − v(S)). Values may be arrays, such as
    the replicates of a bootstrap; the result then has their shape. The φ sum to v(all) − v(none), a member
    that never changes anything gets 0, and members that can stand for each other get the same.

    >>> worth = {(): 0.0, ("a",): 1.0, ("b",): 3.0, ("a", "b"): 6.0}
    >>> found = shapley({frozenset(key): value for key, value in worth.items()}, ("a", "b"))
    >>> float(found["a"]), float(found["b"])
    (2.0, 4.0)
    """
    k = len(members)
    weights = [math.factorial(size) * math.factorial(k - size - 1) / math.factorial(k) for size in range(k)]
    return {
        member: np.sum(
            [
                weights[len(others)] * (np.asarray(values[others | {member}]) - np.asarray(values[others]))
                for others in values
                if member not in others
            ],
            axis=0,
        )
        for member in members
    }
