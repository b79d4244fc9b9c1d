"""Calibration as tables of text: each run's probabilities, after post-hoc methods too, and by evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ..hooks import bare_name
from ..measures.calibration import GROUPS, NEIGHBOURS
from ..measures.calibration_results import (
    AS_PREDICTED,
    NOT_OF_ALL,
    NOT_STORED,
    UNJUSTIFIED,
    WRONG,
    Abstention,
    Calibration,
    CalibrationScore,
    Proximity,
    Recalibration,
)
from ..measures.comparison_results import Difference
from ..measures.estimates import Estimate
from ..measures.results import ScoreResult, ScoreTable
from ..measures.run_results import RunScore
from .numbers import PERCENT, UNDEFINED, Unit, interval, number, threshold
from .tables import SIGNIFICANT, Cell, Row, Table

PLAIN = Unit(1.0, 3)

COLUMNS = (
    ("confidence", "confidence"),
    ("overconfidence", "confidence − accuracy"),
    ("ECE", "ECE"),
    ("adaptive_ECE", "adaptive ECE"),
    ("PIECE", "PIECE"),
    ("RMS_CE", "RMS-CE"),
    ("MCE", "MCE"),
    ("NLL", "NLL"),
    ("Brier", "Brier"),
)
BRIEF = ("confidence", "overconfidence", "ECE", "adaptive_ECE", "PIECE", "NLL", "Brier")
"""What a terminal has room for."""
EVIDENCE = ("valid", "invalid")

_LOSSES = {WRONG: "wrong answers", UNJUSTIFIED: "answers that are wrong or rest on invalid evidence"}


class Split(Protocol):
    """One split before and after a post-hoc method."""

    @property
    def split(self) -> str:
        """Its name."""

    @property
    def before(self) -> Calibration:
        """As the model predicted."""

    @property
    def after(self) -> Calibration:
        """As the method left it."""


def unit_of(metric: str) -> Unit:
    """Likelihoods and Brier's score are plain numbers; every other measure is a share."""
    return PLAIN if metric in {"NLL", "Brier"} else PERCENT


def signed(metric: str) -> bool:
    """Whether a measure may be negative."""
    return metric == "overconfidence"


def columns(scored: ScoreTable) -> tuple[tuple[str, str], ...]:
    """Measure and title of each column that some run has."""
    there = {
        metric
        for row in scored.rows
        if row.calibration is not None
        for one in row.calibration.predictions
        for metric in one.metrics
    }
    return tuple(one for one in COLUMNS if one[0] in there)


def calibration_tables(result: ScoreResult) -> list[Table]:
    """One table for each scored table with stored probabilities."""
    return [_table(one) for one in result.tables if any(row.calibration for row in one.rows)]


def calibrate_table(run: str, made: Recalibration, splits: Sequence[Split]) -> Table:
    """Splits before and after, side by side."""
    there = {metric for one in splits for metric in one.before.metrics}
    shown = [one for one in COLUMNS if one[0] in BRIEF and one[0] in there]
    rows = []
    for one in splits:
        rows.append(Row(one.split, AS_PREDICTED, tuple(_measures(one.before, shown))))
        rows.append(Row(one.split, made_by(made), tuple(_measures(one.after, shown))))
    bins = len(splits[0].before.reliability)
    return Table(
        title=f"{run} · calibrated by {made_by(made)}",
        columns=tuple(title for _, title in shown),
        rows=tuple(rows),
        legend=(_meaning(bins, shown),),
        findings=(
            f"Fitted on {made.n} pictures of {made.split}; answers, accuracy and heatmaps stay as they are.",
        ),
    )


def made_by(made: Recalibration) -> str:
    """A post-hoc method with what was fitted, such as ``temperature 1.50``."""
    if made.method == "temperature":
        return f"temperature {made.parameters['temperature']:.3g}"
    return made.method


def title_of(one: Calibration) -> str:
    """What a set of probabilities is called under its run's name."""
    if one.made is None:
        return one.name
    return f"{made_by(one.made)}, fitted on {one.made.split}"


