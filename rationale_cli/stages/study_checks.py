"""Attention checks: relevance that nobody who looks can take for anything but valid, or invalid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..reporting.gallery import patch_bytes
from ..reporting.overlays import covered

_COARSEST = 6
"""Patches a side below which a spot is no spot; such grids are refined."""
_LEAST, _MOST = 0.03, 0.5
"""Share of the picture that an object may fill: big enough to see, with room beside it."""
_FAR = 0.25
"""Distance of a spot from the object, as a share of the picture."""
_WIDTH = 0.09
"""Standard deviation of a spot, as a share of the picture."""


def obvious(
    outline: Sequence[Sequence[Sequence[float]]], grid: tuple[int, int], valid: bool
) -> npt.NDArray[np.uint8] | None:
    """h×w bytes of relevance: all on the object if it shall be ``valid``, else a spot far from it.

    None where the object does not allow for it: without an outline, tiny, or filling the picture.
    """
    times = -(-_COARSEST // min(grid))
    height, width = grid[0] * times, grid[1] * times
    inside = covered(outline, (height, width))
    if not _LEAST <= inside.mean() <= _MOST:
        return None
    if valid:
        return patch_bytes(np.asarray(ndimage.gaussian_filter(inside, 0.4), np.float32))
    distance = ndimage.distance_transform_edt(inside == 0, sampling=(1 / height, 1 / width))
    row, column = np.unravel_index(np.argmax(distance), distance.shape)
    if distance[row, column] < _FAR:
        return None
    rows, columns = np.mgrid[:height, :width]
    away = ((rows - row) / height) ** 2 + ((columns - column) / width) ** 2
    return patch_bytes(np.exp(-away / (2 * _WIDTH**2)).astype(np.float32))
