"""Tables of published figures: those of the paper, which are shipped, and any other as CSV or YAML.

::

    method,dataset,acc,PT,IR
    ZS,ImageNet,63.30,87.05,66.33
    CoOp,ImageNet,76.06,75.35,78.50

    name: my-table
    rows:
      - {method: ZS, dataset: ImageNet, acc: 63.30, PT: 87.05, IR: 66.33}

Numbers are read as text, for their digits tell how they were rounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from ..errors import InputError, did_you_mean
from ..measures.published import Printed, Triple
from .written import Written, WrittenRow, read_written

Unit = Literal["percent", "fraction"]

BASELINE = "ZS"
FIGURES = ("acc", "PT", "IR")
_HERE = Path(__file__).parent / "data" / "published"
_ALIASES = {
    "acc": "acc",
    "accuracy": "acc",
    "predictionaccuracy": "acc",
    "pt": "PT",
    "predictiontrustworthiness": "PT",
    "ir": "IR",
    "inferencereliability": "IR",
}
_ZERO_SHOT = {"zs", "zeroshot"}
_ABSENT = {"", "-", "–", "—", "n/a", "na", "none", "null", "~"}


@dataclass(frozen=True)
class PublishedRow:
    """One method in one setting."""

    setting: Mapping[str, str]
    """Column → what stands there, for every column that is neither method nor figure."""
    method: str
    figures: Triple
    place: str
    """Where in the file, such as ``line 3``."""


@dataclass(frozen=True)
class PublishedTable:
    """A published table; all figures as fractions."""

    name: str
    title: str
    source: str
    baseline: str
    rows: tuple[PublishedRow, ...]
    averages: tuple[PublishedRow, ...] = ()
    """Means over a method's rows, as printed."""
    differences: tuple[PublishedRow, ...] = ()
    """Signed differences to the baseline, as printed, where the figures themselves are not at hand."""
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column → a word of this tool → what the table prints for it, where the two are not the same word."""

    def shot(self, row: PublishedRow) -> PublishedRow | None:
        """The zero-shot row of a row's setting; None for itself and where there is none."""
        for one in self.rows:
            if one.setting == row.setting and _same(one.method, self.baseline):
                return None if one is row else one
        return None


def shipped_tables() -> dict[str, PublishedTable]:
    """The paper's figures as far as they are at hand: Tables 3 and 4, and what its text prints of 1 and 2."""
    return {path.stem: read_table(path) for path in sorted(_HERE.glob("*.yaml"))}


def shipped_table(name: str) -> PublishedTable:
    """A shipped table by its own name. Raises ``InputError`` for an unknown one."""
    known = {one.name: one for one in shipped_tables().values()}
    if name not in known:
        raise InputError(f"Expected a published table but got {name!r}. {did_you_mean(name, known)}")
    return known[name]


def read_table(path: Path, unit: Unit | None = None, baseline: str | None = None) -> PublishedTable:
    """Read a CSV or YAML file of figures.

    ``unit`` is that of the numbers; None: what the file says, else per cent where any is above 1 or carries
    the sign. ``baseline`` is the method that others are held against; None: what the file says, else ``ZS``.
    Raises ``InputError`` naming file, row and column.
    """
    written = read_written(path)
    if not written.rows:
        raise InputError("Expected rows of figures but there are none.", where=str(path))
    columns = _columns([*written.rows, *written.averages, *written.differences], path)
    factor = _factor(unit or _unit_of(written, path), written, columns)

    def parsed(rows: Sequence[WrittenRow], signed: bool = False) -> tuple[PublishedRow, ...]:
        return tuple(_row(row, columns, factor, path, signed) for row in rows)

    table = PublishedTable(
        name=written.head.get("name", path.stem),
        title=written.head.get("title", path.name),
        source=written.head.get("source", ""),
        baseline=baseline or written.head.get("baseline", BASELINE),
        rows=parsed(written.rows),
        averages=parsed(written.averages),
        differences=parsed(written.differences, signed=True),
        aliases=written.aliases,
    )
    _check(table, path, baseline)
    return table