def estimate_cell(one: Estimate | None, metric: str, difference: Difference | None = None) -> Cell:
    """A measure with its interval and its difference to the baseline."""
    unit = unit_of(metric)
    if one is None or one.value is None:
        return Cell(UNDEFINED)
    plus = signed(metric)
    limits = ("", "")
    if one.low is not None and one.high is not None:
        limits = number(one.low, unit, signed=plus), number(one.high, unit, signed=plus)
    value = number(one.value, unit, signed=plus)
    if difference is None or difference.difference is None:
        return Cell(value, limits)
    return Cell(
        value,
        limits,
        number(difference.difference, unit, signed=True),
        interval(difference.low, difference.high, unit, signed=True),
        difference.verdict,
    )


def spoken(scored: ScoreTable) -> list[str]:
    """What is to be said under a table of calibration, in sentences."""
    known = [(row, row.calibration) for row in scored.rows if row.calibration is not None]
    expected, *remarks = caveats(scored)
    confident = [line for row, one in known for line in _confident(row, one)]
    abstaining = [line for row, one in known for line in _abstaining(row, one)]
    return [expected, *confident, *abstaining, *remarks]


def caveats(scored: ScoreTable) -> list[str]:
    """What chance alone shows, what PIECE rests on, and whose probabilities lack."""
    known = [(row.run, row.calibration) for row in scored.rows if row.calibration is not None]
    parts = [f"{run} {_if_calibrated(one.predictions[0])}" for run, one in known]
    some = any(one.predictions[0].expected_piece is not None for _, one in known)
    what = "ECE (and PIECE)" if some else "ECE"
    lines = [f"{what} that perfectly calibrated confidences of these pictures show: {', '.join(parts)}."]
    if any(_above(one) for _, found in known for one in found.predictions):
        lines.append(
            "A value above its interval is mostly what chance shows: the interval is of the error without it."
        )
    lines += _proximities([(run, one.proximity) for run, one in known if one.proximity is not None])
    if missing := [row.run for row in scored.rows if row.calibration is None]:
        names = ", ".join(missing)
        remedy = f"`rationale explain {' '.join(missing)}` adds them"
        lines.append(f"No probabilities are stored for {names}: {remedy}.")
    return lines


def _above(one: Calibration) -> bool:
    """Whether some error lies above its own interval; see ``calibration_bootstrap``."""
    return any(
        error.value is not None and error.high is not None and error.value > error.high
        for error in one.metrics.values()
    )


def _if_calibrated(one: Calibration) -> str:
    piece = "" if one.expected_piece is None else f" ({number(one.expected_piece)})"
    return f"{number(one.expected_ece)}{piece}"


def _proximities(runs: Sequence[tuple[str, Proximity]]) -> Iterator[str]:
    """What PIECE's proximities are to, and why there are none; runs that share it in one sentence."""
    alike: dict[Proximity, list[str]] = {}
    for run, one in runs:
        alike.setdefault(one, []).append(run)
    for one, names in alike.items():
        if one.lacking is None:
            near = f"the mean distance to the {one.neighbours} nearest of {one.pictures} pictures"
            yield f"PIECE of {', '.join(names)}: proximity by {near} of {one.split} that were {one.part}."
        elif one.lacking in (NOT_STORED, NOT_OF_ALL):
            remedy = f"rationale explain {' '.join(names)} --set explain.neighbours={NEIGHBOURS}"
            need = f"No PIECE of {', '.join(names)}, which needs proximities: {one.lacking}"
            yield f"{need}; `{remedy}` adds them."
        else:
            yield f"No PIECE of {', '.join(names)}, which needs pictures of the tuning: {one.lacking}"


