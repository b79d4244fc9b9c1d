"""The patterns that fill an object of the scenes: the classes.

Each function takes coordinates (u, v), S×S float32, in units of the pattern's period and centred near
the object, and returns the share of the second colour in each pixel, S×S in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[Any]
Pattern = Callable[[Field, Field, np.random.Generator], Field]

_SOFTNESS = 6.0
"""Steepness of an edge, per period: at 8 pixels a period an edge is a good pixel wide."""


def _step(field: Field, threshold: float = 0.5) -> Field:
    """1 where the field exceeds the threshold, 0 below, a short ramp between."""
    share: Field = np.clip((field - np.float32(threshold)) * _SOFTNESS + 0.5, 0, 1)
    return share.astype(np.float32, copy=False)


def _wave(x: Field) -> Field:
    """Triangular wave of period 1: 1 at integers, 0 half-way."""
    height: Field = np.abs(2 * (x - np.floor(x)) - 1)
    return height


def _cell(x: Field) -> Field:
    """Distance to the nearest cell centre, in [0, 1/2]."""
    distance: Field = np.abs(x - np.floor(x) - np.float32(0.5))
    return distance


def _striped(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _step(_wave(u))


def _checked(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _step((_wave(u) - 0.5) * (_wave(v) - 0.5) * 4, 0.0)


def _dotted(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _step(1 - 1.6 * np.hypot(_cell(u), _cell(v)))


def _ringed(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _step(_wave(np.hypot(u, v)))


def _zigzagged(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _step(_wave(u + _wave(v * np.float32(0.6))))


def _gridded(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _step(np.maximum(_wave(u), _wave(v)), 0.72)


def _wavy(u: Field, v: Field, rng: np.random.Generator) -> Field:
    return _step(_wave(u + np.float32(0.4) * np.sin(v * np.float32(3.6))))


def _crossed(u: Field, v: Field, rng: np.random.Generator) -> Field:
    across, along = _cell(u), _cell(v)
    thin, long = np.minimum(across, along), np.maximum(across, along)
    return _step(1 - np.maximum(thin * 5, long * 1.45))


def _bricked(u: Field, v: Field, rng: np.random.Generator) -> Field:
    shifted = u * np.float32(0.5) + np.float32(0.5) * (np.floor(v) % 2)
    return _step(np.maximum(1 - 4 * (0.5 - _cell(shifted)), 1 - 2 * (0.5 - _cell(v))), 0.65)


def _scaly(u: Field, v: Field, rng: np.random.Generator) -> Field:
    row = np.floor(v)
    across = _cell(u + np.float32(0.5) * (row % 2))
    # A scale hangs from its row's upper edge; the rim is where its circle crosses the cell.
    depth = v - row + across * across * np.float32(3.2)
    return _step(_wave(depth), 0.55)


def _rayed(u: Field, v: Field, rng: np.random.Generator) -> Field:
    rays = int(rng.integers(7, 12))
    return _step(_wave(np.arctan2(v, u) * np.float32(rays / (2 * np.pi))))


def _speckled(u: Field, v: Field, rng: np.random.Generator) -> Field:
    seeds = rng.random((32, 32), dtype=np.float32)
    column = np.floor(u * np.float32(2.2)).astype(np.int32) % 32
    row = np.floor(v * np.float32(2.2)).astype(np.int32) % 32
    return _step(seeds[row, column], 0.6)


PATTERNS: dict[str, Pattern] = {
    "striped": _striped,
    "checked": _checked,
    "dotted": _dotted,
    "ringed": _ringed,
    "zigzagged": _zigzagged,
    "gridded": _gridded,
    "wavy": _wavy,
    "crossed": _crossed,
    "bricked": _bricked,
    "scaly": _scaly,
    "rayed": _rayed,
    "speckled": _speckled,
}
"""Class name → pattern."""
