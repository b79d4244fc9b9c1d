"""Pictures of assemblies of blocks: as flat bright blocks on a checkered floor, or as if photographed.

Drawn on a finer grid and averaged, so that the slightest overhang leaves its trace in a pixel. Which pixels
belong to which block is exact: those that it covers by half at least.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from ._block_statics import Assembly, Block
from ._textures import noise

Style = Literal["cubeworld", "photo"]
STYLES: tuple[Style, ...] = ("cubeworld", "photo")

Field = npt.NDArray[Any]
Corners = list[tuple[float, float]]

RED = (0.86, 0.10, 0.10)
_BRIGHT = (
    (0.16, 0.40, 0.90),
    (0.16, 0.68, 0.28),
    (0.97, 0.80, 0.14),
    (0.55, 0.26, 0.75),
    (0.14, 0.74, 0.80),
    (0.93, 0.93, 0.93),
)
_WOODEN = (
    (0.80, 0.62, 0.40),
    (0.64, 0.45, 0.26),
    (0.32, 0.45, 0.66),
    (0.36, 0.56, 0.36),
    (0.85, 0.74, 0.36),
    (0.78, 0.76, 0.70),
)
_FINE = 256
"""Pixels of the finer grid at least, each way."""
_FLOOR = 0.14
"""Where blocks stand, from the lower edge, as a share of the picture."""
_SQUARES = 5
"""Squares of the checkered floor along the lower edge."""
_EDGE = 0.035
"""Width of a block's darker edge."""


class Looks(NamedTuple):
    """How assemblies are shown."""

    style: Style
    camera: bool
    """Whether distance, place and tilt are drawn anew for each picture."""
    texture: bool
    """Whether surfaces are grained and unevenly lit."""


class Drawing(NamedTuple):
    """A picture, and the pixels of each block."""

    image: npt.NDArray[np.uint8]
    """S×S×3."""
    blocks: npt.NDArray[np.bool_]
    """n×S×S."""


class _Camera(NamedTuple):
    """From the side view, in block widths with y upwards, to pixels of the finer grid."""

    scale: float
    across: float
    down: float
    """Pixel of the point on the ground below the assembly's middle."""
    roll: float
    """Radians."""
    middle: float

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        dx, dy = (x - self.middle) * self.scale, y * self.scale
        cosine, sine = np.cos(self.roll), np.sin(self.roll)
        return float(self.across + cosine * dx + sine * dy), float(self.down + sine * dx - cosine * dy)


def draw(
    assembly: Assembly, red: int | None, looks: Looks, window: float, pixels: int, rng: np.random.Generator
) -> Drawing:
    """Draw an assembly at ``pixels``×``pixels``; ``window`` is how many block widths the picture shows.

    Without a ``red`` block, red is a colour like any other.
    """
    finer = max(round(_FINE / pixels), 2)
    size = pixels * finer
    camera = _camera(assembly, looks, window, size, rng)
    canvas = _behind(looks, camera, size, rng)
    if looks.style == "photo":
        _shadow(canvas, assembly, camera, rng)
    for index, block in enumerate(assembly):
        _paint(canvas, block, _colour(looks, red, index, rng), looks, camera, rng)
    if looks.style == "photo":
        _photograph(canvas, looks, rng)
    image = Image.fromarray(np.clip(canvas * 255 + 0.5, 0, 255).astype(np.uint8)).reduce(finer)
    covered = [_filled(_corners(block, camera, 0.0), size).reduce(finer) for block in assembly]
    return Drawing(np.asarray(image), np.stack([np.asarray(one) >= 128 for one in covered]))


def _camera(assembly: Assembly, looks: Looks, window: float, size: int, rng: np.random.Generator) -> _Camera:
    left, right = min(block.left for block in assembly), max(block.right for block in assembly)
    scale, middle, floor = size / window, (left + right) / 2, size * (1 - _FLOOR)
    if not looks.camera:
        return _Camera(scale, size / 2, floor, 0.0, middle)
    top = max(block.top for block in assembly)
    closer = min(rng.uniform(0.85, 1.1), 0.92 * window / (right - left), 0.78 * window / top)
    room = max((window - (right - left) * closer) / 2 - 0.1, 0.0) * scale
    aside = rng.uniform(-0.5, 0.5) * room
    return _Camera(
        scale * closer,
        size / 2 + aside,
        floor + rng.uniform(-0.03, 0.05) * size,
        float(np.radians(rng.uniform(-1.5, 1.5))),
        middle,
    )


def _corners(block: Block, camera: _Camera, inset: float) -> Corners:
    left, right = block.left + inset, block.right - inset
    bottom, top = block.bottom + inset, block.top - inset
    return [camera.pixel(x, y) for x, y in ((left, bottom), (right, bottom), (right, top), (left, top))]


def _filled(corners: Corners, size: int) -> Image.Image:
    """'L', 255 inside."""
    canvas = Image.new("L", (size, size))
    # A pixel's centre is half a pixel from its corner, and Pillow counts from centres.
    ImageDraw.Draw(canvas).polygon([(x - 0.5, y - 0.5) for x, y in corners], fill=255)
    return canvas


