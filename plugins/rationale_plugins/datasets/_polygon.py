"""Filling polygons; among others pixel for pixel as OpenCV's ``fillPoly`` does, without OpenCV.

OpenCV's rule differs from Pillow's and from those of most others on the outline, and there the paper's masks
are defined: the pixels of every side are set (Bresenham's line, drawn from left to right, ties towards
its start), and on each row those between the 1st and 2nd, 3rd and 4th … crossing, where crossings are
stepped down the sides in fixed point of 16 bits. Sides that leave the picture are first cut to it at
whole pixels, which moves their slope a little.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Whole = npt.NDArray[np.int64]
_BITS = 16
_LEFT, _RIGHT, _ABOVE, _BELOW = 1, 2, 4, 8


def fill_polygon(points: npt.ArrayLike, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """N×2 whole numbers (x, y), closed by themselves → H×W of 0 and 1, for ``size`` = (width, height).

    The same as ``cv2.fillPoly`` (OpenCV 5) for polygons inside the picture. For others it is the same
    unless a side only touches the picture's edge: there OpenCV may fill more of that edge.
    """
    ends = np.asarray(points, dtype=np.int64).reshape(-1, 2)
    sides = np.stack([np.roll(ends, 1, axis=0), ends], axis=1)
    cut, seen = _cut(sides, size)
    mask = _painted(*_spans(sides, cut), size)
    x, y = _lines(cut[seen])
    mask[y, x] = 1
    return mask


def centres_inside(points: npt.ArrayLike, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """N×2 numbers (x, y), whole ones the pixels' centres → H×W of 0 and 1: the centres inside (even-odd)."""
    ends = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    starts = np.roll(ends, 1, axis=0)
    top, bottom = (
        np.ceil(pick(starts[:, 1], ends[:, 1])).astype(np.int64) for pick in (np.minimum, np.maximum)
    )
    side, step = _counted(bottom - top)
    row = top[side] + step
    way = (ends - starts)[side]
    crossing = starts[side, 0] + (row - starts[side, 1]) * way[:, 0] / way[:, 1]
    order = np.lexsort((crossing, row))
    column = np.ceil(crossing[order]).astype(np.int64)
    return _painted(row[order][::2], column[::2], column[1::2] - 1, size)


def _painted(rows: _Whole, left: _Whole, right: _Whole, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """H×W with the columns from left to right (inclusive) set on each row, as far as they are in it."""
    width, height = size
    seen = (rows >= 0) & (rows < height) & (right >= left) & (right >= 0) & (left < width)
    steps = np.zeros((height, width + 1), np.int32)
    np.add.at(steps, (rows[seen], left[seen].clip(0)), 1)
    np.add.at(steps, (rows[seen], right[seen].clip(max=width - 1) + 1), -1)
    return (steps.cumsum(axis=1)[:, :width] > 0).astype(np.uint8)


def _spans(sides: _Whole, cut: _Whole) -> tuple[_Whole, _Whole, _Whole]:
    """Row, first and last column (inclusive) of every stretch between two crossings."""
    sloped = sides[:, 0, 1] != sides[:, 1, 1]
    sides, cut = sides[sloped], cut[sloped]
    cut = np.where((cut[:, 0, 1] != cut[:, 1, 1])[:, None, None], cut, sides)
    upside_down = (sides[:, 0, 1] > sides[:, 1, 1])[:, None, None]
    sides, cut = (np.where(upside_down, one[:, ::-1], one) for one in (sides, cut))
    across, down = (cut[:, 1] - cut[:, 0]).T
    slope = np.sign(across) * ((np.abs(across) << _BITS) // down)
    first = (cut[:, 0, 0] << _BITS) + (sides[:, 0, 1] - cut[:, 0, 1]) * slope
    side, step = _counted(sides[:, 1, 1] - sides[:, 0, 1])
    row, crossing = sides[side, 0, 1] + step, first[side] + step * slope[side]
    # A closed outline crosses every row an even number of times.
    order = np.lexsort((crossing, row))
    crossing = crossing[order]
    return row[order][::2], -(-crossing[::2] >> _BITS), crossing[1::2] >> _BITS


def _lines(sides: _Whole) -> tuple[_Whole, _Whole]:
    """Columns and rows of the pixels of sides, both ends included."""
    leftward = (sides[:, 0, 0] > sides[:, 1, 0])[:, None, None]
    sides = np.where(leftward, sides[:, ::-1], sides)
    first, way = sides[:, 0], sides[:, 1] - sides[:, 0]
    long, short = np.abs(way).max(axis=1), np.abs(way).min(axis=1)
    side, step = _counted(long + 1)
    # Rounded with ties downwards: Bresenham's steps, summed up.
    aside = -((long[side] - 2 * short[side] * step) // np.maximum(2 * long[side], 1))
    steep = np.abs(way[side, 1]) > way[side, 0]
    x = first[side, 0] + np.where(steep, aside, step)
    y = first[side, 1] + np.sign(way[side, 1]) * np.where(steep, step, aside)
    return x, y


def _counted(lengths: _Whole) -> tuple[_Whole, _Whole]:
    """(3, 2) → (0, 0, 0, 1, 1) and (0, 1, 2, 0, 1)."""
    side = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(side)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return side, step


def _cut(sides: _Whole, size: tuple[int, int]) -> tuple[_Whole, npt.NDArray[np.bool_]]:
    """Sides cut to the picture, and which of them are in it at all."""
    cut, seen = sides.copy(), np.ones(len(sides), bool)
    for index in np.flatnonzero(((sides < 0) | (sides >= size)).any(axis=(1, 2))):
        one, other = sides[index].tolist()
        for borders in (_ABOVE | _BELOW, _LEFT | _RIGHT):
            if not _code(one, size) & _code(other, size):
                _shorten(one, other, size, borders)
                _shorten(other, one, size, borders)
        cut[index] = one, other
        seen[index] = not _code(one, size) & _code(other, size)
    return cut, seen


def _code(point: list[int], size: tuple[int, int]) -> int:
    """On which sides of the picture a point lies (Cohen and Sutherland's code)."""
    (x, y), (width, height) = point, size
    return _LEFT * (x < 0) | _RIGHT * (x >= width) | _ABOVE * (y < 0) | _BELOW * (y >= height)


def _shorten(end: list[int], other: list[int], size: tuple[int, int], borders: int) -> None:
    """Move an end that lies beyond one of these borders along its side onto that border."""
    beyond = _code(end, size) & borders
    if beyond:
        axis = 0 if beyond & (_LEFT | _RIGHT) else 1
        border = 0 if beyond & (_LEFT | _ABOVE) else size[axis] - 1
        share = (border - end[axis]) * (other[1 - axis] - end[1 - axis]) / (other[axis] - end[axis])
        end[1 - axis] += int(share)
        end[axis] = border