def _columns(rows: Sequence[WrittenRow], path: Path) -> dict[str, str]:
    """Column as written → ``acc``, ``PT``, ``IR``, ``method``, or itself."""
    found: dict[str, str] = {}
    for row in rows:
        for name in row.cells:
            plain = re.sub(r"\(.*\)|[^a-z0-9]", "", name.lower())
            found[name] = "method" if plain == "method" else _ALIASES.get(plain, name)
    for meant in (*FIGURES, "method"):
        names = [name for name, one in found.items() if one == meant]
        if len(names) > 1 and any(len(set(names) & set(row.cells)) > 1 for row in rows):
            raise InputError(f"Expected one column {meant} but got {' and '.join(names)}.", where=str(path))
    missing = [one for one in FIGURES if one not in found.values()]
    if missing:
        raise InputError(
            f"Expected columns acc, PT and IR but {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. Found: {', '.join(found) or 'none'}.",
            where=str(path),
            next_step="name the columns so; a figure that was not published is left empty",
        )
    return found


def _unit_of(written: Written, path: Path) -> Unit | None:
    said = written.head.get("unit")
    if said in {"percent", "fraction"}:
        return "percent" if said == "percent" else "fraction"
    if said is not None:
        raise InputError(f"unit: Expected percent or fraction but got {said!r}.", where=str(path))
    return None


def _factor(unit: Unit | None, written: Written, columns: Mapping[str, str]) -> Decimal:
    if unit is None:
        texts = [text for row in written.rows for name, text in row.cells.items() if columns[name] in FIGURES]
        numbers = [one for text in texts if (one := _decimal(text)) is not None]
        signs = any("%" in one for one in (*texts, *columns))
        unit = "percent" if signs or any(one > 1 for one in numbers) else "fraction"
    return Decimal("0.01") if unit == "percent" else Decimal(1)


def _row(
    row: WrittenRow, columns: Mapping[str, str], factor: Decimal, path: Path, signed: bool
) -> PublishedRow:
    figures: dict[str, Printed | None] = dict.fromkeys(FIGURES)
    setting, method = {}, ""
    for name, text in row.cells.items():
        if columns[name] in FIGURES:
            where = f"{path}, {row.place}, column {name}"
            figures[columns[name]] = _printed(text, factor, where, -1 if signed else 0)
        elif columns[name] == "method":
            method = text
        else:
            setting[name] = text
    triple = Triple(accuracy=figures["acc"], PT=figures["PT"], IR=figures["IR"])
    return PublishedRow(setting, method, triple, row.place)


def _printed(text: str, factor: Decimal, where: str, least: int) -> Printed | None:
    if text.strip().lower() in _ABSENT:
        return None
    number = _decimal(text)
    if number is None:
        raise InputError(f"Expected a number but got {text!r}.", where=where)
    share = number * factor
    if not least <= share <= 1:
        scale = f"{least * 100} and 100 %" if factor < 1 else f"{least} and 1"
        raise InputError(
            f"Expected a number between {scale} but got {text}.",
            where=where,
            next_step="say what the numbers are: --unit percent or --unit fraction",
        )
    digits = number.as_tuple().exponent
    assert isinstance(digits, int)
    return Printed(float(share), float(factor * Decimal(5).scaleb(digits - 1)))


def _decimal(text: str) -> Decimal | None:
    """A finite number, exact, with its digits; None for anything else."""
    try:
        number = Decimal(text.strip().removesuffix("%").strip().replace("−", "-"))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _check(table: PublishedTable, path: Path, asked: str | None) -> None:
    """No row stands twice, and a baseline that was asked for is there."""
    for kind in (table.rows, table.averages, table.differences):
        seen: dict[str, str] = {}
        for row in kind:
            key = repr((sorted(row.setting.items()), row.method))
            if key in seen and row.method:
                raise InputError(
                    f"Expected a method once in a setting but {row.method!r} stands on {seen[key]} and "
                    f"{row.place}.",
                    where=str(path),
                    next_step="add a column that tells the two settings apart",
                )
            seen[key] = row.place
    methods = list(dict.fromkeys(row.method for row in table.rows if row.method))
    if asked is not None and not any(_same(asked, one) for one in methods):
        raise InputError(
            f"Expected the baseline among the methods but got {asked!r}. Known: {', '.join(methods)}.",
            where=str(path),
        )


def _same(one: str, other: str) -> bool:
    """Whether two names are one method: case apart, and zero-shot by any of its names."""
    plain, second = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (one, other))
    return plain == second or {plain, second} <= _ZERO_SHOT