def _table(scored: ScoreTable) -> Table:
    bins = next(row.calibration.bins for row in scored.rows if row.calibration)
    shown = [one for one in columns(scored) if one[0] in BRIEF]
    return Table(
        title=f"{bare_name(scored.dataset)} · {scored.split} · calibration in {bins} bins · "
        f"{scored.specification}, τ = {threshold(scored.threshold)}",
        columns=(*(title for _, title in shown), *(f"ECE, evidence {name}" for name in EVIDENCE)),
        rows=tuple(_rows(scored, shown)),
        legend=(
            _meaning(bins, shown),
            f"Differences are to the baseline; {SIGNIFICANT} significant after Holm over this table.",
        ),
        findings=tuple(spoken(scored)),
    )


def _rows(scored: ScoreTable, shown: Sequence[tuple[str, str]]) -> Iterator[Row]:
    compared = {one.run: one.calibration for one in scored.comparisons}
    baselines = {one.baseline for one in scored.comparisons}
    for row in sorted(scored.rows, key=lambda row: row.run not in baselines):
        if row.calibration is None:
            continue
        label = f"{row.title} (baseline)" if row.run in baselines else row.title
        for one in row.calibration.predictions:
            own = one.made is None
            cells = _measures(one, shown, compared.get(row.run, {}) if own else {})
            cells += [_by_evidence(row.calibration, name) if own else Cell("") for name in EVIDENCE]
            yield Row(label, row.run if own else title_of(one), tuple(cells))


def _measures(
    one: Calibration, shown: Sequence[tuple[str, str]], differences: dict[str, Difference] | None = None
) -> list[Cell]:
    found = differences or {}
    return [estimate_cell(one.metrics.get(metric), metric, found.get(metric)) for metric, _ in shown]


def _by_evidence(one: CalibrationScore, name: str) -> Cell:
    part = next((part for part in one.evidence if part.evidence == name), None)
    return estimate_cell(None if part is None else part.metrics["ECE"], "ECE")


def _meaning(bins: int, shown: Sequence[tuple[str, str]]) -> str:
    piece = (
        f" PIECE: over these bins within {GROUPS} groups of equal proximity."
        if ("PIECE", "PIECE") in shown
        else ""
    )
    return (
        f"Confidence: softmax probability of the answer. ECE: mean gap between confidence and accuracy over "
        f"{bins} bins of equal width; adaptive: of equal mass.{piece} All in %; NLL in nats, Brier from 0 "
        "to 2."
    )


def _confident(row: RunScore, one: CalibrationScore) -> Iterator[str]:
    found = one.confident
    if found is None or found.rate.value is None:
        return
    text = (
        f"{row.run}: confident ({100 * found.confidence:g} % or more), right, and for the wrong reason: "
        f"{_told(found.rate)} of the annotated pictures"
    )
    if found.of_confident_right.value is not None:
        text += f", {_told(found.of_confident_right)} of all confident right answers"
    yield f"{text}."


def _abstaining(row: RunScore, one: CalibrationScore) -> Iterator[str]:
    by = {(curve.by, curve.risk): curve for curve in one.abstention}
    wrong, unjustified = by.get(("confidence", WRONG)), by.get(("confidence", UNJUSTIFIED))
    if wrong is None:
        return
    text = f"{row.run}: abstaining where confidence is low, AURC {_told(wrong.area)} for wrong answers"
    if unjustified is not None:
        text += f", {_told(unjustified.area)} for answers that are wrong or rest on invalid evidence"
    yield f"{text}."
    yield from _with_heatmaps(row, by)


def _with_heatmaps(row: RunScore, by: dict[tuple[str, str], Abstention]) -> Iterator[str]:
    for risk in (WRONG, UNJUSTIFIED):
        found = by.get(("confidence and focus", risk))
        if found is not None and found.beyond_confidence is not None:
            change = found.beyond_confidence
            size = f"{number(change.value, signed=True)} {interval(change.low, change.high, signed=True)}"
            yield f"{row.run}: by the heatmap's focus too, AURC for {_LOSSES[risk]} changes by {size}."


def _told(one: Estimate) -> str:
    return f"{number(one.value)} % {interval(one.low, one.high)}"
