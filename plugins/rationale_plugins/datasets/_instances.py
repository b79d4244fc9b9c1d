"""COCO's files of instances, read once and remembered: half a gigabyte of JSON takes a while."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import time
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rationale_cli.errors import InputError

from ._json_places import Placed, Scanner
from ._kept import SETTLED_NS, keep, recalled

_SCHEMA = 1
_WHOLE = ("image", "number", "category", "crowd", "start", "length")

Column = npt.NDArray[np.int64]
Span = tuple[int, int]
"""Where a file tells of something: first byte and number of bytes."""


class Instances(NamedTuple):
    """What one file tells, segmentations apart; of annotations a column each, a row an annotation."""

    digest: str
    """Of the file's bytes."""
    categories: dict[int, str]
    """``id`` → name, sorted by ``id``."""
    images: list[tuple[str, int, int]]
    """``file_name``, width and height."""
    image: Column
    """Place of the annotation's picture in ``images``."""
    number: Column
    """The annotation's ``id``."""
    category: Column
    """``id`` of its class."""
    crowd: Column
    """1 for a region of many objects that were not told apart, else 0."""
    start: Column
    """First byte of the annotation in the file."""
    length: Column
    """Bytes of it."""
    box: npt.NDArray[np.float64]
    """N×4: left, top, right, bottom."""


def read_instances(path: Path) -> Instances:
    """Read ``instances_*.json``, or what was kept of it while its size and time of change are the same.

    Raises ``InputError`` naming what is not understood.
    """
    try:
        status, started = path.stat(), time.time_ns()
        key = ["instances", _SCHEMA, str(path.absolute())]
        stamp = [status.st_size, status.st_mtime_ns]
        known = recalled(key)
        if known is not None and known["stamp"] == stamp:
            return _assembled(known["table"])
        table = _table(path)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"Expected COCO's instances (images, annotations, categories) but could not read them: {error}.",
            where=str(path),
        ) from error
    if status.st_mtime_ns < started - SETTLED_NS:
        keep(key, {"stamp": stamp, "table": table})
    return _assembled(table)


def read_segmentations(path: Path, spans: Sequence[Span]) -> list[Any]:
    """The ``segmentation`` of instances; None where one has none.

    Raises ``InputError`` where the file was changed since it was opened.
    """
    found = []
    try:
        with path.open("rb") as file:
            for start, length in spans:
                file.seek(start)
                found.append(json.loads(file.read(length)).get("segmentation"))
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"Expected an annotation that was there before but could not read it: {error}.",
            where=str(path),
            next_step="start again: the file was changed meanwhile",
        ) from error
    return found


def _table(path: Path) -> dict[str, Any]:
    """Columns that JSON can keep. Raises ``ValueError`` telling which item is not understood."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        digest = hashlib.sha256(content).hexdigest()[:16]
        scanner = Scanner(content)
    found = _Found(scanner)
    for key in scanner.members():
        take = {"images": found.image, "categories": found.category, "annotations": found.annotation}.get(key)
        if take is None:
            scanner.value()
            continue
        for place, item in enumerate(scanner.items()):
            try:
                take(item)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"{key}[{place}], {type(error).__name__}: {error}") from error
    scanner.end()
    return {"digest": digest, **found.table()}


class _Found:
    """Sections as they are read: columns of numbers, since there may be a million annotations."""

    def __init__(self, scanner: Scanner) -> None:
        self.scanner = scanner
        self.images: dict[int, tuple[str, int, int]] = {}
        self.categories: dict[int, str] = {}
        self.whole = {name: array("q") for name in _WHOLE}
        self.box = array("d")

    def image(self, item: Placed) -> None:
        told = self.scanner.decoded(item)
        width, height = int(told["width"]), int(told["height"])
        if min(width, height) < 1:
            raise ValueError(f"a picture of {width} times {height} pixels")
        self.images[told["id"]] = (str(told["file_name"]), width, height)

    def category(self, item: Placed) -> None:
        told = self.scanner.decoded(item)
        self.categories[int(told["id"])] = str(told["name"])

    def annotation(self, item: Placed) -> None:
        told = item.value
        box = [float(side) for side in told["bbox"]]
        if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) < 0:
            raise ValueError(f"the box {told['bbox']}")
        facts = (told["image_id"], told["id"], told["category_id"], int(told.get("iscrowd", 0)))
        for column, fact in zip(self.whole.values(), (*facts, item.start, item.length), strict=True):
            column.append(fact)
        self.box.extend(box)

    def table(self) -> dict[str, Any]:
        """Annotations name pictures by their place here. Raises ``ValueError`` where they name none."""
        places = {number: place for place, number in enumerate(self.images)}
        for kind, known in (("image", places), ("category", self.categories)):
            strange = set(self.whole[kind]) - known.keys()
            if strange:
                raise ValueError(f"annotations name the {kind} {min(strange)}, which is not listed")
        if len(set(self.whole["number"])) != len(self.whole["number"]):
            raise ValueError("two annotations have the same id")
        columns = {name: column.tolist() for name, column in self.whole.items()}
        columns["image"] = [places[number] for number in columns["image"]]
        return {
            "images": list(self.images.values()),
            "categories": sorted(self.categories.items()),
            "columns": columns,
            "box": self.box.tolist(),
        }


def _assembled(table: Mapping[str, Any]) -> Instances:
    box = np.array(table["box"], np.float64).reshape(-1, 4)
    box[:, 2:] += box[:, :2]
    return Instances(
        table["digest"],
        dict(table["categories"]),
        [tuple(image) for image in table["images"]],
        **{name: np.array(table["columns"][name], np.int64) for name in _WHOLE},
        box=box,
    )
