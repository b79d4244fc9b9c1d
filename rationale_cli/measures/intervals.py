"""Intervals in closed form: where a bootstrap would say [100, 100] (protocol §7.9)."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy import special


class Interval(NamedTuple):
    """Lower and upper limit."""

    low: float
    high: float


class Contrast(NamedTuple):
    """A difference with interval and two-sided p, below 1 − level exactly where the interval excludes 0."""

    difference: float
    low: float
    high: float
    p: float


UNDEFINED = Interval(math.nan, math.nan)


def quantile(level: float) -> float:
    """Two-sided normal quantile: 1.96 for 0.95."""
    return float(special.ndtri((1 + level) / 2))


def two_sided(z: float) -> float:
    """Normal p value of a deviation of z standard errors, to either side."""
    return float(2 * special.ndtr(-abs(z)))


def wilson(hits: float, n: float, level: float = 0.95) -> Interval:
    """Wilson's score interval (1927) of a proportion; undefined for n = 0.

    An effective number of pictures need not be whole.

    >>> [round(limit, 4) for limit in wilson(10, 10)]
    [0.7225, 1.0]
    """
    if n == 0:
        return UNDEFINED
    z2 = quantile(level) ** 2
    centre = (hits + z2 / 2) / (n + z2)
    reach = math.sqrt(z2 * (hits * (n - hits) / n + z2 / 4)) / (n + z2)
    return Interval(
        0.0 if hits == 0 else max(0.0, centre - reach), 1.0 if hits == n else min(1.0, centre + reach)
    )


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> Interval:
    """Clopper and Pearson's exact interval (1934): never covers less than ``level``; undefined for n = 0.

    >>> [round(limit, 4) for limit in clopper_pearson(10, 10)]
    [0.6915, 1.0]
    """
    if n == 0:
        return UNDEFINED
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(special.betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(special.betaincinv(hits + 1, n - hits, 1 - tail))
    return Interval(low, high)


def mover(first: tuple[float, Interval], second: tuple[float, Interval], level: float = 0.95) -> Contrast:
    """First minus second from the interval of each (method of variance estimates recovery).

    Zou & Donner (2008); with Wilson's intervals it is Newcombe's method 10 (1998). Takes the two as
    independent, which makes it too wide, never too narrow, for positively correlated ones.
    """
    (a, (a_low, a_high)), (b, (b_low, b_high)) = first, second
    difference = a - b
    low = difference - math.hypot(a - a_low, b_high - b)
    high = difference + math.hypot(a_high - a, b - b_low)
    return Contrast(difference, low, high, _p_from(difference, low, high, level))


def newcombe(hits: tuple[int, int], n: tuple[int, int], level: float = 0.95) -> Contrast:
    """Difference of two independent proportions ``hits[0]/n[0] − hits[1]/n[1]``; n > 0.

    >>> [round(value, 3) for value in newcombe((9, 3), (10, 10))]
    [0.6, 0.171, 0.809, 0.006]
    """
    one, two = ((h / m, wilson(h, m, level)) for h, m in zip(hits, n, strict=True))
    return mover(one, two, level)


def agresti_min(gained: int, lost: int, n: int, level: float = 0.95) -> Contrast:
    """Difference of two proportions on the same n > 0 pictures, where a discordant cell may be empty.

    Wald's interval after half a picture is added to each of the four cells (Agresti & Min 2005);
    ``gained``: only the first has it, ``lost``: only the second.

    >>> [round(value, 3) for value in agresti_min(5, 0, 20)]
    [0.25, 0.031, 0.424, 0.023]
    """
    up, down, size = gained + 0.5, lost + 0.5, n + 2
    centre = (up - down) / size
    reach = quantile(level) * math.sqrt((up + down) / size - centre**2) / math.sqrt(size)
    low, high = max(-1.0, centre - reach), min(1.0, centre + reach)
    error = reach / quantile(level)
    p = 1.0 if gained == lost else two_sided(centre / error)
    return Contrast((gained - lost) / n, low, high, p)


def _p_from(difference: float, low: float, high: float, level: float) -> float:
    """The p whose z is the difference in units of the reach that faces 0."""
    if math.isnan(low) or math.isnan(high):
        return math.nan
    facing = difference - low if difference > 0 else high - difference
    if difference == 0 or facing <= 0:
        return 1.0 if difference == 0 else 0.0
    return two_sided(quantile(level) * difference / facing)