def _behind(looks: Looks, camera: _Camera, size: int, rng: np.random.Generator) -> Field:
    """D×D×3: what is there without the blocks."""
    if looks.style == "cubeworld":
        return _checkered(looks, camera, size, rng)
    cloth = np.asarray(rng.uniform(0.25, 0.75, 3), dtype=np.float32)
    wood = np.array(_WOODEN[int(rng.integers(2))], dtype=np.float32) * np.float32(rng.uniform(0.7, 1.1))
    folds, grain = np.full((2, size, size), 0.5, dtype=np.float32)
    if looks.texture:
        folds = noise(rng, (3, int(rng.integers(4, 9))), size) * np.float32(0.5)
        folds += noise(rng, (60, 60), size) * np.float32(0.5)
        grain = noise(rng, (40, 3), size)
    canvas: Field = cloth * (np.float32(0.7) + np.float32(0.6) * folds)[..., None]
    table = _below(camera, 0.12, size)
    canvas[table] = wood * (np.float32(0.75) + np.float32(0.5) * grain[table])[:, None]
    return canvas


def _below(camera: _Camera, height: float, size: int) -> npt.NDArray[np.bool_]:
    """D×D: what lies below a height, in block widths."""
    across, down = camera.pixel(camera.middle, height)
    line = down + np.tan(camera.roll) * (np.arange(size) + 0.5 - across)
    return np.asarray(np.arange(size)[:, None] + 0.5 > line[None, :])


def _checkered(looks: Looks, camera: _Camera, size: int, rng: np.random.Generator) -> Field:
    """A blue sky over a floor of squares that recede to the horizon."""
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    sky = np.array((0.46, 0.70, 0.96), dtype=np.float32) * (1 - down) + np.float32(0.92) * down
    canvas: Field = np.broadcast_to(sky, (size, size, 3)).copy()
    horizon = round(camera.down - 0.05 * size)
    near = ((np.arange(size - horizon, dtype=np.float32) + 0.5) / (size - horizon))[:, None]
    across = (np.arange(size, dtype=np.float32) + np.float32(0.5 - camera.across)) / near * (_SQUARES / size)
    light = (np.floor(across) + np.floor(2 / near)) % 2 - 0.5
    # Squares that are finer than pixels are grey.
    floor = np.float32(0.68) + np.float32(0.24) * light * np.minimum(near * 4, 1)
    if looks.texture:
        floor *= 0.8 + 0.4 * noise(rng, (24, 24), size)[horizon:]
    canvas[horizon:] = floor[..., None]
    return canvas


def _shadow(canvas: Field, assembly: Assembly, camera: _Camera, rng: np.random.Generator) -> None:
    """A soft shadow of every block, in place, towards one side."""
    size = len(canvas)
    shadow = Image.new("L", (size, size))
    drawing = ImageDraw.Draw(shadow)
    aside, down = rng.uniform(-0.35, 0.35) * camera.scale, rng.uniform(0.03, 0.12) * camera.scale
    for block in assembly:
        drawing.polygon([(x + aside, y + down) for x, y in _corners(block, camera, 0.0)], fill=255)
    soft = shadow.filter(ImageFilter.GaussianBlur(0.08 * camera.scale))
    canvas *= 1 - 0.45 * np.asarray(soft, dtype=np.float32)[..., None] / 255


def _colour(looks: Looks, red: int | None, index: int, rng: np.random.Generator) -> Field:
    palette = _BRIGHT if looks.style == "cubeworld" else _WOODEN
    choice = int(rng.integers(len(palette) + (red is None)))
    plain = RED if index == red or choice == len(palette) else palette[choice]
    return np.asarray(plain, dtype=np.float32) + rng.normal(0, 0.02, 3).astype(np.float32)


def _paint(
    canvas: Field, block: Block, colour: Field, looks: Looks, camera: _Camera, rng: np.random.Generator
) -> None:
    """One block, in place: a darker edge around its face."""
    corners = np.array(_corners(block, camera, 0.0))
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    side = int(np.ceil(np.ptp(corners, axis=0)).max()) + 3
    region = canvas[top : top + side, left : left + side]
    inside, face = (
        np.asarray(_filled([(x - left, y - top) for x, y in _corners(block, camera, inset)], side)) > 0
        for inset in (0.0, _EDGE)
    )
    shown = np.s_[: region.shape[0], : region.shape[1]]
    region[inside[shown]] = colour * np.float32(0.5 if looks.style == "cubeworld" else 0.62)
    filling = _grained(colour, side, rng) if looks.texture else np.broadcast_to(colour, (side, side, 3))
    region[face[shown]] = filling[shown][face[shown]]


def _grained(colour: Field, size: int, rng: np.random.Generator) -> Field:
    """S×S×3: the grain runs along or across, and light falls from above or below."""
    cells = (3, 20) if rng.random() < 0.5 else (20, 3)
    grain = noise(rng, cells, size) * np.float32(0.7) + noise(rng, (24, 24), size) * np.float32(0.3)
    light = rng.uniform(0.9, 1.1) + rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, size)
    lit = (np.float32(0.8) + np.float32(0.4) * grain) * light.astype(np.float32)[:, None]
    filling: Field = colour * lit[..., None]
    return filling


def _photograph(canvas: Field, looks: Looks, rng: np.random.Generator) -> None:
    """Uneven light, and a little grain of the camera, in place."""
    size = len(canvas)
    if looks.texture:
        slopes = rng.uniform(-0.18, 0.18, 2).astype(np.float32)
        along = np.linspace(-1, 1, size, dtype=np.float32)
        canvas *= (1 + slopes[0] * along[:, None] + slopes[1] * along[None, :])[..., None]
    canvas += np.float32(0.03) * rng.standard_normal((size, size, 1), dtype=np.float32)
