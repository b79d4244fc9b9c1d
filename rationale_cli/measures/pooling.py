"""The mean of several effects that rest on the same pictures, or on some of them, with one interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from .bootstrap import LEVEL
from .intervals import quantile
from .paired import POWER

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Effect(NamedTuple):
    """A number and what its sampling variance is made of."""

    value: float
    """NaN where it is undefined."""
    places: Places
    """Of its n pictures among all pictures of all effects, each at most once."""
    parts: Floats
    """What each of its pictures contributes to the deviation of ``value``: influence/n, of sum 0. Their sum
    of squares is the variance over pictures."""
    spread: float = 0.0
    """Variance that does not come from drawing these pictures, such as that between seeds."""
    freedom: float = math.inf
    """Degrees of freedom of ``spread``."""


class Pooled(NamedTuple):
    """A mean of effects; NaN where there is none."""

    value: float
    low: float
    high: float
    p: float
    """Two-sided, of the mean being 0."""
    detectable: float
    """(z₀.₉₇₅ + z₀.₈₀) · standard error: the smallest true mean that is found with a power of 80 %."""
    pictures: int
    """Different ones that it rests on."""
    effects: int
    """Defined ones, of which it is the mean."""


_MANY = 1e9
"""Degrees of freedom that are as good as all."""

NOTHING = Pooled(math.nan, math.nan, math.nan, math.nan, math.nan, 0, 0)
"""The mean of no effect."""


def pool(effects: Iterable[Effect], universe: int, level: float = LEVEL) -> Pooled:
    """Unweighted mean of the defined effects, over ``universe`` pictures.

    The parts of a picture that several effects rest on are added before they are squared, so that effects
    on shared pictures are not taken for independent: to first order this is the bootstrap that draws each
    picture with all that rests on it (infinitesimal jackknife). Spreads add. Student's t with the degrees of
    freedom of Welch and Satterthwaite.

    >>> one = Effect(0.2, np.arange(100), np.array([-0.005, 0.005] * 50))
    >>> [round(float(number), 3) for number in pool([one, one], 100)[:4]]
    [0.2, 0.101, 0.299, 0.0]
    >>> other = one._replace(places=np.arange(100) + 100)
    >>> [round(float(number), 3) for number in pool([one, other], 200)[:3]]
    [0.2, 0.13, 0.27]
    """
    total, defined = 0.0, 0
    spreads: list[tuple[float, float]] = []
    parts = np.zeros(universe)
    touched = np.zeros(universe, dtype=np.bool_)
    for one in effects:
        if math.isnan(one.value):
            continue
        defined += 1
        total += one.value
        parts[one.places] += one.parts
        touched[one.places] = True
        spreads.append((one.spread, one.freedom))
    if defined == 0:
        return NOTHING
    pictures = int(touched.sum())
    of_pictures = float(parts @ parts)
    variance = of_pictures + sum(spread for spread, _ in spreads)
    mean, error = total / defined, math.sqrt(variance) / defined
    if error == 0:
        # Nothing varies: there is no telling how far the mean may be off, unless it is nothing everywhere.
        limit, p = (0.0, 1.0) if mean == 0 else (math.nan, math.nan)
        return Pooled(mean, limit, limit, p, math.nan, pictures, defined)
    shares = [(of_pictures, max(pictures - 1, 1)), *spreads]
    weight = sum((part / variance) ** 2 / its for part, its in shares)
    freedom = min(1 / weight, _MANY) if weight else _MANY
    reach = float(special.stdtrit(freedom, (1 + level) / 2)) * error
    p = float(2 * special.stdtr(freedom, -abs(mean) / error))
    return Pooled(mean, mean - reach, mean + reach, p, (quantile(level) + POWER) * error, pictures, defined)
