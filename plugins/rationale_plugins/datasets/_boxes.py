"""Boxes around objects, from a CSV file or a COCO JSON file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rationale_cli.contracts import Boxes
from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import same_proportions

from ._rows import table_rows

_QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
SIDES = ("xmin", "ymin", "xmax", "ymax")
"""Columns of a box in a table."""
_COLUMNS = ("path", *SIDES)


class Box(NamedTuple):
    """One box in pixels of the picture it was drawn on; right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float
    source: str
    """Where it is written, for messages: file and row."""
    category: str | None = None
    """What it holds, where that is told."""
    drawn_on: tuple[int, int] | None = None
    """Width and height of the picture it was drawn on, where they are told."""


def read_boxes(path: Path) -> dict[str, list[Box]]:
    """Picture's name as written in the file → its boxes, in the file's order.

    ``.json`` is read as COCO (``images``, ``annotations``, ``categories``; ``bbox`` = x, y, width,
    height), anything else as CSV with the columns path, xmin, ymin, xmax, ymax. Raises ``InputError``
    naming file and row for what is missing, no number, or a box without width or height.
    """
    found: dict[str, list[Box]] = {}
    rows = _coco(path) if path.suffix.lower() == ".json" else _csv(path)
    try:
        for name, box in rows:
            found.setdefault(name.replace("\\", "/").removeprefix("./"), []).append(checked(box))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"Expected a file of boxes but could not read it: {error}.", where=str(path)
        ) from error
    return found


def assign(
    boxes: Mapping[str, Sequence[Box]], pictures: Sequence[str], source: Path, root: Path
) -> dict[str, tuple[Box, ...]]:
    """Boxes by picture's path. A name is a path from the file's folder, from ``root``, or the end of one.

    Raises ``InputError`` where a name fits several pictures, or none fits any.
    """
    known = {_absolute(Path(path)): path for path in pictures}
    by_name: dict[str, list[str]] = {}
    for path in pictures:
        by_name.setdefault(Path(path).name, []).append(path)
    assigned: dict[str, tuple[Box, ...]] = {}
    for name, rows in boxes.items():
        places = (_absolute(folder / name) for folder in (source.parent, root))
        exact = next((known[place] for place in places if place in known), None)
        picture = exact or _ending(name, by_name.get(name.rsplit("/", 1)[-1], []), rows[0].source)
        if picture is not None:
            assigned[picture] = (*assigned.get(picture, ()), *rows)
    if boxes and not assigned:
        raise InputError(
            f"Expected boxes of the pictures below {root} but none of its {len(boxes)} names fits any, "
            f"for example {next(iter(boxes))!r}.",
            where=str(source),
            next_step="write each picture's path as seen from that file's folder",
        )
    return assigned


def of_class(boxes: Iterable[Box], names: Sequence[str], known: frozenset[str]) -> tuple[Box, ...]:
    """The boxes of a picture's own class, where the file knows that class; else all of them."""
    if known.isdisjoint(names):
        return tuple(boxes)
    return tuple(box for box in boxes if box.category in names)


def place(boxes: Sequence[Box], size: tuple[int, int], orientation: int) -> Boxes:
    """Boxes in pixels of the upright picture, clipped to it.

    A box is scaled where it was drawn on the picture at another size, and turned where its picture's
    sides fit only the picture as stored. Raises ``InputError`` for a box that lies outside.
    """
    return Boxes(tuple(_placed(box, size, orientation) for box in boxes))


def _placed(box: Box, size: tuple[int, int], orientation: int) -> tuple[float, float, float, float]:
    first, second, drawn_on = (box.left, box.top), (box.right, box.bottom), box.drawn_on or size
    if not same_proportions(drawn_on, size):
        if orientation not in _QUARTER_TURNS or not same_proportions(drawn_on[::-1], size):
            raise InputError(
                f"Expected boxes of a picture of the proportions {size[0]}×{size[1]} "
                f"but they were drawn on one of {drawn_on[0]}×{drawn_on[1]}.",
                where=box.source,
            )
        first, second = (_turned(corner, drawn_on, orientation) for corner in (first, second))
        drawn_on = drawn_on[::-1]
    across = sorted(corner[0] * size[0] / drawn_on[0] for corner in (first, second))
    down = sorted(corner[1] * size[1] / drawn_on[1] for corner in (first, second))
    left, right = max(across[0], 0.0), min(across[1], float(size[0]))
    top, bottom = max(down[0], 0.0), min(down[1], float(size[1]))
    if left >= right or top >= bottom:
        raise InputError(
            f"Expected a box inside the picture of {size[0]}×{size[1]} pixels "
            f"but got {box.left:g}, {box.top:g} to {box.right:g}, {box.bottom:g}.",
            where=box.source,
        )
    return left, top, right, bottom


def _turned(corner: tuple[float, float], stored: tuple[int, int], orientation: int) -> tuple[float, float]:
    """A point of the picture as stored (width, height) on the upright one, for quarter turns."""
    (x, y), (width, height) = corner, stored
    across = height - y if orientation in (6, 7) else y
    down = width - x if orientation in (7, 8) else x
    return across, down


def _csv(path: Path) -> Iterator[tuple[str, Box]]:
    for source, row in table_rows(path, _COLUMNS):
        left, top, right, bottom = (number(row[side], source) for side in SIDES)
        yield row["path"], Box(left, top, right, bottom, source)


def _coco(path: Path) -> Iterator[tuple[str, Box]]:
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    try:
        pictures = {picture["id"]: picture for picture in content["images"]}
        categories = {category["id"]: str(category["name"]) for category in content.get("categories", ())}
        annotations = list(enumerate(content["annotations"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"Expected COCO annotations (images, annotations, categories) but met {error!r}.", where=str(path)
        ) from error
    for place_in_file, annotation in annotations:
        source = f"{path}, annotations[{place_in_file}]"
        try:
            picture = pictures[annotation["image_id"]]
            left, top, width, height = (number(side, source) for side in annotation["bbox"])
            name = str(picture["file_name"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"Expected an annotation with image_id and bbox but met {error!r}.", where=source
            ) from error
        box = Box(left, top, left + width, top + height, source)
        category = categories.get(annotation.get("category_id"))
        yield name, box._replace(category=category, drawn_on=_size(picture))


def _size(picture: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = picture.get("width"), picture.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) and width * height else None


def number(text: Any, source: str) -> float:
    """A side in pixels; raises ``InputError`` that names ``source`` for what is no finite number."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"Expected a number of pixels but got {text!r}.", where=source)
    return value


def checked(box: Box) -> Box:
    """The same box; raises ``InputError`` where it has no width or height."""
    if box.left >= box.right or box.top >= box.bottom:
        raise InputError(
            "Expected a box with xmin < xmax and ymin < ymax "
            f"but got {box.left:g}, {box.top:g} to {box.right:g}, {box.bottom:g}.",
            where=box.source,
        )
    return box


def _absolute(path: Path) -> str:
    """Full path without "..", links left as they are."""
    return os.path.normpath(path.absolute())


def _ending(name: str, candidates: Sequence[str], source: str) -> str | None:
    fitting = [path for path in candidates if Path(path).as_posix().endswith("/" + name)]
    if len(fitting) > 1:
        raise InputError(
            f"Expected the name of one picture but {name!r} fits {len(fitting)}: {', '.join(fitting[:3])}.",
            where=source,
            next_step="write the path as seen from the file's folder",
        )
    return fitting[0] if fitting else None
