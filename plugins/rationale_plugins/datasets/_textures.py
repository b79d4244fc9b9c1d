"""The landscapes behind the objects of the scenes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[Any]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Texture:
    """Smooth noise between two colours, under a sky where the land has one."""

    low: Colour
    high: Colour
    cells: tuple[int, int]
    """Rows and columns of noise: unequal numbers make it run one way."""
    fine: tuple[int, int]
    """Rows and columns of a second, weaker noise."""
    contrast: float = 1.0
    ridged: bool = False
    """Fold the noise, so that its middle becomes veins."""
    sky: Colour | None = None
    """Colour above the horizon; no horizon where None."""


BACKGROUNDS: dict[str, Texture] = {
    "meadow": Texture((0.16, 0.42, 0.12), (0.48, 0.72, 0.26), (8, 28), (16, 40), 1.4, sky=(0.62, 0.80, 0.94)),
    "sand": Texture((0.74, 0.58, 0.34), (0.94, 0.82, 0.56), (14, 4), (40, 40), 1.2, sky=(0.80, 0.86, 0.90)),
    "sea": Texture((0.04, 0.26, 0.46), (0.28, 0.60, 0.72), (22, 6), (40, 12), 1.5, sky=(0.76, 0.84, 0.90)),
    "clouds": Texture((0.36, 0.60, 0.90), (0.95, 0.96, 0.98), (4, 3), (9, 7), 2.2),
    "forest": Texture((0.05, 0.14, 0.08), (0.30, 0.36, 0.16), (2, 18), (14, 30), 1.9),
    "snow": Texture((0.74, 0.81, 0.90), (0.97, 0.98, 1.00), (6, 6), (36, 36), 1.2, sky=(0.52, 0.62, 0.74)),
    "rock": Texture((0.24, 0.23, 0.24), (0.62, 0.60, 0.58), (7, 7), (20, 20), 1.6, ridged=True),
    "dusk": Texture((0.38, 0.16, 0.40), (0.98, 0.58, 0.28), (7, 2), (20, 5), 1.6),
    "lava": Texture((0.96, 0.36, 0.06), (0.16, 0.05, 0.06), (6, 6), (14, 14), 3.0, ridged=True),
    "night": Texture((0.02, 0.03, 0.12), (0.14, 0.16, 0.36), (4, 4), (44, 44), 1.6),
    "gravel": Texture((0.36, 0.26, 0.20), (0.78, 0.68, 0.58), (24, 24), (44, 44), 1.9),
    "leaves": Texture((0.52, 0.16, 0.06), (0.92, 0.66, 0.14), (15, 15), (30, 30), 2.2),
}
"""Name → texture."""


@lru_cache(maxsize=256)
def _interpolation(cells: int, size: int) -> Field:
    """size×(cells + 1): smoothstep weights that spread grid values over the pixels."""
    position = (np.arange(size) + 0.5) / size * cells
    left = np.minimum(position.astype(int), cells - 1)
    share = position - left
    share = share * share * (3 - 2 * share)
    weights = np.zeros((size, cells + 1), dtype=np.float32)
    weights[np.arange(size), left] = 1 - share
    weights[np.arange(size), left + 1] = share
    return weights


def noise(rng: np.random.Generator, cells: tuple[int, int], size: int) -> Field:
    """Smooth value noise, size×size in [0, 1], with that many cells down and across."""
    grid = rng.random((cells[0] + 1, cells[1] + 1), dtype=np.float32)
    return _interpolation(cells[0], size) @ grid @ _interpolation(cells[1], size).T


def _horizon(rng: np.random.Generator, size: int) -> npt.NDArray[np.bool_]:
    """Where the sky is: above a hilly line between 8 and 40 % from the top."""
    hills = _interpolation(5, size) @ rng.random(6, dtype=np.float32)
    line = size * (rng.uniform(0.08, 0.30) + 0.10 * hills)
    above: npt.NDArray[np.bool_] = np.arange(size)[:, None] < line[None, :]
    return above


def _clutter(picture: Field, rng: np.random.Generator) -> None:
    """Up to four plain ellipses and bars, in place: things that mean nothing."""
    size = len(picture)
    things = rng.random((rng.integers(0, 5), 8), dtype=np.float32)
    for x, y, half_width, half_height, red, green, blue, bar in things.tolist():
        x, y = x * size, y * size
        half_width, half_height = (0.02 + 0.06 * half_width) * size, (0.02 + 0.06 * half_height) * size
        left, right = max(0, int(x - half_width)), min(size, int(x + half_width) + 1)
        top, bottom = max(0, int(y - half_height)), min(size, int(y + half_height) + 1)
        across = ((np.arange(left, right) - x) / half_width) ** 2
        down = ((np.arange(top, bottom) - y) / half_height) ** 2
        inside = (down[:, None] + across[None, :] <= 1) | (bar < 0.5)
        region = picture[top:bottom, left:right]
        region[inside] = 0.35 * region[inside] + 0.65 * np.array((red, green, blue), dtype=np.float32)


def landscape(rng: np.random.Generator, name: str, size: int) -> Field:
    """A picture of that background, size×size×3 float32, nominally in [0, 1]."""
    texture = BACKGROUNDS[name]
    field = noise(rng, texture.cells, size) * 0.68 + noise(rng, texture.fine, size) * 0.32
    if texture.ridged:
        field = np.abs(2 * field - 1) * 1.6
    field = np.clip((field - 0.5) * texture.contrast * 1.5 + 0.5, 0, 1)
    jitter = rng.normal(0, 0.05, (3, 3)).astype(np.float32)
    low = np.asarray(texture.low, dtype=np.float32) + jitter[0]
    high = np.asarray(texture.high, dtype=np.float32) + jitter[1]
    picture: Field = low + field[..., None] * (high - low)
    if texture.sky is not None:
        picture[_horizon(rng, size)] = np.asarray(texture.sky, dtype=np.float32) + jitter[2]
    light = rng.uniform(0.85, 1.1) + rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, size, dtype=np.float32)
    picture *= light.astype(np.float32)[:, None, None]
    _clutter(picture, rng)
    return picture
