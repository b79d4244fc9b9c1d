"""Boxes of ImageNet: as written (table or XML), on a picture, and through the crop of ImageNet-C."""

from __future__ import annotations

import csv
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from rationale_cli.errors import InputError

from ._xml import read_tree

Corners = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the original picture; all four belong to the box."""

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom; right and bottom do not belong to it."""

Carrying = Literal["exact", "reference"]
"""How a box is carried through resize and crop."""

RESIZED, CROPPED = 256, 224
"""ImageNet-C was made of pictures with this short side, cut to this square."""


class Row(NamedTuple):
    """What is known of one picture."""

    synset: str
    """Its class."""
    boxes: tuple[Corners, ...]
    size: tuple[int, int] | None = None
    """Width and height of the picture that the boxes were drawn on, where they are told."""


def read_table(path: Path) -> dict[str, Row]:
    """``LOC_val_solution.csv`` → identifier without suffix → class and boxes, in the file's order.

    ``PredictionString`` repeats "synset xmin ymin xmax ymax"; all boxes of a row count. Raises
    ``InputError`` naming the line that is not understood.
    """
    rows: dict[str, Row] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, (name, text, *_) in enumerate(csv.reader(file), start=1):
                if name != "ImageId":
                    rows[name] = _row(text.split(), f"{path}, line {number}")
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InputError(
            f"Expected the columns ImageId and PredictionString but could not read them: {error}.",
            where=str(path),
        ) from error
    return rows


def _row(words: list[str], where: str) -> Row:
    try:
        boxes = tuple(
            (int(left), int(top), int(right), int(bottom))
            for left, top, right, bottom in zip(*(words[side::5] for side in range(1, 5)), strict=True)
        )
        return Row(words[0], boxes)
    except (ValueError, IndexError) as error:
        raise InputError(
            f"Expected 'synset xmin ymin xmax ymax', once or more, but got {' '.join(words)!r}.", where=where
        ) from error


def read_xml(path: Path) -> Row:
    """One annotation file: class, all boxes and the size of the picture.

    The class is the first object's. Raises ``InputError`` naming a file that is not understood.
    """
    try:
        tree = read_tree(path)
        objects = tree.findall("object")
        boxes = tuple(_corners(one) for one in objects)
        width, height = (int(tree.findtext(f"size/{side}", "0")) for side in ("width", "height"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected an annotation with bndbox and size but could not read it: {error}.", where=str(path)
        ) from error
    synset = objects[0].findtext("name", "") if objects else ""
    return Row(synset, boxes, (width, height) if width and height else None)


def _corners(element: ET.Element) -> Corners:
    left, top, right, bottom = (
        round(float(element.findtext(f"bndbox/{side}", ""))) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return left, top, right, bottom


def on_picture(boxes: tuple[Corners, ...], size: tuple[int, int]) -> tuple[Rectangle, ...]:
    """Boxes as drawn → clipped to the picture; what lies outside is left out.

    The right and bottom pixels belong to a box, as the reference fills them.
    """
    return _clipped(((left, top, right + 1, bottom + 1) for left, top, right, bottom in boxes), size)


def through_crop(
    boxes: tuple[Corners, ...], size: tuple[int, int], mapping: Carrying
) -> tuple[Rectangle, ...]:
    """Boxes of an original picture of ``size`` → on the 224×224 square that ImageNet-C shows.

    ``exact`` follows torchvision's Resize(256) and CenterCrop(224), edges rounded as a resized mask's
    are; ``reference`` is the released code's arithmetic, truncated toward zero (up to a pixel off).
    """
    place = _exact if mapping == "exact" else _reference
    return _clipped((place(box, size) for box in boxes), (CROPPED, CROPPED))


def _clipped(boxes: Iterable[Rectangle], size: tuple[int, int]) -> tuple[Rectangle, ...]:
    width, height = size
    inside = (
        (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
        for left, top, right, bottom in boxes
    )
    return tuple(one for one in inside if one[0] < one[2] and one[1] < one[3])


def _exact(box: Corners, size: tuple[int, int]) -> Corners:
    (left, top, right, bottom), short = box, min(size)
    across, down = (int(RESIZED * side / short) for side in size)
    skipped = round((across - CROPPED) / 2), round((down - CROPPED) / 2)
    left, right = (_nearest(x * across / size[0]) - skipped[0] for x in (left, right + 1))
    top, bottom = (_nearest(y * down / size[1]) - skipped[1] for y in (top, bottom + 1))
    return left, top, right, bottom


def _reference(box: Corners, size: tuple[int, int]) -> Corners:
    ratio = min(size) / RESIZED
    skipped = tuple((side / ratio - CROPPED) / 2 for side in size)
    left, top, right, bottom = (int(side / ratio - skipped[place % 2]) for place, side in enumerate(box))
    return left, top, right + 1, bottom + 1


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)
