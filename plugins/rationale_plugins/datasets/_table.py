"""Pictures that a table tells of: a CSV of paths and labels instead of a folder for each class."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path

from rationale_cli.errors import InputError

from ._layout import UNSPLIT, Layout, Record
from ._rows import table_rows
from ._tree import File

TABLE = "stimuli.csv"
"""Its name where none is given."""

_REQUIRED = ("image", "label")
_FURTHER = ("split", "id")


def read_table(path: Path) -> Layout:
    """The pictures of a CSV with the columns image and label, and perhaps mask, split and id.

    Paths are seen from the table's folder; a label names a class as a folder's name would. Without ``id`` a
    picture is called by its path without the ending. Raises ``InputError`` naming file and row for a column,
    a value or a file that is missing, and for a picture that is named twice in one split.
    """
    splits: dict[str, dict[str, Record]] = {}
    for source, row in table_rows(path, _REQUIRED):
        record = _record(path.parent, row, source)
        of_split = splits.setdefault(row.get("split", UNSPLIT), {})
        if record.id in of_split:
            raise InputError(f"Expected every picture once but {record.id!r} was named before.", where=source)
        of_split[record.id] = record
    if not splits:
        raise InputError("Expected a row for each picture but the table has none.", where=str(path))
    return Layout({name: tuple(records.values()) for name, records in splits.items()}, ())


def _record(folder: Path, row: Mapping[str, str], source: str) -> Record:
    empty = [column for column in (*_REQUIRED, *_FURTHER) if not row.get(column, "no such column")]
    if empty:
        raise InputError(f"Expected a value of {', '.join(empty)} but it is empty.", where=source)
    picture = _file(folder, row["image"], "picture", source)
    mask = _file(folder, row["mask"], "mask", source) if row.get("mask") else None
    return Record(row.get("id", picture.stem), row["label"], picture, mask)


def _file(folder: Path, name: str, kind: str, source: str) -> File:
    path = folder / name
    if not path.is_file():
        raise InputError(
            f"Expected a {kind} but there is no file {name!r}.",
            where=source,
            next_step="write each path as seen from the table's folder",
        )
    key = posixpath.normpath(Path(name).as_posix())
    return File(key.removeprefix("images/"), str(path), path.stat().st_size)
