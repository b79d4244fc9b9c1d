"""Which published figure a cell of ours stands beside.

A published row is a cell's where each of its columns says of the cell what the cell's axes say, by the same
word (case, blanks and punctuation apart) or by a name that the table's ``aliases`` give. Published figures
are of the dataset's own pictures as they are: a cell of corrupted or further pictures has none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache

from ..measures.published import Printed
from .published import PublishedRow, PublishedTable

_FIGURES = ("accuracy", "PT", "IR")


def published_rows(
    table: PublishedTable, rows: Sequence[PublishedRow], axes: Mapping[str, str]
) -> tuple[PublishedRow, ...]:
    """Of ``rows`` (the table's rows, averages or differences) those that say what the axes say."""
    if axes.get("corruption") or "@" in axes.get("split", ""):
        return ()
    return tuple(row for row in rows if all(_says(table, *told, axes) for told in _columns(row)))


def figure(table: PublishedTable | None, axes: Mapping[str, str], metric: str) -> Printed | None:
    """A cell's published value; None where there is none, or several that its axes do not tell apart."""
    return None if table is None else _one(published_rows(table, table.rows, axes), metric)


def difference(table: PublishedTable | None, axes: Mapping[str, str], metric: str) -> Printed | None:
    """A cell's published difference to zero-shot, where the table prints no value."""
    if table is None or figure(table, axes, metric) is not None:
        return None
    return _one(published_rows(table, table.differences, axes), metric)


def average(
    table: PublishedTable | None, cells: Collection[Mapping[str, str]], metric: str
) -> Printed | None:
    """The printed mean over just these cells, given by their axes.

    None where the printed mean is over other cells too, or over fewer: it says nothing of these then.
    """
    if table is None:
        return None
    found = [published_rows(table, table.rows, axes) for axes in cells]
    if not all(len(rows) == 1 for rows in found):
        return None
    places = {rows[0].place for rows in found}
    fitting = [
        one
        for one in table.averages
        if len(places) == len(found) and {row.place for row in _averaged(table, one)} == places
    ]
    return _one(fitting, metric)


def _averaged(table: PublishedTable, mean: PublishedRow) -> list[PublishedRow]:
    """The rows that a printed mean is over."""
    told = dict(_columns(mean))
    return [row for row in table.rows if told.items() <= dict(_columns(row)).items()]


def _one(rows: Sequence[PublishedRow], metric: str) -> Printed | None:
    if len(rows) != 1 or metric not in _FIGURES:
        return None
    found: Printed | None = getattr(rows[0].figures, metric)
    return found


def _columns(row: PublishedRow) -> Iterator[tuple[str, str]]:
    yield "method", row.method
    yield from row.setting.items()


def _says(table: PublishedTable, column: str, printed: str, axes: Mapping[str, str]) -> bool:
    ours = _plain(axes.get(column, ""))
    meant = {_plain(name): _plain(one) for name, one in table.aliases.get(column, {}).items()}
    return meant.get(ours, ours) == _plain(printed)


@lru_cache(maxsize=1024)
def _plain(text: str) -> str:
    return re.sub(r"[\s_./-]+", "", text).casefold()
