"""What lies over a picture: relevance as colour, or all but the most relevant part darkened."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw

Bytes = npt.NDArray[np.uint8]

OPACITY = (60, 0.68)
"""Of the least relevant patch, and its increase by one byte of relevance; as the page's other gallery."""
MASS = 0.5
"""Share of the relevance that a region holds."""
_DARK = 200
_FINE = 8
"""Pixels a patch by which outlines are drawn before they are averaged."""


def heat_overlay(heat: Bytes) -> str:
    """h×w bytes of relevance → PNG of one pixel a patch as base64, transparent where nothing is relevant."""
    from matplotlib import colormaps

    least, slope = OPACITY
    colours = np.asarray(255 * colormaps["inferno"](heat), np.uint8)
    colours[..., 3] = np.where(heat.any(), least + slope * heat, 0)
    return _png(colours)


def region_overlay(heat: Bytes) -> str:
    """The patches of ``region`` stay clear, all others are darkened; as above."""
    colours = np.zeros((*heat.shape, 4), np.uint8)
    colours[..., 3] = np.where(region(heat, MASS), 0, _DARK)
    return _png(colours)


def region(heat: Bytes, mass: float) -> npt.NDArray[np.bool_]:
    """The fewest patches of h×w that hold ``mass`` of the relevance, the most relevant first.

    >>> region(np.array([[9, 1], [4, 4]], np.uint8), 0.7).tolist()
    [[True, False], [True, False]]
    """
    flat = heat.ravel().astype(np.float64)
    order = np.argsort(-flat, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(flat[order])[:-1]])
    chosen = np.zeros(flat.size, bool)
    chosen[order] = before < mass * flat.sum()
    return chosen.reshape(heat.shape)


def covered(outline: Sequence[Sequence[Sequence[float]]], grid: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Share of each patch of h×w inside closed polygons in hundredths of the picture; holes are polygons."""
    height, width = grid
    size = width * _FINE, height * _FINE
    inside = Image.new("1", size)
    for line in outline:
        if len(line) > 2:
            part = Image.new("1", size)
            points = [(x / 100 * size[0], y / 100 * size[1]) for x, y in line]
            ImageDraw.Draw(part).polygon(points, fill=1)
            inside = ImageChops.logical_xor(inside, part)
    pixels = np.asarray(inside, np.float64).reshape(height, _FINE, width, _FINE)
    return np.asarray(pixels.mean(axis=(1, 3)))


def _png(colours: Bytes) -> str:
    buffer = io.BytesIO()
    Image.fromarray(colours, "RGBA").save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
