"""COCO's segmentations: polygons and run-length encoded regions, as pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ._polygon import centres_inside

Inside = npt.NDArray[np.uint8]
"""H×W of 0 and 1."""

_PIXEL_CENTRE = 0.5
"""Coordinates count from the picture's corner: the first pixel's centre is at one half."""


def fill(segmentation: Any, size: tuple[int, int]) -> Inside:
    """The pixels of one object in a picture of ``size`` (width, height).

    ``segmentation`` is a list of polygons ``[x, y, x, y, …]``, of which a pixel may lie in any, or
    run lengths ``{"counts": …, "size": [height, width]}``, column by column and background first, as
    whole numbers or as COCO's compressed text. A pixel belongs to a polygon where its centre does, which
    is within a fifth of a pixel of what COCO's own code fills. Raises ``ValueError`` for anything else.
    """
    if isinstance(segmentation, Mapping):
        return _from_runs(segmentation, size)
    if not isinstance(segmentation, list):
        raise ValueError(f"a segmentation of the type {type(segmentation).__name__}")
    inside = np.zeros(size[::-1], np.uint8)
    for polygon in segmentation:
        _add(polygon, inside)
    return inside


def _add(polygon: Any, inside: Inside) -> None:
    """Set a polygon's pixels, drawn in its own part of the picture."""
    try:
        points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    except (ValueError, TypeError) as error:
        raise ValueError("a polygon that is no list of pairs of numbers") from error
    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError("a polygon of less than three corners, or of something else than numbers")
    # What lies beyond the picture is not seen: its corners need not be followed out there.
    points = points.clip(0, inside.shape[::-1]) - _PIXEL_CENTRE
    left, top = np.floor(points.min(axis=0)).astype(int).clip(0).tolist()
    right, bottom = np.ceil(points.max(axis=0)).astype(int).tolist()
    part = inside[top : bottom + 1, left : right + 1]
    if part.size:
        part |= centres_inside(points - (left, top), part.shape[::-1])


def _from_runs(segmentation: Mapping[str, Any], size: tuple[int, int]) -> Inside:
    width, height = size
    if segmentation.get("size") != [height, width]:
        raise ValueError(f"run lengths of a picture of {segmentation.get('size')} rows and columns")
    counts = segmentation.get("counts")
    runs: Any = _unpacked(counts) if isinstance(counts, str) else counts
    whole = isinstance(runs, list) and all(type(run) is int and run >= 0 for run in runs)
    if not whole or sum(runs) != width * height:
        raise ValueError(f"run lengths that do not add up to {width} times {height} pixels")
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    return values.repeat(runs).reshape(width, height).T


def _unpacked(text: str) -> list[int]:
    """COCO's compressed counts: from 48 on a sign each five bits, the sixth that more follow.

    From the third on the count is the difference to that before the last.
    """
    counts: list[int] = []
    value = shift = 0
    for sign in text:
        bits = ord(sign) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("compressed run lengths with a sign that means nothing")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            negative = bits & 16
            counts.append(
                (value - (1 << shift) if negative else value) + (counts[-2] if len(counts) > 2 else 0)
            )
            value = shift = 0
    if shift:
        raise ValueError("compressed run lengths that end within a number")
    return counts
