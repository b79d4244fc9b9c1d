"""Pascal VOC's annotations: what objects a picture holds."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

from rationale_cli.errors import InputError

from ._crops import Box
from ._xml import read_tree

TOKENS = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
"""The classes as annotations write them; masks number them from 1 in this order."""

_LABELS = {token: label for label, token in enumerate(TOKENS)}
_FIRST_PIXEL = 1
"""The first pixel is 1, and the last one belongs to a box."""


class VocObject(NamedTuple):
    """One object as annotated."""

    number: int
    """Its place in the file from 1, which is its value in the picture of objects too."""
    label: int
    box: Box
    """Counted from 0; right and bottom do not belong to it."""
    difficult: bool


def read_objects(path: Path) -> tuple[VocObject, ...]:
    """The objects of one annotation file in its order.

    Parts of bodies, which some files tell too, are no objects. Raises ``InputError`` naming a file that
    is not understood.
    """
    try:
        elements = read_tree(path).findall("object")
        return tuple(_object(number, element) for number, element in enumerate(elements, start=1))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected an annotation of Pascal VOC but could not read it: {error}.", where=str(path)
        ) from error


def _object(number: int, element: ET.Element) -> VocObject:
    name = element.findtext("name", "").strip()
    if name not in _LABELS:
        raise ValueError(f"{name!r} is none of the twenty classes")
    left, top, right, bottom = (_pixel(element, side) for side in ("xmin", "ymin", "xmax", "ymax"))
    if left > right or top > bottom:
        raise ValueError(f"a box from {left}, {top} to {right}, {bottom}")
    box = (left - _FIRST_PIXEL, top - _FIRST_PIXEL, right, bottom)
    return VocObject(number, _LABELS[name], box, element.findtext("difficult", "0").strip() == "1")


def _pixel(element: ET.Element, side: str) -> int:
    """A few of the later years' coordinates are fractions."""
    text = element.findtext(f"bndbox/{side}", "")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{side} is {text!r}")
    return round(value)
