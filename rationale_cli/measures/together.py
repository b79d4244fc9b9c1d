"""A bootstrap over pictures that hundreds of estimators see together.

``bootstrap.resample`` draws patterns of two codings of a picture, or of four. Of hundreds there would be as
many patterns as pictures; so a replicate here counts how often it drew each picture, and one product of
matrices carries that to the counts of every coding. What is computed from one replicate for different
estimators then rests on the same pictures, and may be subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .bootstrap import Resampling
from .quadrants import CELLS, right_of

Codings = npt.NDArray[np.uint8]
"""n×m: cells of n pictures, coded in m ways."""

Single = npt.NDArray[np.float32]
"""Whole numbers up to 2²⁴ are exact in single precision, and multiplied twice as fast."""

_CHUNK = 200
"""Replicates at a time."""


def replicated_counts(codings: Codings, how: Resampling) -> Single:
    """Counts of the six cells under each of m codings in B replicates, drawn together: B×m×6.

    Replicate b holds the same pictures for every coding. Strata are left aside. Cost: B·n draws and 2·B·n·m
    operations, less where pictures share all their codes.
    """
    n, m = codings.shape
    patterns, of_picture = _merged(codings)
    blocks = list(_blocks(patterns))
    rng = np.random.default_rng(how.seed)
    counts = np.empty((how.replicates, m, len(CELLS)), dtype=np.float32)
    for start in range(0, how.replicates, _CHUNK):
        part = counts[start : start + _CHUNK]
        drawn = (of_picture[rng.integers(0, n, n)] for _ in range(len(part)))
        weights = np.stack([np.bincount(one, minlength=len(patterns)) for one in drawn]).astype(np.float32)
        for block in blocks:
            part[:, block.codings, block.cell] = weights[:, block.rows] @ block.flags
    for invalid in (1, 3):
        counts[..., invalid] -= counts[..., invalid - 1]
    return counts


class _Block(NamedTuple):
    """One product: pictures, the cell that it counts, and for which codings."""

    rows: npt.NDArray[np.intp]
    cell: int
    codings: npt.NDArray[np.intp]
    flags: Single
    """rows×codings, or rows×1 where all of them are meant."""


def _merged(codings: Codings) -> tuple[Codings, npt.NDArray[np.intp]]:
    """Pictures of equal codes are one pattern: U×m, and the pattern of each picture."""
    whole = np.ascontiguousarray(codings).view(np.dtype((np.void, codings.shape[1]))).ravel()
    _, first, of_picture = np.unique(whole, return_index=True, return_inverse=True)
    return codings[first], of_picture.ravel()


def _blocks(patterns: Codings) -> Iterator[_Block]:
    """What is multiplied, as small as can be.

    Codings that agree in who is right and annotated share their rows: valid evidence of the right is looked
    for among the right alone. In place of the invalid all annotated pictures are counted.
    """
    is_right, is_known = right_of(patterns), patterns < 4
    for codings in _alike(np.concatenate([is_right, is_known])):
        right, known = is_right[:, codings[0]], is_known[:, codings[0]]
        for wrong in (0, 1):
            there, cell = np.flatnonzero((right != wrong) & known), 2 * wrong
            left = np.flatnonzero((right != wrong) & ~known)
            valid = patterns[np.ix_(there, codings)] == cell
            yield _Block(there, cell, codings, valid.astype(np.float32))
            yield _Block(there, cell + 1, codings, np.ones((len(there), 1), np.float32))
            yield _Block(left, 4 + wrong, codings, np.ones((len(left), 1), np.float32))


def _alike(flags: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.intp]]:
    """Columns by what they hold: places of those that are equal."""
    groups: dict[bytes, list[int]] = {}
    for place, column in enumerate(flags.T):
        groups.setdefault(column.tobytes(), []).append(place)
    return [np.array(places) for places in groups.values()]
