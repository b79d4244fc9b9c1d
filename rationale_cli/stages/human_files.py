"""What people and models answered to items, read from CSV files, and items found again by their names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median

import numpy as np
import numpy.typing as npt

from ..errors import InputError, did_you_mean
from ..reporting.written import WrittenLine, delimited

Floats = npt.NDArray[np.float64]

LONG = ("item", "participant", "response")
"""Columns of a file with a line a response; ``rt`` may be among them."""
ITEMS = ("item", "image", "picture", "stimulus", "id")
TRUTH = ("truth", "gt", "label")
"""Names that the columns of a file of answers may have, in upper or lower case."""
_MISSING = ("", "na", "nan", "null", "none")


@dataclass(frozen=True)
class Meaning:
    """What a written answer means: a number, or a class."""

    positive: str | None = None
    """The answer that counts as 1; all others count as 0."""
    classes: tuple[str, ...] = ()
    """Known names; without them any word but ``positive`` counts as 0."""

    def value(self, text: str, where: str) -> float:
        """0, 1 or a rating; NaN where nothing was answered. Raises ``InputError`` for anything else."""
        if text.casefold() in _MISSING and text not in self.classes:
            return math.nan
        if text not in self.classes and (number := _number(text)) is not None:
            return number
        if self.positive is None:
            raise InputError(
                f"Expected a number but got {text!r}.",
                where=where,
                next_step=f"--positive {text} if that answer counts as 1 and all others as 0; "
                "--columns names the columns of models where there are others",
            )
        if self.classes and text not in self.classes:
            raise InputError(
                f"Expected a number or a class but got {text!r}. {did_you_mean(text, self.classes)}",
                where=where,
            )
        return float(text == self.positive)


@dataclass(frozen=True)
class PeopleFile:
    """What P people answered to n items."""

    items: tuple[str, ...] | None
    """None where rows have no names but their numbers from 0."""
    people: tuple[str, ...]
    responses: Floats
    """n×P; NaN where a person did not judge an item."""
    seconds: float | None
    """Median response time, where times are told."""


@dataclass(frozen=True)
class AnswersFile:
    """What models answered to n items."""

    items: tuple[str, ...]
    truth: Floats | None
    answers: Mapping[str, Floats]
    """Model → n values; NaN where it did not answer."""


def read_people(path: Path, meaning: Meaning) -> PeopleFile:
    """Read a line a response (``item,participant,response[,rt]``), or a row an item and a column a person.

    Raises ``InputError`` naming file and line of what cannot be read or stands there twice.
    """
    header, lines = _table(path)
    names = [cell.casefold() for cell in header.cells]
    if set(LONG) <= set(names):
        return _long(path, names, lines, meaning)
    return _wide(path, header, lines, meaning)


def read_answers(path: Path, meaning: Meaning, columns: Sequence[str] | None = None) -> AnswersFile:
    """Read a row an item and a column a model; ``columns`` names those to take, None takes every one.

    Raises ``InputError`` naming file and line of what cannot be read.
    """
    header, lines = _table(path)
    names = [cell.casefold() for cell in header.cells]
    item = next((names.index(one) for one in ITEMS if one in names), 0)
    truth = next((names.index(one) for one in TRUTH if one in names), None)
    items = tuple(line.cells[item] for line in lines)
    _once(items, path, "item")
    taken = [place for place in range(len(names)) if place not in (item, truth)]
    if columns is not None:
        for one in columns:
            if one not in header.cells:
                raise InputError(
                    f"Expected a column {one!r}. {did_you_mean(one, header.cells)}", where=str(path)
                )
        taken = [header.cells.index(one) for one in columns]

    def column(place: int) -> Floats:
        return np.array([_value(line, place, path, header, meaning) for line in lines])

    answers = {
        path.stem if names[place] == "response" else header.cells[place]: column(place) for place in taken
    }
    return AnswersFile(items, None if truth is None else column(truth), answers)


def found(items: Sequence[str], ids: Sequence[str]) -> dict[str, int]:
    """Item → its position in ``ids``, of those that can be told.

    By the whole name; else by what is left without its ending, without its folders, or without either, as
    long as no two items and no two ids have it in common.

    >>> found(["1", "b/2.png"], ["test/1.png", "test/2.png", "test/3.png"])
    {'1': 0, 'b/2.png': 1}
    """
    places: dict[str, int] = {}
    for key in _KEYS:
        left = [one for one in items if one not in places]
        have = _single((key(one), place) for place, one in enumerate(ids))
        want = _single((key(one), place) for place, one in enumerate(left))
        places |= {left[place]: have[name] for name, place in want.items() if name in have}
    return places


_KEYS: tuple[Callable[[str], str], ...] = (
    str,
    lambda name: str(PurePosixPath(name).with_suffix("")),
    lambda name: PurePosixPath(name).name,
    lambda name: PurePosixPath(name).stem,
)


def _single(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    listed = list(pairs)
    times = Counter(name for name, _ in listed)
    return {name: place for name, place in listed if times[name] == 1}


def _table(path: Path) -> tuple[WrittenLine, list[WrittenLine]]:
    lines = list(delimited(path))
    if len(lines) < 2 or len(lines[0].cells) < 2:
        raise InputError(
            "Expected a table with a header and at least two columns but got none.", where=str(path)
        )
    return lines[0], lines[1:]


def _long(path: Path, names: Sequence[str], lines: Sequence[WrittenLine], meaning: Meaning) -> PeopleFile:
    item, person, response = (names.index(one) for one in LONG)
    items = tuple(dict.fromkeys(line.cells[item] for line in lines))
    people = tuple(dict.fromkeys(line.cells[person] for line in lines))
    row, column = ({name: place for place, name in enumerate(one)} for one in (items, people))
    responses = np.full((len(items), len(people)), np.nan)
    seen: dict[tuple[int, int], str] = {}
    for line in lines:
        cell = row[line.cells[item]], column[line.cells[person]]
        if cell in seen:
            raise InputError(
                f"Expected one response of {line.cells[person]!r} to {line.cells[item]!r} but got another "
                f"in {seen[cell]}.",
                where=f"{path}, {line.place}",
            )
        seen[cell] = line.place
        responses[cell] = meaning.value(line.cells[response], f"{path}, {line.place}")
    return PeopleFile(items, people, responses, _times(path, names, lines))


def _times(path: Path, names: Sequence[str], lines: Sequence[WrittenLine]) -> float | None:
    if "rt" not in names:
        return None
    place = names.index("rt")
    known = []
    for line in lines:
        text = line.cells[place]
        if text.casefold() in _MISSING:
            continue
        if (time := _number(text)) is None:
            raise InputError(
                f"Expected a response time but got {text!r}.", where=f"{path}, {line.place}, column 'rt'"
            )
        known.append(time)
    return median(known) if known else None


def _wide(path: Path, header: WrittenLine, lines: Sequence[WrittenLine], meaning: Meaning) -> PeopleFile:
    people = header.cells[1:]
    _once(people, path, "participant")
    first = tuple(line.cells[0] for line in lines)
    numbered = not header.cells[0] and first == tuple(map(str, range(len(lines))))
    _once(first, path, "item")
    responses = np.array(
        [
            [_value(line, place, path, header, meaning) for place in range(1, len(header.cells))]
            for line in lines
        ]
    )
    return PeopleFile(None if numbered else first, people, responses, None)


def _value(line: WrittenLine, place: int, path: Path, header: WrittenLine, meaning: Meaning) -> float:
    return meaning.value(line.cells[place], f"{path}, {line.place}, column {header.cells[place]!r}")


def _once(names: Sequence[str], path: Path, what: str) -> None:
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise InputError(f"Expected each {what} once but got {name!r} {times} times.", where=str(path))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
