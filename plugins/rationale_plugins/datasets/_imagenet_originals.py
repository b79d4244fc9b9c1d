"""What ImageNet-C needs of the pictures that it was made of: their boxes and their sizes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from rationale_cli.errors import InputError

from ._imagenet_boxes import Corners, Row, read_table, read_xml
from ._imagenet_layout import ANNOTATIONS, PICTURES, below, stem, unwrapped
from ._index import listed

Size = tuple[int, int]
"""Width and height in pixels."""

Note = tuple[tuple[Corners, ...] | None, Size | str]
"""Boxes (None: those of the XML file), and the original's size or the file that tells it."""

_TABLE, _SIZES = "LOC_val_solution.csv", "sizes.csv"


@dataclass(frozen=True)
class Originals:
    """What is known of the original pictures, by name without suffix."""

    root: Path
    """Folder that the XML files and original pictures lie below."""
    rows: Mapping[str, Row]
    sizes: Mapping[str, Size]
    xml: Mapping[str, str]
    pictures: Mapping[str, str]

    def note(self, name: str) -> Note | None:
        """What the reader needs; None where the picture has no boxes. Raises ``KeyError`` without size."""
        boxes = self.rows[name].boxes if name in self.rows else None
        if boxes is None and name not in self.xml:
            return None
        if name in self.sizes and boxes is not None:
            return boxes, self.sizes[name]
        return boxes, self.xml[name] if name in self.xml else self.pictures[name]


def resolve(root: Path, note: Note) -> tuple[tuple[Corners, ...], Size]:
    """Boxes and size of an original. Raises ``InputError`` naming the file that does not tell them."""
    boxes, told = note
    if not isinstance(told, str):
        return boxes or (), told
    path = root / told
    if not told.endswith(".xml"):
        return boxes or (), _size_of(path)
    row = read_xml(path)
    if row.size is None:
        raise InputError("Expected the picture's width and height but they are missing.", where=str(path))
    return (row.boxes if boxes is None else boxes), row.size


def find_originals(root: Path, imagenet: Path | None) -> Originals:
    """Look for boxes and sizes in ImageNet's folder, and for tables in the data's own too.

    Raises ``InputError`` where that folder does not exist, or neither has any boxes or any sizes.
    """
    folder = unwrapped(root if imagenet is None else imagenet.expanduser().absolute())
    if not folder.is_dir():
        raise InputError("Expected ImageNet's folder but there is no such folder.", where=str(folder))
    tables = {name: _first(name, root, folder) for name in (_TABLE, _SIZES)}
    table, sizes = tables[_TABLE], tables[_SIZES]
    originals = Originals(
        folder,
        read_table(table) if table else {},
        read_sizes(sizes) if sizes else {},
        _by_name(folder, [f"{place}/val" for place in ANNOTATIONS], (".xml",)),
        _by_name(folder, ["ILSVRC/Data/CLS-LOC/val", "val"], PICTURES),
    )
    if not originals.rows and not originals.xml:
        raise _lacking("boxes", f"{_TABLE} or Annotations/val/*.xml", folder)
    if not (originals.sizes or originals.xml or originals.pictures):
        raise _lacking("sizes", f"{_SIZES} (id,width,height), Annotations/val/*.xml or val/*.JPEG", folder)
    return originals


def read_sizes(path: Path) -> dict[str, Size]:
    """CSV with the columns id (without suffix), width, height. Raises ``InputError`` naming the line."""
    sizes: dict[str, Size] = {}
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                line = reader.line_num
                sizes[row["id"]] = (int(row["width"]), int(row["height"]))
                if min(sizes[row["id"]]) < 1:
                    raise ValueError(f"{row['width']}×{row['height']} pixels")
    except (OSError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Expected the columns id, width and height (whole pixels) but met {error}.",
            where=f"{path}, line {line}",
        ) from error
    return sizes


def _lacking(what: str, where: str, folder: Path) -> InputError:
    return InputError(
        f"Expected the {what} of the original validation pictures but found no {where}.",
        where=str(folder),
        next_step="boxes are drawn on the original pictures and are carried through the resize and crop that "
        "made ImageNet-C: name ImageNet's folder with --set dataset.imagenet=FOLDER, "
        "or measure accuracy alone with --set dataset.evidence=none",
    )


def missing_sizes(names: list[str], total: int, originals: Originals) -> InputError:
    """The error for pictures that have boxes and no size."""
    return InputError(
        f"Expected the size of every original picture but {len(names):,} of {total:,} have none, "
        f"for example {names[0]!r}.",
        where=str(originals.root),
        next_step="complete sizes.csv, Annotations/val or val, or name ImageNet's folder "
        "with --set dataset.imagenet=FOLDER",
    )


def _first(name: str, *folders: Path) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _by_name(root: Path, folders: list[str], suffixes: tuple[str, ...]) -> dict[str, str]:
    files = listed(root, folders, suffixes).files
    return {stem(path): path for folder in folders for path in below(folder, files)}


def _size_of(path: Path) -> Size:
    """Of the picture as stored: neither ImageNet-C nor the boxes know of EXIF orientations."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(
            f"Expected the original picture but could not read it: {error}.", where=str(path)
        ) from error
