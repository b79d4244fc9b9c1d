"""What the page shows of calibration for one table of the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..measures.calibration_results import Abstention, Calibration, CalibrationScore
from ..measures.comparison_results import Difference
from ..measures.results import ScoreTable
from ..measures.run_results import RunScore
from .calibration_tables import caveats, columns, estimate_cell, signed, title_of, unit_of
from .figures import Series
from .numbers import interval, number, probability
from .reliability import RISKS, Diagram, reliability, risk_coverage
from .tables import Cell


@dataclass(frozen=True)
class MeasureLine:
    """One set of probabilities of one run."""

    run: str
    title: str
    """Empty for the run's own probabilities."""
    cells: tuple[tuple[Cell, str], ...]
    """Each with the remark on its difference."""


@dataclass(frozen=True)
class EvidenceLine:
    """Pictures of one run by their evidence."""

    run: str
    evidence: str
    n: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class AbstentionLine:
    """One score of one run."""

    run: str
    by: str
    cells: tuple[Cell, ...]
    """AURC for each risk, with its difference to that of the confidence."""


@dataclass(frozen=True)
class CalibrationView:
    """Tables, drawings and sentences."""

    bins: int
    columns: tuple[str, ...]
    measures: tuple[MeasureLine, ...]
    diagrams: tuple[tuple[Markup, str], ...]
    """Each with what it shows."""
    evidence: tuple[EvidenceLine, ...]
    contrasts: tuple[tuple[str, Cell], ...]
    """Run → overconfidence by invalid minus by valid evidence."""
    confident: tuple[tuple[str, Cell, Cell], ...]
    """Run → rate, and share of the confident right answers."""
    least: str
    """The confidence that counts as confident."""
    curves: tuple[Markup, ...]
    abstention: tuple[AbstentionLine, ...]
    heatmaps: tuple[str, ...]
    """Evidence sets whose heatmaps say when to abstain."""
    notes: tuple[str, ...]


def calibration_view(table: ScoreTable, series: Series, where: str) -> CalibrationView | None:
    """None where no run's probabilities are stored."""
    known = [(row, row.calibration) for row in table.rows if row.calibration is not None]
    if not known:
        return None
    rows, first = [row for row, _ in known], known[0][1]
    compared = {pair.run: pair.calibration for pair in table.comparisons}
    shown = columns(table)
    drawn = [risk_coverage(rows, risk, series, where) for risk in RISKS]
    confident = first.confident
    return CalibrationView(
        bins=first.bins,
        columns=tuple(title for _, title in shown),
        measures=tuple(
            _measures(row, one, [metric for metric, _ in shown], compared.get(row.run, {}))
            for row, found in known
            for one in found.predictions
        ),
        diagrams=tuple(
            (reliability(Diagram(row.run, title_of(one), where, one, series[row.run])), title_of(one))
            for row, found in known
            for one in found.predictions
        ),
        evidence=tuple(line for row, found in known for line in _evidence(row, found)),
        contrasts=tuple(
            (row.run, estimate_cell(found.overconfidence_by_evidence, "overconfidence"))
            for row, found in known
            if found.overconfidence_by_evidence is not None
        ),
        confident=tuple(
            (
                row.run,
                estimate_cell(found.confident.rate, "ECE"),
                estimate_cell(found.confident.of_confident_right, "ECE"),
            )
            for row, found in known
            if found.confident is not None
        ),
        least="" if confident is None else f"{100 * confident.confidence:g}",
        curves=tuple(one for one in drawn if one is not None),
        abstention=tuple(line for row, found in known for line in _abstention(row, found.abstention)),
        heatmaps=tuple(dict.fromkeys(found.heatmaps for _, found in known if found.heatmaps)),
        notes=tuple(caveats(table)),
    )


def _measures(
    row: RunScore, one: Calibration, shown: Sequence[str], differences: dict[str, Difference]
) -> MeasureLine:
    found = differences if one.made is None else {}
    cells = []
    for metric in shown:
        difference = found.get(metric)
        cells.append((estimate_cell(one.metrics.get(metric), metric, difference), _remark(difference)))
    return MeasureLine(row.run, "" if one.made is None else title_of(one), tuple(cells))


def _remark(one: Difference | None) -> str:
    if one is None:
        return ""
    size = f"baseline {number(one.baseline, unit_of(one.metric), signed=signed(one.metric))}"
    return f"{size}; {probability(one.p_holm)} after Holm; {one.test}"


def _evidence(row: RunScore, found: CalibrationScore) -> list[EvidenceLine]:
    return [
        EvidenceLine(
            row.run,
            part.evidence,
            part.n,
            tuple(
                estimate_cell(part.metrics[metric], metric)
                for metric in ("accuracy", "confidence", "overconfidence", "ECE")
            ),
        )
        for part in found.evidence
    ]


def _abstention(row: RunScore, found: Sequence[Abstention]) -> list[AbstentionLine]:
    by: dict[str, dict[str, Cell]] = {}
    for one in found:
        cell, change = estimate_cell(one.area, "ECE"), one.beyond_confidence
        if change is not None:
            cell = Cell(
                cell.value,
                cell.interval,
                number(change.value, signed=True),
                interval(change.low, change.high, signed=True),
            )
        by.setdefault(one.by, {})[one.risk] = cell
    return [
        AbstentionLine(row.run, name, tuple(cells.get(risk, Cell("–")) for risk in RISKS))
        for name, cells in by.items()
    ]
