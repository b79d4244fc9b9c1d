"""The audit of published figures, and what it says in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from ..measures.published import Audit, Contrast, Rise, Status, Triple
from .numbers import PERCENT, Unit, number

SCHEMA = 1
LIFT = Unit(1.0, 3)
"""Three digits: published lifts lie close to 1."""

_POINTS = Unit(PERCENT.factor, 2)


@dataclass(frozen=True)
class AuditedRow:
    """A published triple taken apart, and held against its zero-shot row where there is one."""

    setting: Mapping[str, str]
    method: str
    place: str
    """Where in the file it stands."""
    published: Triple
    audit: Audit
    baseline: str | None
    """Where the zero-shot row stands."""
    contrast: Contrast | None


@dataclass(frozen=True)
class Average:
    """A printed mean beside that of the rows."""

    method: str
    figure: str
    printed: float
    mean: float
    agrees: bool
    """Whether numbers that round to the rows' may have a mean that rounds to the printed one."""


@dataclass(frozen=True)
class AuditedTable:
    """A published table taken apart."""

    name: str
    title: str
    source: str
    baseline: str
    rows: tuple[AuditedRow, ...]
    averages: tuple[Average, ...]


@dataclass(frozen=True)
class Audited:
    """The result of an audit."""

    tables: tuple[AuditedTable, ...]
    schema: int = SCHEMA


def findings(table: AuditedTable) -> list[str]:
    """What the audit says, in sentences."""
    lines = (_consistency(table), _lifts(table), _moves(table), _rises(table), _averages(table))
    return [line for line in lines if line]


def varying(table: AuditedTable) -> list[str]:
    """Columns of the setting that tell rows apart."""
    names = dict.fromkeys(name for row in table.rows for name in row.setting)
    return [name for name in names if len({row.setting.get(name) for row in table.rows}) > 1]


def shared(table: AuditedTable) -> str:
    """What all rows have in common."""
    different = varying(table)
    return " · ".join(text for name, text in table.rows[0].setting.items() if name not in different)


def defined(value: float) -> float | None:
    """A finite number, or None."""
    return value if np.isfinite(value) else None


def _consistency(table: AuditedTable) -> str:
    def among(status: Status) -> list[AuditedRow]:
        return [row for row in table.rows if row.audit.status == status]

    lacking = among("incomplete")
    whole = len(table.rows) - len(lacking)
    text = f"{len(among('consistent'))} of {whole} triples are consistent." if whole else ""
    if rounded := among("within rounding"):
        text += f" Possible only by rounding: {_named(rounded)}."
    if impossible := among("impossible"):
        text += f" Impossible under any rounding: {_named(impossible)}."
    if lacking:
        text += f" Not all three figures: {_named(lacking)}."
    return text.strip()


def _named(rows: Sequence[AuditedRow]) -> str:
    names = (" · ".join(one for one in (*row.setting.values(), row.method) if one) for row in rows)
    return "; ".join(f"{name} ({row.place})" for name, row in zip(names, rows, strict=True))


def _lifts(table: AuditedTable) -> str:
    """The lift's range, and that of each value of the first column that varies."""
    first = next(iter(varying(table)), "")
    groups: dict[str, list[float]] = {}
    for row in table.rows:
        if np.isfinite(row.audit.lift.value):
            groups.setdefault(row.setting.get(first, ""), []).append(row.audit.lift.value)
    if not groups:
        return ""
    text = f"Lift IR/Acc: {_range([one for group in groups.values() for one in group])}"
    if len(groups) > 1:
        text += f" ({', '.join(f'{name} {_range(group)}' for name, group in groups.items())})"
    return f"{text}."


def _range(values: Sequence[float]) -> str:
    low, high = number(min(values), LIFT), number(max(values), LIFT)
    return low if low == high else f"{low}–{high}"


def _moves(table: AuditedTable) -> str:
    """How often each measure moved the way that the paper tells, beyond rounding."""
    contrasts = [row.contrast for row in table.rows if row.contrast]
    if not contrasts:
        return ""
    told = []
    for name, title, sign in (("accuracy", "accuracy", 1), ("PT", "PT", -1), ("V", "V", -1), ("IR", "IR", 1)):
        moves = [getattr(one, name) for one in contrasts]
        known = [one for one in moves if np.isfinite(one.value)]
        moved = sum(one.low > 0 if sign > 0 else one.high < 0 for one in known)
        told.append(f"{title} {'rises' if sign > 0 else 'falls'} in {moved} of {len(known)}")
    return f"Against {table.baseline}: {', '.join(told)}."


def _rises(table: AuditedTable) -> str:
    found = [row.contrast for row in table.rows if row.contrast and row.contrast.rise != "undefined"]
    if not found:
        return ""

    def count(rise: Rise) -> int:
        return sum(one.rise == rise for one in found)

    sides = sorted(
        (median(one.beyond_odds.value for one in found), median(one.beyond_lift.value for one in found))
    )
    left = " to ".join(number(side, _POINTS, signed=True) for side in sides)
    return (
        f"IR rises by what accuracy alone makes in {count('explained')} of {len(found)}, by less in "
        f"{count('short')}, by more in {count('beyond')}. Median rise: {_median(found)} points; median left "
        f"over beside accuracy: {left}."
    )


def _median(contrasts: Sequence[Contrast]) -> str:
    return number(median(one.IR.value for one in contrasts), _POINTS, signed=True)


def _averages(table: AuditedTable) -> str:
    if not table.averages:
        return ""
    wrong = [one for one in table.averages if not one.agrees]
    told = (
        f" {one.method}, {one.figure}: {number(one.printed, _POINTS)} is printed, the rows have "
        f"{number(one.mean, _POINTS)}."
        for one in wrong
    )
    agree = len(table.averages) - len(wrong)
    return f"{agree} of {len(table.averages)} printed averages are those of the rows.{''.join(told)}"
