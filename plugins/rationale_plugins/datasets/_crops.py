"""An object cut out of its picture, as a picture of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from rationale_cli.contracts import Boxes, Evidence, Mask

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; right and bottom do not belong to it."""

Window = tuple[int, int, int, int]
"""A box of whole pixels: the part of a picture that is shown."""


def around(boxes: npt.NDArray[np.float64], margin: float) -> npt.NDArray[np.int64]:
    """Boxes, N×4 → windows, N×4: squares on the boxes' centres.

    A square's side is its box's longer one, with ``margin`` of it on either side; it may reach beyond the
    picture. Square, since a model sees the centred square of what it is given: a window of the box's
    proportions would lose the ends of what is long.
    """
    first, last = boxes[:, :2], boxes[:, 2:]
    side = np.ceil((last - first).max(axis=1, keepdims=True, initial=0) * (1 + 2 * margin)).clip(1)
    start = np.floor((first + last - side) / 2)
    return np.concatenate([start, start + side], axis=1).astype(np.int64)


def moved_inside(window: Window, size: tuple[int, int]) -> Window:
    """A window moved into the picture of ``size`` (width, height), and cut where it is larger than that."""
    left, right = _fitted(window[0], window[2], size[0])
    top, bottom = _fitted(window[1], window[3], size[1])
    return left, top, right, bottom


def cut_evidence(evidence: Evidence | None, size: tuple[int, int], window: Window) -> Evidence | None:
    """The evidence of a picture of ``size`` as it lies in a window of it; None where no box is left."""
    if isinstance(evidence, Mask):
        whole = evidence.image
        whole = whole if whole.size == size else whole.resize(size, Image.Resampling.NEAREST)
        return replace(evidence, image=whole.crop(window))
    if evidence is None:
        return None
    return boxes_within(evidence.xyxy, window)


def boxes_within(boxes: Iterable[Box], window: Window) -> Boxes | None:
    """Boxes as they lie in a window, clipped to it; None where nothing is left of any."""
    left, top, right, bottom = window
    clipped = (
        (max(x0, left) - left, max(y0, top) - top, min(x1, right) - left, min(y1, bottom) - top)
        for x0, y0, x1, y1 in boxes
    )
    kept = tuple(box for box in clipped if box[0] < box[2] and box[1] < box[3])
    return Boxes(kept) if kept else None


def _fitted(first: int, last: int, length: int) -> tuple[int, int]:
    extent = min(last - first, length)
    start = min(max(first, 0), length - extent)
    return start, start + extent
