"""How models go with people, as tables of text and as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..measures.alignment_results import Alignment, Mixed, ModelAlignment, People
from ..measures.estimates import Estimate
from .layout_csv import written
from .numbers import PERCENT, RATIO, Unit, interval, number
from .tables import Cell, Row, Table, estimated

PEOPLE = (
    ("accuracy", "accuracy", PERCENT),
    ("majority", "majority's accuracy", PERCENT),
    ("agreement", "agreement", PERCENT),
    ("truth", "r with truth", RATIO),
    ("one_out", "leave-one-out r", RATIO),
    ("reliability", "reliability", RATIO),
)
MODELS = (
    ("accuracy", "accuracy", PERCENT),
    ("agreement", "agreement", PERCENT),
    ("majority", "with majority", PERCENT),
    ("pearson", "r", RATIO),
    ("spearman", "ρ", RATIO),
    ("normalised", "r / ceiling", RATIO),
    ("within", "within person", RATIO),
    ("pooled", "pooled ρ", RATIO),
    ("pseudo_r", "pseudo-r", RATIO),
)
"""Measure, title of its column, unit."""

CSV_COLUMNS = (
    "human", "split", "subject", "kind", "measure", "value", "low", "high", "n",
    "baseline", "difference", "difference_low", "difference_high",
)  # fmt: skip

_PEOPLE_LEGEND = (
    "accuracy: of a person, mean over people. agreement: how often two people give the same answer. "
    "r with truth: of the mean judgment. leave-one-out r: a person with the mean of all others, what a model "
    "can be expected to reach with people. reliability: of the mean judgment, by halves of the people "
    "(Spearman–Brown)."
)
_MODELS_LEGEND = (
    "accuracy, agreement, with majority: shares of items in %. r, ρ: Pearson and Spearman with the mean "
    "judgment; r / ceiling: r over the root of its reliability. within person: mean r with each person. "
    "pooled ρ: over all pairs of item and person. pseudo-r: sign(β)·√R² of a regression of the model's "
    "answers on people's. 95 % intervals from resampled items."
)


def alignment_tables(one: Alignment) -> list[Table]:
    """People among themselves, models against people, and the mixed models where they were fitted."""
    head = " · ".join(part for part in (one.human, one.split) if part)
    tables = [_people(one, head), _models(one, head)]
    fitted = [(model, model.mixed) for model in one.models if model.mixed]
    return [*tables, _mixed(fitted, head)] if fitted else tables


def alignment_csv(one: Alignment) -> str:
    """A line a measure, of people and of every model; what is undefined is empty."""
    return written(CSV_COLUMNS, _lines(one))


def _people(one: Alignment, head: str) -> Table:
    people = one.people
    columns = _there(PEOPLE, [people.measures])
    title = f"{head} · {people.people} people on {people.items} items"
    row = Row("people", _responses(people), tuple(_cells(people.measures, {}, columns)))
    return Table(title, _titles(columns), (row,), (_PEOPLE_LEGEND,), (), "people")


def _responses(people: People) -> str:
    told = f"{people.responses} responses"
    return told if people.seconds is None else f"{told}, median time {people.seconds:g}"


def _models(one: Alignment, head: str) -> Table:
    columns = _there(MODELS, [model.measures for model in one.models])
    rows = [
        Row(
            f"{model.model} (baseline)" if model.model == one.baseline else model.model,
            _kind(model, one),
            tuple(_cells(model.measures, model.differences, columns)),
        )
        for model in one.models
    ]
    return Table(
        f"{head} · models against people",
        _titles(columns),
        tuple(rows),
        (_MODELS_LEGEND,),
        tuple(_notes(one)),
        "model",
    )


def _notes(one: Alignment) -> Iterator[str]:
    if one.positive is not None:
        yield f"An answer of 1 means {one.positive!r}."
    if one.baseline is not None:
        yield f"Differences are to {one.baseline}, on the same resampled items."
    yield from one.notes


def _kind(model: ModelAlignment, one: Alignment) -> str:
    if model.kind == "answer":
        return "answers"
    return "graded answers" if one.positive is None else f"P({one.positive})"


def _mixed(fitted: Sequence[tuple[ModelAlignment, Mixed]], head: str) -> Table:
    rows = tuple(
        Row(model.model, "" if found.converged else "did not converge", tuple(_mixed_cells(found)))
        for model, found in fitted
    )
    legend = (f"Mixed model {fitted[0][1].formula}; slope of people's answers, and sign(β)·√R².",)
    return Table(f"{head} · mixed models", ("slope", "pseudo-r"), rows, legend, (), "model")


def _mixed_cells(found: Mixed) -> Iterator[Cell]:
    yield estimated(Estimate(found.slope, found.low, found.high, 0), RATIO)
    yield estimated(Estimate(found.pseudo_r, None, None, 0), RATIO)


Columns = tuple[tuple[str, str, Unit], ...]


def _there(columns: Columns, found: Sequence[Mapping[str, Estimate]]) -> Columns:
    return tuple(column for column in columns if any(column[0] in one for one in found))


def _titles(columns: Columns) -> tuple[str, ...]:
    return tuple(title for _, title, _ in columns)


def _cells(
    measures: Mapping[str, Estimate], differences: Mapping[str, Estimate], columns: Columns
) -> Iterator[Cell]:
    for name, _, unit in columns:
        yield _cell(measures.get(name), differences.get(name), unit)


def _cell(one: Estimate | None, other: Estimate | None, unit: Unit) -> Cell:
    cell = estimated(one, unit)
    if other is None or other.value is None:
        return cell
    change = number(other.value, unit, signed=True)
    limits = interval(other.low, other.high, unit, signed=True)
    return replace(cell, difference=change, difference_interval=limits)


def _lines(one: Alignment) -> Iterator[list[object]]:
    place = [one.human, one.split]
    for name, found in one.people.measures.items():
        yield [*place, "people", "", name, found.value, found.low, found.high, found.n, *[None] * 4]
    for model in one.models:
        for name, found in model.measures.items():
            other = model.differences.get(name)
            change = [None] * 4 if other is None else [one.baseline, other.value, other.low, other.high]
            yield [
                *place, model.model, model.kind, name, found.value, found.low, found.high, found.n, *change,
            ]  # fmt: skip
