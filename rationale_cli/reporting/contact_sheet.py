"""A contact sheet: many small pictures with the outlines of their objects, to see at a glance what is off."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from ..runs.atomic import atomic_path

COLUMNS = 8
_TILE, _GAP, _MARGIN = 208, 10, 20
_CAPTION, _HEAD = 38, 44
_FINE = 2
"""Outlines are drawn on tiles enlarged by this and brought down again: their edges are smooth."""

_PAPER, _INK, _MUTED, _ALARM = (255, 255, 255), (20, 20, 20), (110, 110, 110), (190, 20, 20)
_LINE, _HALO = (255, 235, 0), (0, 0, 0)
_CUT = "…"
Polygon = tuple[tuple[float, float], ...]


class Tile(NamedTuple):
    """One picture."""

    picture: Image.Image
    """RGB, square."""
    outline: tuple[Polygon, ...]
    """Closed lines in pixels of ``picture``; (0, 0) is the centre of its first pixel."""
    caption: str
    """Its class."""
    identifier: str
    remark: str
    """A word beside the caption."""
    alarming: bool = False
    """Whether the remark tells of something wrong."""


class Section(NamedTuple):
    """Tiles under one title."""

    title: str
    tiles: Sequence[Tile]


def write_sheet(path: Path, sections: Sequence[Section], legend: str) -> None:
    """Draw the sections below each other and write them as a PNG, whole or not at all.

    Raises ``InputError`` where the folder cannot be written.
    """
    image = sheet(sections, legend)
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")


def sheet(sections: Sequence[Section], legend: str) -> Image.Image:
    """The sheet as an RGB picture."""
    heights = [_HEAD + _rows(one) * _row_height() for one in sections]
    width = 2 * _MARGIN + COLUMNS * (_TILE + _GAP) - _GAP
    image = Image.new("RGB", (width, 2 * _MARGIN + sum(heights) + _HEAD // 2), _PAPER)
    top = _MARGIN
    for section, height in zip(sections, heights, strict=True):
        _draw_section(image, section, top)
        top += height
    _write(image, (_MARGIN, top), legend, _font(14), _MUTED, width - 2 * _MARGIN)
    return image


def _rows(section: Section) -> int:
    return -(-len(section.tiles) // COLUMNS)


def _row_height() -> int:
    return _TILE + _CAPTION + _GAP


def _draw_section(image: Image.Image, section: Section, top: int) -> None:
    _write(image, (_MARGIN, top), section.title, _font(20), _INK, image.width - 2 * _MARGIN)
    for number, tile in enumerate(section.tiles):
        row, column = divmod(number, COLUMNS)
        left = _MARGIN + column * (_TILE + _GAP)
        _draw_tile(image, tile, left, top + _HEAD + row * _row_height())


def _draw_tile(image: Image.Image, tile: Tile, left: int, top: int) -> None:
    image.paste(_outlined(tile), (left, top))
    below = top + _TILE + 3
    font, small = _font(14), _font(11)
    colour = _ALARM if tile.alarming else _MUTED
    remark = int(font.getlength(tile.remark))
    _write(image, (left + _TILE - remark, below), tile.remark, font, colour, remark + 1)
    _write(image, (left, below), tile.caption, font, _INK, _TILE - remark - 6)
    _write(image, (left, below + 18), _end(tile.identifier, small, _TILE), small, _MUTED, _TILE)


def _outlined(tile: Tile) -> Image.Image:
    side = _FINE * _TILE
    scale = side / tile.picture.width
    large = tile.picture.resize((side, side), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(large)
    for colour, thickness in ((_HALO, 8), (_LINE, 4)):
        for line in tile.outline:
            points = [((x + 0.5) * scale, (y + 0.5) * scale) for x, y in line]
            draw.line(points, fill=colour, width=thickness, joint="curve")
    return large.resize((_TILE, _TILE), Image.Resampling.LANCZOS)


def _write(
    image: Image.Image,
    place: tuple[int, int],
    text: str,
    font: ImageFont.FreeTypeFont,
    colour: tuple[int, int, int],
    room: int,
) -> None:
    """One line of text, cut with an ellipsis where there is no room for it."""
    line = " ".join(text.split())
    if font.getlength(line) > room:
        while line and font.getlength(line + _CUT) > room:
            line = line[:-1]
        line += _CUT
    ImageDraw.Draw(image).text(place, line, font=font, fill=colour)


def _end(text: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """The end of an identifier: that is where a picture's differs from its neighbours'."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(_CUT + text) > room:
        text = text[1:]
    return _CUT + text


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font: it is installed everywhere and knows more scripts than Pillow's."""
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
