"""How concentrated a heatmap is: what can be known of evidence without a mask, on any new picture."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

TOP = 0.1
"""Share of the patches that count as the top ones."""

_CHUNK = 4096


class Concentration(NamedTuple):
    """Of n heatmaps; a map without evidence is as one that is the same everywhere."""

    focus: Floats
    """1 − entropy / log(patches): 0 for a uniform map, 1 where all lies on one patch."""
    top: Floats
    """Share of the mass on the tenth of the patches that has most of it, one patch at least."""


def concentration(heatmaps: Array) -> Concentration:
    """Of n×h×w heatmaps ≥ 0, as they are stored (may be memory-mapped).

    >>> both = concentration(np.array([[[1.0, 1.0], [1.0, 1.0]], [[4.0, 0.0], [0.0, 0.0]]]))
    >>> both.focus.round(6).tolist(), both.top.tolist()
    ([0.0, 1.0], [0.25, 1.0])
    """
    n, patches = len(heatmaps), math.prod(heatmaps.shape[1:])
    count = max(1, round(TOP * patches))
    focus, top = np.zeros(n), np.full(n, count / patches)
    for start in range(0, n, _CHUNK):
        part = np.asarray(heatmaps[start : start + _CHUNK], np.float64).reshape(-1, patches)
        total = part.sum(axis=1)
        known = np.isfinite(total) & (total > 0)
        rows = start + np.flatnonzero(known)
        shares = part[known] / total[known, None]
        focus[rows] = 1 - special.entr(shares).sum(axis=1) / math.log(max(patches, 2))
        top[rows] = np.partition(shares, -count, axis=1)[:, -count:].sum(axis=1)
    return Concentration(focus, top)
