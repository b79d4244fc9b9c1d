"""A score table as rows of written cells: what the page shows before the slider moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

from ..hooks import bare_name
from ..measures.comparison_results import Difference
from ..measures.estimates import WORST_GROUP, Estimate, Verdict
from ..measures.results import ScoreTable
from ..measures.run_results import ClassScore, RunScore
from .numbers import UNDEFINED, interval, number, probability, threshold, unit_of


@dataclass(frozen=True)
class Column:
    """A measure: its key in the embedded numbers, and its heading."""

    key: str
    title: str
    explanation: str


COLUMNS = (
    Column("accuracy", "Accuracy", "right answers, %"),
    Column(WORST_GROUP, "Worst group", "lowest accuracy of one, %"),
    Column("V", "V", "valid evidence, %"),
    Column("PT", "PT", "valid among right, %"),
    Column("IR", "IR", "right among valid, %"),
    Column("lift", "Lift", "IR / Acc, 1 = indep."),
    Column("witness:object", "Object alone", "background filled, %"),
    Column("witness:background", "Background alone", "mask filled, %"),
    Column("witness:box", "Box removed", "object's box filled, %"),
    Column("witness:exact", "Exact background", "without the object, %"),
)


@dataclass(frozen=True)
class Cell:
    """One measure of one run, written."""

    key: str
    value: str
    interval: str
    difference: str = ""
    """Signed; empty without a baseline."""
    difference_interval: str = ""
    significant: bool = False
    verdict: Verdict | None = None
    remark: str = ""
    """Test and p value, for the reader who points at the difference."""


@dataclass(frozen=True)
class Row:
    """One run."""

    run: str
    note: str
    cells: tuple[Cell, ...]


class ClassLine(NamedTuple):
    """One class: pictures, and accuracy, V, PT and IR of each run."""

    name: str
    n: int
    runs: tuple[tuple[str, ...], ...]


def columns(table: ScoreTable) -> tuple[Column, ...]:
    """Measures that at least one run has."""
    return tuple(one for one in COLUMNS if any(estimate(row, one.key) for row in table.rows))


def rows(table: ScoreTable) -> tuple[Row, ...]:
    """The table's rows with differences from the baseline."""
    shown = columns(table)
    differences = {pair.run: pair.differences for pair in table.comparisons}
    baselines = dict.fromkeys(pair.baseline for pair in table.comparisons)
    return tuple(
        Row(
            row.run,
            _note(row, row.run in baselines),
            tuple(_cell(one.key, row, differences.get(row.run, {})) for one in shown),
        )
        for row in table.rows
    )


def estimate(row: RunScore, key: str) -> Estimate | None:
    """A measure of a run by its column's key."""
    if key.startswith("witness:"):
        witness = row.witness.get(key.removeprefix("witness:"))
        return witness.accuracy if witness else None
    return row.metrics.get(key)


def _cell(key: str, row: RunScore, differences: Mapping[str, Difference]) -> Cell:
    unit, one = unit_of(key), estimate(row, key)
    if one is None:
        return Cell(key, "", "")
    value, limits = number(one.value, unit), interval(one.low, one.high, unit)
    found = differences.get(key)
    if found is None:
        return Cell(key, value, limits)
    return Cell(
        key,
        value,
        limits,
        number(found.difference, unit, signed=True),
        interval(found.low, found.high, unit, signed=True),
        found.significant,
        found.verdict,
        _remark(found),
    )


def _remark(one: Difference) -> str:
    parts = [f"{probability(one.p_holm)} after Holm", one.test, f"{one.n} pictures"]
    if one.detectable is not None:
        size = number(one.detectable, unit_of(one.metric))
        parts.append(f"a true difference of {size} is found with 80 % power")
    return "; ".join(parts)


def _note(row: RunScore, baseline: bool) -> str:
    model = bare_name(row.model)
    return f"{model} · {row.title}{' · baseline' if baseline else ''}"


def chance_rows(table: ScoreTable) -> list[tuple[str, list[tuple[str, str]]]]:
    """Run → V, PT and IR of each control in the heatmap's place, with intervals."""
    controls = dict.fromkeys(name for row in table.rows for name in row.chance)
    result: list[tuple[str, list[tuple[str, str]]]] = []
    for row in table.rows:
        sources: Sequence[Mapping[str, Estimate]] = [
            row.metrics,
            *(row.chance.get(name, {}) for name in controls),
        ]
        cells = [
            (number(one.value), interval(one.low, one.high)) if one else ("", "")
            for metric in ("V", "PT", "IR")
            for one in (source.get(metric) for source in sources)
        ]
        result.append((row.run, cells))
    return result


def class_lines(table: ScoreTable) -> tuple[ClassLine, ...]:
    """Every class that occurs."""
    found = [{one.label: one for one in row.classes} for row in table.rows]
    empty = (UNDEFINED,) * 4
    return tuple(
        ClassLine(
            one.name,
            sum(astuple(one.counts)),
            tuple(_class_values(run[label]) if label in run else empty for run in found),
        )
        for label, one in found[0].items()
    )


def _class_values(one: ClassScore) -> tuple[str, ...]:
    return tuple(number(value) for value in (one.accuracy, one.V, one.PT, one.IR))


def shares(row: RunScore) -> list[tuple[str, int, str]]:
    """Quadrant, pictures and width in per cent of the annotated, valid evidence first."""
    counts = {name: getattr(row.counts, name) for name in ("RR", "WR", "RW", "WW")}
    total = sum(counts.values()) or 1
    return [(name, count, f"{100 * count / total:.2f}") for name, count in counts.items()]


def heading(table: ScoreTable, *, with_dataset: bool, with_specification: bool, with_models: bool) -> str:
    """A table's name among its siblings."""
    parts = [table.split]
    parts += [bare_name(table.dataset)] if with_dataset else []
    parts += [table.specification] if with_specification else []
    parts += [models(table)] if with_models else []
    return " · ".join(parts)


def models(table: ScoreTable) -> str:
    """Names of the models in a table."""
    return ", ".join(dict.fromkeys(bare_name(row.model) for row in table.rows))


def describe(table: ScoreTable) -> str:
    """What the table rests on, in a line."""
    rows_n = {row.n for row in table.rows}
    n = str(rows_n.pop()) if len(rows_n) == 1 else f"{min(rows_n)}–{max(rows_n)}"
    target = "the annotated class" if table.target == "label" else "the predicted class"
    mass = "min–max normalised" if table.rma == "normalised" else "raw"
    return (
        f"{bare_name(table.dataset)}, split {table.split}: {n} pictures; evidence by "
        f"{table.specification} for {target}, valid when RMA ({mass}) ≥ τ = {threshold(table.threshold)}"
    )
