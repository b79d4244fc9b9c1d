"""Reading pictures and masks as they come: any mode and depth, turned by EXIF, perhaps damaged.

Rules, the same for every file:

- A picture comes out RGB and upright. Sixteen bits become eight by their high byte; floating point is
  taken as 0–1, or as 0–255 where it exceeds 1. Transparency is laid on white. CMYK is converted without
  its colour profile, and no profile of an RGB picture is applied. Of several frames the first counts.
- A mask's object is what is not black, in grey, colour or palette alike; where transparency varies, it is
  what is visible instead. A JPEG mask is cut at half its brightest value, since compression leaves noise.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import InputError

PICTURE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
    | {".pbm", ".pgm", ".pnm", ".ppm"}
)
"""Endings, in lower case, of the files that count as pictures."""

PROPORTIONS_TOLERANCE = 0.02
"""How far a mask's proportions may be off its picture's: small masks are rounded to whole pixels."""

_Inside = npt.NDArray[np.bool_]
_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Picture(NamedTuple):
    """A picture and how its file stores it."""

    image: Image.Image
    """RGB, upright."""
    orientation: int
    """The file's EXIF orientation, 1 (upright as stored) to 8."""


def read_picture(path: Path) -> Image.Image:
    """RGB and upright. Raises ``InputError`` that names the file where it cannot be read whole."""
    return open_picture(path).image


def open_picture(path: Path) -> Picture:
    """Like ``read_picture``, with the orientation that ``read_mask`` and ``upright`` take."""
    image, stored, left = _decode(path, "picture")
    standing = upright(_rgb(image, path), left)
    # What the file said of its orientation no longer holds: nobody may turn the picture again.
    standing.info = {}
    return Picture(standing, stored)


def read_mask(
    path: Path, size: tuple[int, int], orientation: int = 1, values: Collection[int] = ()
) -> Image.Image:
    """The object's pixels as an 'L' picture of 0 and 255, turned like the upright picture.

    ``size`` is the upright picture's (width, height) and ``orientation`` its file's. The mask may have
    that size times a common scale. It is taken to be drawn on the upright picture unless its sides fit
    only the picture as stored; then it is turned like the picture. With ``values`` the object is where
    the stored grey value or palette index is one of them (label maps, trimaps).

    Raises ``InputError`` that names the file where it cannot be read, its sides fit neither way, or
    ``values`` are asked of a colour mask.
    """
    image, _, left = _decode(path, "mask")
    inside = _equal_to(image, values, path) if values else _not_black(image)
    drawn = upright(Image.fromarray(inside.view(np.uint8) * np.uint8(255)), left)
    turned = upright(drawn, orientation)
    for candidate in (drawn, turned):
        if candidate.size == size:
            return candidate
    for candidate in (drawn, turned):
        if same_proportions(candidate.size, size):
            return candidate
    raise InputError(
        f"Expected a mask of the picture's proportions {size[0]}×{size[1]} "
        f"but got {drawn.size[0]}×{drawn.size[1]}.",
        where=str(path),
        next_step="draw the mask on the whole picture; it may be smaller or larger by one common scale",
    )


def read_levels(
    path: Path, size: tuple[int, int], kind: str, mode: Literal["L", "RGB"]
) -> npt.NDArray[np.uint8]:
    """Values of a mask as its file stores them, H×W or H×W×3, for those who know what they mean.

    ``size`` is the picture's (width, height), ``kind`` the word for such a file in messages. Raises
    ``InputError`` that names the file where it cannot be read or has another size.
    """
    image, _, _ = _decode(path, kind)
    if image.size != size:
        raise InputError(
            f"Expected a {kind} of {size[0]}×{size[1]} pixels like its picture "
            f"but got {image.width}×{image.height}.",
            where=str(path),
        )
    return np.asarray(image.convert(mode))


def same_proportions(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one size is the other times a common scale, within ``PROPORTIONS_TOLERANCE``."""
    across, down = one[0] / other[0], one[1] / other[1]
    return abs(across / down - 1) <= PROPORTIONS_TOLERANCE


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn or mirror a picture as stored into one that stands upright (EXIF orientation 1 to 8)."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _decode(path: Path, kind: str) -> tuple[Image.Image, int, int]:
    """The decoded picture, the orientation as stored, and what is left of it after decoding.

    Pillow turns a TIFF upright while decoding it, and no other format.
    """
    try:
        with Image.open(path) as image:
            stored = _orientation(image)
            image.load()
            return image, stored, _orientation(image)
    except FileNotFoundError as error:
        raise InputError(f"Expected a {kind} but there is no such file.", where=str(path)) from error
    # Decoders meet damaged files with errors of nearly any kind, and never one that is not about the file.
    except Exception as error:
        raise InputError(
            f"Expected a {kind} but could not read it: {str(error) or type(error).__name__}.",
            where=str(path),
            next_step="repair, replace or remove the file",
        ) from error


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    # A photograph whose EXIF block is damaged is still a photograph.
    except Exception:
        return 1
    return value if value in _TURNS else 1


def _rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image, path).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    values = np.asarray(image)
    top = 65535 if image.mode.startswith("I") else 255
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= top):
        raise InputError(
            f"Expected grey values from 0 to {top} but got {values.min()} to {values.max()}.",
            where=str(path),
            next_step="save the picture with 8 or 16 bits a channel",
        )
    if image.mode.startswith("I"):
        return Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))
    scale = 255 if values.max() <= 1 else 1
    return Image.fromarray(np.rint(values * scale).astype(np.uint8))


def _not_black(image: Image.Image) -> _Inside:
    """H×W bool: the object of a mask by what one sees of it."""
    if image.has_transparency_data:
        channels = np.asarray(image.convert("RGBA"))
        alpha = channels[..., 3]
        if alpha.min() != alpha.max():
            return np.asarray(alpha > 0)
        seen = channels[..., :3].max(axis=2)
    elif image.mode in {"1", "L"} or image.mode.startswith(("I", "F")):
        seen = np.asarray(image)
    else:
        seen = np.asarray(image.convert("RGB")).max(axis=2)
    return np.asarray(seen > (seen.max() / 2 if image.format == "JPEG" else 0))


def _equal_to(image: Image.Image, values: Collection[int], path: Path) -> _Inside:
    """H×W bool: where a mask of one channel stores one of the values."""
    stored = np.asarray(image)
    if stored.ndim != 2:
        raise InputError(
            f"Expected a mask of one channel to look for the values {sorted(values)} but got {image.mode}.",
            where=str(path),
        )
    return np.isin(stored, list(values))
