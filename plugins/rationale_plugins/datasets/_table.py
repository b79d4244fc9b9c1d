"""Pictures that a table tells of: a CSV of paths and labels instead of a folder for each class."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rationale_cli.errors import InputError

from ._layout import UNSPLIT, Layout, Record
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
    for source, row in rows(path, _REQUIRED):
        record = _record(path.parent, row, source)
        of_split = splits.setdefault(row.get("split", UNSPLIT), {})
        if record.id in of_split:
            raise InputError(f"Expected every picture once but {record.id!r} was named before.", where=source)
        of_split[record.id] = record
    if not splits:
        raise InputError("Expected a row for each picture but the table has none.", where=str(path))
    return Layout({name: tuple(records.values()) for name, records in splits.items()}, ())


def rows(path: Path, required: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """(file and line, for messages; column → value) of each row; columns in lower case, values stripped.

    Raises ``InputError`` where the file cannot be read or a required column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            names = {name: name.strip().lower() for name in reader.fieldnames or ()}
            missing = [column for column in required if column not in names.values()]
            if missing:
                raise InputError(
                    f"Expected the columns {', '.join(required)} but {', '.join(missing)} is missing.",
                    where=str(path),
                    next_step="name the columns in the table's first line",
                )
            for row in reader:
                yield (
                    f"{path}, line {reader.line_num}",
                    {told: row[name].strip() for name, told in names.items()},
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Expected a table but could not read it: {error}.", where=str(path)) from error


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
