"""Scores as tables of text: one neutral model for terminal, CSV and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..hooks import bare_name
from ..measures.base_new_results import BaseNew
from ..measures.comparison_results import Comparison, Difference
from ..measures.estimates import WORST_GROUP, Estimate, Verdict
from ..measures.results import ScoreResult, ScoreTable, Shift
from ..measures.run_results import RunScore
from ..measures.seed_results import SeedCell
from .numbers import PERCENT, UNDEFINED, Unit, interval, number, probability, threshold, unit_of

WITNESS_TITLES = {
    "object": "object alone",
    "background": "background alone",
    "box": "background, box removed",
    "exact": "background alone",
}
BACKGROUNDS = ("exact", "box", "background")
"""Witnesses of the background, the most telling first: the shape of a filled mask or box is a clue too."""

BACKGROUND_NOTES = {
    "exact": "the very same picture without the object",
    "box": "the object's box filled; its place and size remain",
    "background": "the object filled; its outline leaks through",
}

MARKS: dict[Verdict, str] = {"robust": "●", "estimator-dependent": "◐", "not audited": "?"}
"""What stands behind a difference that is significant."""

SIGNIFICANT = "*"


@dataclass(frozen=True)
class Cell:
    """One measure of one run."""

    value: str
    interval: tuple[str, str] = ("", "")
    """Lower and upper limit."""
    difference: str = ""
    """To the baseline, signed."""
    difference_interval: str = ""
    verdict: Verdict | None = None
    """Of the difference; None where there is none."""

    @property
    def marked(self) -> str:
        """The difference with its marks, such as ``−6.1* ●``; empty without one."""
        if not self.difference or self.verdict in (None, "not significant", "undefined"):
            return self.difference
        return f"{self.difference}{SIGNIFICANT} {MARKS.get(self.verdict, '')}".rstrip()


def estimated(one: Estimate | None, unit: Unit, *, signed: bool = False) -> Cell:
    """A number with its interval; "–" where there is none."""
    if one is None:
        return Cell(UNDEFINED)
    limits = ("", "")
    if one.low is not None and one.high is not None:
        limits = number(one.low, unit, signed=signed), number(one.high, unit, signed=signed)
    return Cell(number(one.value, unit, signed=signed), limits)


@dataclass(frozen=True)
class Row:
    """One run, or several seeds of one."""

    label: str
    remark: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table with what must be read under it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    legend: tuple[str, ...]
    """What the columns and marks mean."""
    findings: tuple[str, ...]
    """What can and what cannot be concluded, in sentences."""
    subject: str = "run"
    """What a row is of."""


@dataclass(frozen=True)
class _Column:
    """A column: a metric of a run or a kind of witness."""

    title: str
    metric: str
    witness: str | None = None

    @property
    def unit(self) -> Unit:
        return unit_of(self.metric)


def score_tables(result: ScoreResult) -> list[Table]:
    """One table for each dataset, split and estimator (and threshold), then shifts and halves, if any."""
    tables = [score_table(one) for one in result.tables]
    datasets = dict.fromkeys(shift.dataset for shift in result.shifts)
    tables += [shift_table([one for one in result.shifts if one.dataset == name]) for name in datasets]
    divided = dict.fromkeys((one.dataset, one.split) for one in result.halves)
    return tables + [
        halves_table([one for one in result.halves if (one.dataset, one.split) == key]) for key in divided
    ]


def score_table(scored: ScoreTable) -> Table:
    """Runs × measures, each with interval and difference to the baseline."""
    columns = _columns(scored)
    found = {one.run: one for one in scored.comparisons}
    baselines = {one.baseline for one in scored.comparisons}
    ordered = sorted(scored.rows, key=lambda row: row.run not in baselines)
    rows = [_row(row, columns, found.get(row.run), row.run in baselines) for row in ordered]
    rows += [_seed_row(cell, columns) for cell in scored.cells]
    return Table(
        title=f"{bare_name(scored.dataset)} · {scored.split} · {scored.specification} · "
        f"τ = {threshold(scored.threshold)}",
        columns=tuple(column.title for column in columns),
        rows=tuple(rows),
        legend=tuple(_legend(scored, columns)),
        findings=(*_findings(scored), *_left_out(scored), *scored.notes),
    )


def shift_table(shifts: Sequence[Shift]) -> Table:
    """Accuracy of each run on other splits."""
    rows = []
    for one in shifts:
        change = Cell(
            number(one.difference, signed=True),
            (number(one.low, signed=True), number(one.high, signed=True)),
            difference=probability(one.p_holm),
            verdict="significant" if one.significant else None,
        )
        cells = (_plain(one.at_reference), _plain(one.at_split), change, _beyond(one))
        rows.append(Row(one.run, one.split, cells))
    reference = shifts[0].reference
    return Table(
        title=f"{bare_name(shifts[0].dataset)} · accuracy on other splits than {reference}",
        columns=(f"on {reference}", "on the split", "difference", "more than the baseline's"),
        rows=tuple(rows),
        legend=("Accuracy in %, with 95 % intervals; p after Holm over this table.",),
        findings=(),
    )


def halves_table(halves: Sequence[BaseNew]) -> Table:
    """Base and new classes of one split, run by run."""
    first = halves[0]
    measures = [name for name in ("accuracy", "PT", "IR", "ECE") if all(name in one.base for one in halves)]
    rows = []
    for one in halves:
        pairs = [_plain(half[name]) for name in measures for half in (one.base, one.new)]
        rows.append(Row(one.run, "", (_plain(one.H), *pairs)))
    return Table(
        title=f"{bare_name(first.dataset)} · {first.split}: base and new classes",
        columns=("H", *(f"{name}, {half}" for name in measures for half in ("base", "new"))),
        rows=tuple(rows),
        legend=(
            "H: harmonic mean of both accuracies. Published means of ECE are arithmetic: add both and halve. "
            "All in % with 95 % intervals.",
        ),
        findings=(),
    )


def _columns(scored: ScoreTable) -> list[_Column]:
    columns = [
        _Column(title, metric)
        for title, metric in (
            ("accuracy", "accuracy"),
            ("V", "V"),
            ("PT", "PT"),
            ("IR", "IR"),
            ("evidence lift", "lift"),
        )
    ]
    if any(row.groups for row in scored.rows):
        columns.insert(1, _Column("worst group", WORST_GROUP))
    kinds = {kind for row in scored.rows for kind in row.witness}
    shown = [kind for kind in ("object", next((k for k in BACKGROUNDS if k in kinds), "")) if kind in kinds]
    return columns + [_Column(WITNESS_TITLES[kind], f"witness:{kind}", kind) for kind in shown]


def _row(row: RunScore, columns: Sequence[_Column], comparison: Comparison | None, is_baseline: bool) -> Row:
    cells = []
    for column in columns:
        if column.witness is None:
            estimate = row.metrics.get(column.metric)
        else:
            found = row.witness.get(column.witness)
            estimate = found.accuracy if found else None
        difference = comparison.differences.get(column.metric) if comparison else None
        cells.append(_cell(estimate, difference, column.unit))
    label = f"{row.title} (baseline)" if is_baseline else row.title
    return Row(label, row.run, tuple(cells))


def _cell(estimate: Estimate | None, difference: Difference | None, unit: Unit) -> Cell:
    if estimate is None or estimate.value is None:
        return Cell(UNDEFINED)
    limits = _limits(estimate.low, estimate.high, unit)
    if difference is None or difference.difference is None:
        return Cell(number(estimate.value, unit), limits)
    return Cell(
        number(estimate.value, unit),
        limits,
        number(difference.difference, unit, signed=True),
        interval(difference.low, difference.high, unit, signed=True),
        difference.verdict,
    )


def _seed_row(cell: SeedCell, columns: Sequence[_Column]) -> Row:
    cells = []
    for column in columns:
        mean = cell.metrics.get(column.metric)
        if mean is None or mean.mean is None:
            cells.append(Cell(UNDEFINED))
            continue
        spread = "" if mean.sd is None else f" ±{number(mean.sd, column.unit)}"
        limits = _limits(mean.low, mean.high, column.unit)
        other = cell.differences.get(column.metric)
        if other is None or other.difference is None:
            cells.append(Cell(number(mean.mean, column.unit) + spread, limits))
            continue
        cells.append(
            Cell(
                number(mean.mean, column.unit) + spread,
                limits,
                number(other.difference, column.unit, signed=True),
                interval(other.low, other.high, column.unit, signed=True),
                other.verdict,
            )
        )
    return Row(f"{cell.name}, {len(cell.runs)} seeds", "mean ± sd", tuple(cells))


def _legend(scored: ScoreTable, columns: Sequence[_Column]) -> list[str]:
    lines = [
        "V: valid evidence. PT: right predictions with valid evidence. IR: right among those with valid "
        "evidence. All in % with 95 % intervals.",
        "Evidence lift: PT/V = IR/accuracy. At 1 evidence and correctness are independent, and IR is nothing "
        "but the accuracy.",
    ]
    if worst := [f"{row.title} {row.groups[0].name}" for row in scored.rows if row.groups]:
        lines.append(f"Worst group: the lowest accuracy by what objects stand on: {', '.join(worst)}.")
    kinds = [column.witness for column in columns if column.witness]
    if kinds:
        text = f"Alone: the witness, accuracy without an explainer (guessing: {number(scored.chance)})."
        background = next((BACKGROUND_NOTES[kind] for kind in kinds if kind in BACKGROUND_NOTES), None)
        lines.append(f"{text} Background: {background}." if background else text)
        lines.append("PT alone does not identify a shortcut; accuracy on the background alone does.")
    if scored.comparisons:
        marks = ", ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())
        lines.append(
            f"Differences are to the baseline; {SIGNIFICANT} significant after Holm over the table. Where "
            f"heatmaps enter: {marks} (no conclusion)."
        )
    return lines


def _findings(scored: ScoreTable) -> list[str]:
    lines = []
    for comparison in scored.comparisons:
        found = comparison.differences.values()
        audited = [one for one in found if one.verdict in ("robust", "estimator-dependent")]
        lines += [_finding(comparison, one) for one in audited]
        if unsettled := [one for one in found if one.verdict == "not audited"]:
            lines.append(_no_conclusion(comparison, unsettled))
    if not scored.comparisons:
        lines.append(
            "No conclusion: there is no run to compare with. `rationale finetune --method zs` makes the "
            "zero-shot run, --baseline names another."
        )
    if controls := _controls(scored):
        lines.append(controls)
    return lines


def _finding(comparison: Comparison, one: Difference) -> str:
    unit = unit_of(one.metric)
    size = f"{number(one.difference, unit, signed=True)} {interval(one.low, one.high, unit, signed=True)}"
    text = f"{comparison.run}: {one.metric} {size} against {comparison.baseline} is {one.verdict}"
    if not one.reasons:
        return f"{text}: it holds by every estimator and threshold, and beyond every control."
    failing = sum(not point.agrees for point in one.grid)
    shown = sum(point.agrees is False for point in one.controls)
    parts = [f"{failing} of {len(one.grid)} estimators × thresholds disagree"] if failing else []
    parts += [f"{shown} of {len(one.controls)} controls show as much"] if shown else []
    return f"{text}: {' and '.join(parts)}; {one.reasons[0]}."


def _no_conclusion(comparison: Comparison, unsettled: Sequence[Difference]) -> str:
    remedy = f" `{comparison.remedy}` measures what is missing." if comparison.remedy else ""
    what = ", ".join(one.metric for one in unsettled)
    reason = unsettled[0].reasons[0]
    return f"{comparison.run}: {what} against {comparison.baseline}: significant, but {reason}.{remedy}"


def _controls(scored: ScoreTable) -> str:
    """V of the controls, which is what chance is."""
    baselines = [one.baseline for one in scored.comparisons]
    row = next((one for one in scored.rows if one.run in baselines), scored.rows[0])
    parts = [f"{name} {number(measures['V'].value)}" for name, measures in row.chance.items()]
    return f"V of heatmaps that explain nothing ({row.run}): {', '.join(parts)}." if parts else ""


def _left_out(scored: ScoreTable) -> list[str]:
    lines = []
    most = {
        name: max(row.statuses.get(name, 0) for row in scored.rows)
        for name in ("no annotation", "empty mask")
    }
    if any(most.values()):
        told = ", ".join(f"{count} with {name}" for name, count in most.items() if count)
        lines.append(f"Pictures left out of V, PT, IR and lift, but not of accuracy: {told}.")
    blank = {row.run: row.statuses.get("no evidence", 0) for row in scored.rows}
    if any(blank.values()):
        told = ", ".join(f"{run} {count}" for run, count in blank.items() if count)
        lines.append(f"Heatmaps without evidence (constant or zero), counted as invalid: {told}.")
    skipped = {row.run: row.skipped for row in scored.rows if row.skipped}
    if skipped:
        told = ", ".join(f"{run} {count}" for run, count in skipped.items())
        lines.append(f"Unreadable pictures that were skipped: {told}.")
    return lines


def _beyond(one: Shift) -> Cell:
    if one.beyond_baseline is None or one.beyond_baseline.value is None:
        return Cell(UNDEFINED)
    beyond = one.beyond_baseline
    limits = _limits(beyond.low, beyond.high, PERCENT, signed=True)
    return Cell(number(beyond.value, signed=True), limits, difference=probability(one.beyond_p))


def _plain(estimate: Estimate) -> Cell:
    return _cell(estimate, None, PERCENT)


def _limits(low: float | None, high: float | None, unit: Unit, *, signed: bool = False) -> tuple[str, str]:
    if low is None or high is None:
        return "", ""
    return number(low, unit, signed=signed), number(high, unit, signed=signed)
