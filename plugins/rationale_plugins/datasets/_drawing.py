"""Draws one scene: a patterned object on a landscape, its mask, and the landscape without it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._patterns import PATTERNS
from ._textures import landscape

Field = npt.NDArray[Any]

VERSION = 1
"""Raised whenever the same seed would draw another picture: part of the data's fingerprint."""

SHAPES: tuple[str, ...] = ("disc", "square", "triangle", "hexagon", "star", "blob")
AREA = (0.16, 0.38)
"""Smallest and largest share of the picture that an object covers."""
_REFERENCE_SIZE = 64
_PERIOD = (6.5, 11.0)
"""Shortest and longest period of a pattern, in pixels of a picture of the reference size."""


class Drawing(NamedTuple):
    """Three pictures of equal size; outside the mask image and background are identical."""

    image: npt.NDArray[np.uint8]
    """S×S×3."""
    mask: npt.NDArray[np.bool_]
    """S×S."""
    background: npt.NDArray[np.uint8]
    """S×S×3."""


@lru_cache(maxsize=8)
def _pixels(size: int) -> tuple[Field, Field]:
    centre = (np.arange(size, dtype=np.float32) + 0.5) / size
    across, down = np.meshgrid(centre, centre)
    return across, down


def _radius(shape: str, angle: Field, rng: np.random.Generator) -> Field | float:
    """Radius of the outline in each direction, up to a factor."""
    if shape == "disc":
        return 1.0
    if shape == "blob":
        waves = rng.uniform(0, 0.13, 4)
        phases = rng.uniform(0, 2 * np.pi, 4)
        terms = [a * np.sin(k * angle + p) for k, (a, p) in enumerate(zip(waves, phases, strict=True), 2)]
        wavy: Field = 1 + np.sum(np.asarray(terms, dtype=np.float32), axis=0)
        return wavy
    corners = {"square": 4, "triangle": 3, "hexagon": 6, "star": 5}[shape]
    sector = 2 * np.pi / corners
    within: Field = np.abs((angle % np.float32(sector)) - np.float32(sector / 2))
    if shape == "star":
        pointed: Field = 1 - within * np.float32(0.85)
        return pointed
    straight: Field = 1 / np.cos(within)
    return straight


def _outline(
    shape: str, across: Field, down: Field, area: tuple[float, float], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """S×S: the inside of a shape around the origin that covers exactly the drawn share of the picture."""
    stretch = rng.uniform(0.8, 1.25)
    x, y = across * np.float32(stretch), down / np.float32(stretch)
    reach = np.hypot(x, y)
    if shape != "disc":
        reach = reach / _radius(shape, np.arctan2(y, x), rng)
    count = round(rng.uniform(*area) * reach.size)
    # The size that covers the share is a quantile of the reach, wherever the picture's border cuts it.
    limit = np.partition(reach, count - 1, axis=None)[count - 1]
    inside: npt.NDArray[np.bool_] = reach <= limit
    return inside


def _turned(angle: float, across: Field, down: Field) -> tuple[Field, Field]:
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cosine * across + sine * down, cosine * down - sine * across


def _colours(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Two colours, 2×3, that differ clearly in brightness; which is the brighter is left to chance."""
    hues = rng.random((2, 3), dtype=np.float32)
    weights = np.array([0.30, 0.59, 0.11], dtype=np.float32)
    middle = rng.uniform(0.35, 0.65)
    gap = rng.uniform(0.12, 0.28) * rng.choice((-1.0, 1.0))
    wanted = np.array([middle - gap, middle + gap], dtype=np.float32)
    return hues + (wanted - hues @ weights)[:, None]


def _filling(pattern: str, across: Field, down: Field, rng: np.random.Generator) -> Field:
    """S×S×3: the pattern at a random scale, angle and phase, softly lit, with grain."""
    size = len(across)
    period = rng.uniform(*_PERIOD) / _REFERENCE_SIZE
    u, v = _turned(rng.uniform(0, 2 * np.pi), across, down)
    shift = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    share = PATTERNS[pattern](u / np.float32(period) + shift[0], v / np.float32(period) + shift[1], rng)
    first, second = _colours(rng)
    filling: Field = first + share[..., None] * (second - first)
    slope = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    filling *= (1 + slope[0] * across + slope[1] * down)[..., None]
    filling += np.float32(0.03) * rng.standard_normal((size, size, 1), dtype=np.float32)
    return filling


def _bytes(picture: Field) -> npt.NDArray[np.uint8]:
    scaled = picture * np.float32(255) + np.float32(0.5)
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


def draw(
    names: tuple[str, str, str],
    size: int,
    foreground: np.random.Generator,
    behind: np.random.Generator,
    area: tuple[float, float] = AREA,
) -> Drawing:
    """Draw (pattern, shape, background) at size×size pixels.

    The object comes from the first generator alone and the landscape from the second, so that the same
    object can be set on another background. ``area`` bounds the object's share of the picture.
    """
    pattern, shape, background = names
    across, down = _pixels(size)
    centre = foreground.uniform(0.34, 0.66, 2).astype(np.float32)
    across, down = across - centre[0], down - centre[1]
    turned = _turned(foreground.uniform(0, 2 * np.pi), across, down)
    mask = _outline(shape, *turned, area, foreground)
    filling = _bytes(_filling(pattern, across, down, foreground))
    scene = _bytes(landscape(behind, background, size))
    return Drawing(np.where(mask[..., None], filling, scene), mask, scene)
