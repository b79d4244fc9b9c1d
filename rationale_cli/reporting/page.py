"""One self-contained HTML file: tables, figures and words first, a script that brings them to life after."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..measures.results import Difference, RunScore, ScoreResult, ScoreTable
from ..measures.sweep import Sweep
from . import cells, figures, live, numbers
from .cells import ClassLine, Column, Row
from .findings import Findings, findings
from .manifest import Facts, differing
from .specification import specification_curve

AUDITED = ("PT", "V", "IR")
"""Measures whose specification curves are drawn."""


@dataclass(frozen=True)
class Part:
    """One table of the score and what belongs to it."""

    table: ScoreTable
    sweep: Sweep
    references: Mapping[str, Sequence[float]]
    """Share of valid evidence of each control at each threshold of the sweep."""
    gallery: Mapping[str, Any] | None
    classnames: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """One difference under every estimator, threshold and control."""

    run: str
    baseline: str
    differences: tuple[Difference, ...]
    drawings: tuple[Markup, ...]
    missing: tuple[str, ...]
    remedy: str | None


@dataclass(frozen=True)
class Panel:
    """What the page shows of one table."""

    number: int
    heading: str
    description: str
    table: ScoreTable
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    curves: tuple[Markup, ...]
    references: tuple[str, ...]
    """Names of the reference curves."""
    flips: tuple[str, ...]
    witness: Markup | None
    strata: tuple[Markup, ...]
    shares: tuple[tuple[RunScore, list[tuple[str, int, str]]], ...]
    audits: tuple[Audit, ...]
    controls: tuple[str, ...]
    chance: list[tuple[str, list[tuple[str, str]]]]
    classes: tuple[ClassLine, ...]


def page(result: ScoreResult, parts: Sequence[Part], facts: Sequence[Facts], made: str) -> str:
    """The whole report as HTML. ``made`` says when."""
    series = {run: place for place, run in enumerate(_runs(parts))}
    tables = [part.table for part in parts]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title="Right for the right reasons?",
            version=__version__,
            made=made,
            series=series,
            sprite=figures.sprite(len(series), max((len(part.references) for part in parts), default=0)),
            findings=_all_findings(result, tables),
            panels=[_panel(number, parts, series) for number in range(len(parts))],
            axis=figures.CURVE_SPAN,
            overview=_overview(tables, series),
            result=result,
            facts=facts,
            differing=differing(facts),
            data=_data(parts, series),
        )
    )


def _runs(parts: Sequence[Part]) -> list[str]:
    """All runs, baselines first: they take the neutral colour."""
    baselines = [pair.baseline for part in parts for pair in part.table.comparisons]
    return list(dict.fromkeys([*baselines, *(row.run for part in parts for row in part.table.rows)]))


def _all_findings(result: ScoreResult, tables: Sequence[ScoreTable]) -> list[tuple[ScoreTable, Findings]]:
    """Findings of the first split of each dataset and estimator."""
    first: dict[tuple[str, ...], ScoreTable] = {}
    for table in tables:
        first.setdefault((table.dataset, table.fingerprint, table.specification, table.rows[0].run), table)
    return [(table, findings(result, table)) for table in first.values()]


def _panel(number: int, parts: Sequence[Part], series: figures.Series) -> Panel:
    part, tables = parts[number], [one.table for one in parts]
    table, sweep = part.table, part.sweep
    lines = [figures.Line(name, values) for name, values in part.references.items()]
    heading = cells.heading(
        table,
        with_dataset=len({one.dataset for one in tables}) > 1,
        with_specification=len({one.specification for one in tables}) > 1,
    )
    return Panel(
        number=number,
        heading=heading,
        description=cells.describe(table),
        table=table,
        columns=cells.columns(table),
        rows=cells.rows(table),
        curves=tuple(
            figures.threshold_curve(sweep, metric, series, lines if metric == "V" else (), table.threshold)
            for metric in ("PT", "V", "IR")
        ),
        references=tuple(part.references),
        flips=tuple(said for pair in table.comparisons for said in live.flips(pair, sweep)),
        witness=figures.witness(table, series),
        strata=_strata(table, series),
        shares=tuple((row, cells.shares(row)) for row in table.rows),
        audits=tuple(_audits(table, heading)),
        controls=tuple(dict.fromkeys(name for row in table.rows for name in row.chance)),
        chance=cells.chance_rows(table),
        classes=cells.class_lines(table),
    )


def _audits(table: ScoreTable, heading: str) -> list[Audit]:
    audits = []
    for pair in table.comparisons:
        drawings = [specification_curve(pair, metric, heading) for metric in AUDITED]
        audited = tuple(pair.differences[metric] for metric in AUDITED if metric in pair.differences)
        shown = tuple(one for one in drawings if one is not None)
        audits.append(Audit(pair.run, pair.baseline, audited, shown, pair.missing, pair.remedy))
    return audits


def _strata(table: ScoreTable, series: figures.Series) -> tuple[Markup, ...]:
    names = [stratum.name for stratum in table.rows[0].strata]
    if not names:
        return ()
    return tuple(
        figures.across(
            f"{metric} by mask area, split {table.split}",
            [
                f"{one.name}\n{100 * one.area_low:.0f}–{100 * one.area_high:.0f} %"
                for one in table.rows[0].strata
            ],
            [
                figures.Point(row.run, place, stratum.metrics[metric])
                for row in table.rows
                for place, stratum in enumerate(row.strata)
            ],
            series,
        )
        for metric in ("PT", "V")
    )


def _overview(tables: Sequence[ScoreTable], series: figures.Series) -> list[Markup]:
    """Accuracy over the splits of each dataset, on the picture and without the object."""
    drawings = []
    for dataset in dict.fromkeys(table.dataset for table in tables):
        own = [table for table in tables if table.dataset == dataset]
        splits = list(dict.fromkeys(table.split for table in own))
        if len(splits) < 2:
            continue
        for key, title in (("accuracy", "Accuracy"), ("witness:exact", "Accuracy on the exact background")):
            points = [
                figures.Point(row.run, splits.index(table.split), estimate)
                for table in own
                for row in table.rows
                for estimate in [cells.estimate(row, key)]
                if estimate is not None
            ]
            if points:
                drawings.append(figures.across(title, splits, points, series, own[0].chance))
    return drawings


def _data(parts: Sequence[Part], series: figures.Series) -> dict[str, Any]:
    """What the script needs; whole numbers and names only."""
    return {
        "series": series,
        "panels": [
            live.pack(part.table, part.sweep, part.references)
            | {"gallery": part.gallery, "classes": part.classnames if part.gallery else ()}
            for part in parts
        ],
    }


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("rationale_cli.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters |= {
        "percent": numbers.number,
        "threshold": numbers.threshold,
        "ratio": lambda value: numbers.number(value, numbers.RATIO),
        "probability": numbers.probability,
        "bare": lambda name: name.rpartition(":")[2],
        "measure": lambda value, metric: numbers.number(value, numbers.unit_of(metric)),
        "signed": lambda value, metric="PT": numbers.number(value, numbers.unit_of(metric), signed=True),
        "limits": lambda one, metric="PT", signed=False: numbers.interval(
            one.low, one.high, numbers.unit_of(metric), signed=signed
        ),
    }
    return environment
