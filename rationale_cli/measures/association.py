"""Are right predictions the ones with valid evidence, once the class is held fixed? (protocol §7.6)

A class that is easy and whose object is large makes right and valid go together without any picture
in which one brought the other; within classes that goes away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from .estimates import Estimate, defined
from .intervals import quantile
from .run_results import WithinClasses

Floats = npt.NDArray[np.float64]


def within_classes(tables: npt.NDArray[Any], level: float = 0.95) -> WithinClasses:
    """Mantel–Haenszel analysis of C×6 (or C×4) counts, a row a class: RR, RW, WR, WW.

    - odds ratio: Σ RR·WW/n ÷ Σ RW·WR/n (Mantel & Haenszel 1959), interval with the variance of its
      logarithm by Robins, Breslow & Greenland (1986);
    - p: Cochran–Mantel–Haenszel χ² with one degree of freedom, without continuity correction;
    - phi: Σ_c cov_c ÷ √(Σ_c var_c(right) · Σ_c var_c(valid)), the correlation of the two indicators after
      each class's means are taken away.

    >>> result = within_classes(np.array([[30, 10, 10, 30]]))
    >>> round(result.phi, 3), result.odds_ratio.value, round(result.p, 6)
    (0.5, 9.0, 9e-06)
    """
    rr, rw, wr, ww = (tables[:, index].astype(np.float64) for index in range(4))
    total = rr + rw + wr + ww
    keep = (rr + rw) * (wr + ww) * (rr + wr) * (rw + ww) > 0
    informative = tuple(column[keep] for column in (rr, rw, wr, ww, total))
    n = int(total.sum())
    return WithinClasses(
        phi=_phi(rr, rw, wr, ww),
        odds_ratio=_odds_ratio(*informative, level=level, pictures=n),
        p=_test(*informative),
        classes=int(keep.sum()),
    )


def _phi(rr: Floats, rw: Floats, wr: Floats, ww: Floats) -> float | None:
    total = np.maximum(rr + rw + wr + ww, 1)
    right, valid = rr + rw, rr + wr
    covariance = np.sum(rr - right * valid / total)
    spread = np.sum(right - right**2 / total) * np.sum(valid - valid**2 / total)
    return defined(covariance / np.sqrt(spread)) if spread > 0 else None


def _odds_ratio(
    rr: Floats, rw: Floats, wr: Floats, ww: Floats, total: Floats, *, level: float, pictures: int
) -> Estimate:
    same, cross = rr * ww / total, rw * wr / total
    if cross.sum() == 0:
        return Estimate(None, None, None, pictures)
    value = same.sum() / cross.sum()
    if value == 0:
        return Estimate(0.0, None, None, pictures)
    diagonal, off = (rr + ww) / total, (rw + wr) / total
    variance = (
        np.sum(diagonal * same) / (2 * same.sum() ** 2)
        + np.sum(diagonal * cross + off * same) / (2 * same.sum() * cross.sum())
        + np.sum(off * cross) / (2 * cross.sum() ** 2)
    )
    reach = quantile(level) * np.sqrt(variance)
    return Estimate(float(value), float(value * np.exp(-reach)), float(value * np.exp(reach)), pictures)


def _test(rr: Floats, rw: Floats, wr: Floats, ww: Floats, total: Floats) -> float | None:
    right, valid = rr + rw, rr + wr
    excess = np.sum(rr - right * valid / total)
    # A class with an informative table has at least two pictures, so that total − 1 is not 0.
    variance = np.sum(right * (total - right) * valid * (total - valid) / (total**2 * (total - 1)))
    return float(special.chdtrc(1, excess**2 / variance)) if variance > 0 else None
