"""Whether findings hold under every attribution: tables of text and sentences."""

from __future__ import annotations

from collections.abc import Iterator

from ..hooks import bare_name
from ..measures.across_results import AcrossAttributions, ByAttribution, Held, Part
from ..measures.comparison_results import GridPoint
from ..measures.estimates import Estimate
from ..measures.results import ScoreResult, ScoreTable
from ..measures.verdict import excludes_zero
from .numbers import PERCENT, UNDEFINED, interval, number, threshold, unit_of
from .tables import Cell, Row, Table

METRICS = ("PT", "IR", "V", "lift")
LEGEND = (
    "One set of heatmaps an attribution, that of the main estimator first. weight: its share by measured "
    "faithfulness (causal where known, else insertion − deletion; of run and baseline the lower), 0 where "
    "that is not above 0 or the heatmap survives shuffled weights. * the difference's 95 % interval lies on "
    "one side of 0, by itself."
)


def across_tables(result: ScoreResult) -> list[Table]:
    """One for each run that several attributions explained: those with a baseline, where there are any."""
    found = []
    for table in result.tables:
        compared = [one for one in table.across if one.baseline]
        found += [across_table(table, one) for one in compared or table.across]
    return found


def across_table(table: ScoreTable, one: AcrossAttributions) -> Table:
    """Attributions × weight and measures, with what all say together."""
    against = f" against {one.baseline}" if one.baseline else ""
    return Table(
        title=f"{bare_name(table.dataset)} · {table.split} · {one.run}{against} by every attribution · "
        f"τ = {threshold(one.threshold)}",
        columns=("weight, %", *METRICS),
        rows=tuple(Row(line.name, line.remark, cells(line)) for line in one.lines),
        legend=(LEGEND,),
        findings=tuple(sentences(one)),
        subject="attribution",
    )


def cells(line: ByAttribution) -> tuple[Cell, ...]:
    """Weight, and each measure with its difference."""
    weight = Cell(UNDEFINED if line.weight is None else number(line.weight))
    return (
        weight,
        *(_cell(metric, line.values[metric], line.differences.get(metric)) for metric in METRICS),
    )


def sentences(one: AcrossAttributions) -> Iterator[str]:
    """What all attributions say of each difference, and what the weights lack."""
    held = {each.metric: each for each in one.held}
    for metric in METRICS:
        if metric in held:
            yield _sentence(held[metric], one)
    if one.lacking:
        yield (
            f"Without weights: the faithfulness of {' and '.join(one.lacking)} was not measured here "
            "(`rationale faithfulness`)."
        )
    elif one.lines and not any(line.weight for line in one.lines):
        yield f"All weights are 0: by {one.basis}, no attribution can be believed here."
    elif vague := [line.name for line in one.lines if line.weight and not line.clear]:
        yield f"Read weights as rough: {one.basis} is not clearly above 0 of {', '.join(vague)}."


def _sentence(held: Held, one: AcrossAttributions) -> str:
    main, weighed = one.lines[0].name, any(line.weight for line in one.lines)
    n = held.attributions
    if held.difference is None:
        return f"{held.metric}: undefined by {main}."
    if not held.significant:
        found = f"no significant difference by {main}; of {n} attributions"
        rise, fall = (_part(part, weighed) for part in (held.rise, held.fall))
        return f"{held.metric}: {found}, a rise is seen by {rise} and a fall by {fall}."
    rises = held.difference > 0
    keeps, turns = (held.rise, held.fall) if rises else (held.fall, held.rise)
    size = number(abs(held.difference), unit_of(held.metric))
    points = " points" if unit_of(held.metric) == PERCENT else ""
    turned = f", and turns by {_part(turns, weighed)}" if turns.attributions else ""
    return (
        f"{held.metric} {'rises' if rises else 'falls'} by {size}{points} under {main}: sign and "
        f"significance hold under {_of(keeps, n, weighed)}{turned}."
    )


def _of(part: Part, n: int, weighed: bool) -> str:
    weight = f", with {number(part.weight)} % of the weight" if weighed else ""
    which = f"all {n}" if part.attributions == n else f"{part.attributions} of {n}"
    return f"{which} attributions{weight}"


def _part(part: Part, weighed: bool) -> str:
    if not part.attributions:
        return "none"
    return (
        f"{part.attributions} ({number(part.weight)} % of the weight)" if weighed else str(part.attributions)
    )


def _cell(metric: str, value: Estimate, point: GridPoint | None) -> Cell:
    unit = unit_of(metric)
    limits = ("", "")
    if value.low is not None and value.high is not None:
        limits = number(value.low, unit), number(value.high, unit)
    if point is None or point.difference is None:
        return Cell(number(value.value, unit), limits)
    apart = point.low is not None and point.high is not None and excludes_zero(point.low, point.high)
    return Cell(
        number(value.value, unit),
        limits,
        number(point.difference, unit, signed=True),
        interval(point.low, point.high, unit, signed=True),
        "significant" if apart else "not significant",
    )
