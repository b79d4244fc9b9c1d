"""How numbers are written: as whole steps of their last shown digit, so that two writers agree.

The page's script redraws the tables at any threshold from embedded whole numbers; the page itself is
written from the same ones. What is undefined is "–" and never 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MINUS, UNDEFINED = "−", "–"


class Unit(NamedTuple):
    """A unit of measurement: the factor from a fraction, and the digits shown after the point."""

    factor: float
    decimals: int


PERCENT = Unit(100.0, 1)
RATIO = Unit(1.0, 2)
PLAIN = Unit(1.0, 3)


def unit_of(metric: str) -> Unit:
    """Lift, phi, cost, NLL and Brier score are plain numbers; every other measure is a share."""
    if metric in {"NLL", "Brier"}:
        return PLAIN
    return RATIO if metric in {"lift", "phi", "cost"} else PERCENT


def scaled(value: float | None, unit: Unit = PERCENT) -> float:
    """A value in its unit for drawing: NaN where undefined.

    >>> scaled(0.25), scaled(1.5, RATIO), scaled(None)
    (25.0, 1.5, nan)
    """
    return math.nan if value is None else value * unit.factor


def steps(value: float | None, unit: Unit) -> int | None:
    """A value in whole steps of its last shown digit.

    >>> steps(0.7314, PERCENT), steps(1.046, RATIO), steps(None, RATIO)
    (731, 105, None)
    """
    if value is None:
        return None
    return int(f"{value * unit.factor:.{unit.decimals}f}".replace(".", ""))


def shown(count: int | None, unit: Unit, *, signed: bool = False) -> str:
    """Whole steps as text.

    >>> shown(731, PERCENT), shown(-90, PERCENT, signed=True), shown(5, RATIO), shown(None, RATIO)
    ('73.1', '−9.0', '0.05', '–')
    """
    if count is None:
        return UNDEFINED
    whole, rest = divmod(abs(count), 10**unit.decimals)
    sign = MINUS if count < 0 else "+" if signed and count > 0 else ""
    return f"{sign}{whole}.{rest:0{unit.decimals}d}"


def number(value: float | None, unit: Unit = PERCENT, *, signed: bool = False) -> str:
    """A value as text.

    >>> number(0.0832), number(-0.0832, signed=True), number(None)
    ('8.3', '−8.3', '–')
    """
    return shown(steps(value, unit), unit, signed=signed)


def interval(low: float | None, high: float | None, unit: Unit = PERCENT, *, signed: bool = False) -> str:
    """An interval as text; empty where it is undefined.

    >>> interval(0.7, 0.758), interval(None, None)
    ('[70.0, 75.8]', '')
    """
    if low is None or high is None:
        return ""
    return f"[{number(low, unit, signed=signed)}, {number(high, unit, signed=signed)}]"


def probability(p: float | None) -> str:
    """A p value as text.

    >>> probability(0.01234), probability(0.00001), probability(None)
    ('p = 0.012', 'p < 0.001', 'p undefined')
    """
    if p is None:
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def threshold(value: float) -> str:
    """A threshold as text: two digits, more where the user gave more.

    >>> threshold(0.5), threshold(0.333)
    ('0.50', '0.333')
    """
    return f"{value:.2f}" if abs(value - round(value, 2)) < 1e-9 else f"{value:g}"
