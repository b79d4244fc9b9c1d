"""Tables of figures as they stand in a file: rows of text, each with its place."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, did_you_mean
from ..recipe.text import parse_yaml

_HEAD = ("name", "title", "source", "unit", "baseline")
_LISTS = ("rows", "averages", "differences")
_ALIASES = "aliases"


class WrittenRow(NamedTuple):
    """A row: where it stands, and column → text."""

    place: str
    cells: dict[str, str]


class WrittenLine(NamedTuple):
    """A line of a CSV file: where it stands, and its cells."""

    place: str
    cells: tuple[str, ...]


class Written(NamedTuple):
    """A file: what is said of it, and its rows."""

    head: dict[str, str]
    rows: list[WrittenRow]
    averages: list[WrittenRow]
    differences: list[WrittenRow]
    aliases: dict[str, dict[str, str]]
    """Column → a reader's own word → what the table prints for it."""


def read_written(path: Path) -> Written:
    """Read a file by its ending: .csv, .tsv, .yaml or .yml. Raises ``InputError`` naming file and row."""
    kind = path.suffix.lower()
    if kind not in {".csv", ".tsv", ".yaml", ".yml"}:
        raise InputError(
            f"Expected a file that ends in .csv, .tsv, .yaml or .yml but got {path.name!r}.", where=str(path)
        )
    text = _text(path)
    return _yaml(text, path) if kind in {".yaml", ".yml"} else _csv(text, path)


def delimited(path: Path) -> Iterator[WrittenLine]:
    """Lines of a CSV file that hold anything, the header among them, each as wide as the first.

    Commas, semicolons or tabs, whichever the first line holds most of; blanks around cells go. Raises
    ``InputError`` naming file and line of what cannot be read.
    """
    return _lines(_text(path), path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Expected a table but could not read it: {error}", where=str(path)) from error


def _lines(text: str, path: Path) -> Iterator[WrittenLine]:
    first = text.split("\n", maxsplit=1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count), strict=True)
    width, line = 0, 0
    try:
        for cells in reader:
            place, line = f"line {line + 1}", reader.line_num
            stripped = tuple(cell.strip() for cell in cells)
            if not any(stripped):
                continue
            width = width or len(stripped)
            if len(stripped) != width:
                raise InputError(
                    f"Expected {width} cells, as in the header, but got {len(stripped)}.",
                    where=f"{path}, {place}",
                    next_step="quote a text that holds the separator, and write decimals with a point",
                )
            yield WrittenLine(place, stripped)
    except csv.Error as error:
        raise InputError(
            f"Expected CSV but could not read it: {error}", where=f"{path}, line {reader.line_num}"
        ) from error


def _csv(text: str, path: Path) -> Written:
    lines = _lines(text, path)
    first = next(lines, None)
    header = [] if first is None else _header(list(first.cells), path)
    rows = [WrittenRow(place, dict(zip(header, cells, strict=True))) for place, cells in lines]
    return Written({}, rows, [], [], {})


def _header(names: list[str], path: Path) -> list[str]:
    for name in names:
        if not name or names.count(name) > 1:
            fault = f"{name!r} twice" if name else "one without a name"
            raise InputError(f"Expected columns with names of their own but got {fault}.", where=str(path))
    return names


def _yaml(text: str, path: Path) -> Written:
    data = parse_yaml(text, str(path))
    if isinstance(data, list):
        data = {"rows": data}
    if not isinstance(data, Mapping):
        raise InputError("Expected a list of rows, or a key `rows`, but got something else.", where=str(path))
    for key in data:
        if key not in _HEAD and key not in _LISTS and key != _ALIASES:
            known = (*_HEAD, *_LISTS, _ALIASES)
            raise InputError(
                f"{key}: unknown key of a table. {did_you_mean(str(key), known)}", where=str(path)
            )
    head = {key: _word(data[key], key, str(path)) for key in _HEAD if key in data}
    rows, averages, differences = (_rows(data.get(key, []), key, path) for key in _LISTS)
    return Written(head, rows, averages, differences, _aliases(data.get(_ALIASES, {}), path))


def _aliases(given: Any, path: Path) -> dict[str, dict[str, str]]:
    if not isinstance(given, Mapping) or not all(isinstance(names, Mapping) for names in given.values()):
        raise InputError(f"{_ALIASES}: Expected names by column but got {given!r}.", where=str(path))
    return {
        str(column): {str(name): _word(printed, str(name), str(path)) for name, printed in names.items()}
        for column, names in given.items()
    }


def _rows(listed: Any, kind: str, path: Path) -> list[WrittenRow]:
    if not isinstance(listed, list):
        raise InputError(f"{kind}: Expected a list but got {listed!r}.", where=str(path))
    found = []
    for number, row in enumerate(listed, start=1):
        place = f"row {number}" if kind == "rows" else f"{kind}, row {number}"
        if not isinstance(row, Mapping):
            raise InputError(f"Expected columns and values but got {row!r}.", where=f"{path}, {place}")
        cells = {str(key): _word(value, str(key), f"{path}, {place}").strip() for key, value in row.items()}
        found.append(WrittenRow(place, cells))
    return found


def _word(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{key}: Expected a single value but got {value!r}.", where=where)
    return value
