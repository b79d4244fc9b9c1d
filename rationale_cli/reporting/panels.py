"""What the page shows of each table of a score: written cells, drawings, audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from markupsafe import Markup

from ..measures.across_results import AcrossAttributions
from ..measures.comparison_results import Difference
from ..measures.faithfulness import Faithfulness
from ..measures.results import ScoreTable
from ..measures.run_results import RunScore
from ..measures.sweep import Sweep
from ..measures.words import WordShares
from . import cells, figures, live
from .across import across_table
from .calibration_view import CalibrationView, calibration_view
from .cells import ClassLine, Column, Row
from .faithfulness_tables import faithfulness_tables
from .forest import forests
from .side_by_side import Sheet
from .specification import specification_curve
from .tables import Table
from .words_table import words_table

AUDITED = ("PT", "V", "IR")
"""Measures whose specification curves are drawn."""


@dataclass(frozen=True)
class Part:
    """One table of the score and what belongs to it."""

    table: ScoreTable
    sweep: Sweep
    references: Mapping[str, Sequence[float]]
    """Share of valid evidence of each control at each threshold of the sweep."""
    gallery: dict[str, Any] | None
    classnames: tuple[str, ...]
    faithfulness: tuple[Faithfulness, ...] = ()
    """What was found of the runs' heatmaps, where it was."""
    pairs: tuple[Sheet, ...] = field(default=(), kw_only=True)
    """The same pictures by runs with regularizers and by the same without."""
    words: tuple[WordShares, ...] = ()
    """Which words carried the runs' scores, where it was asked."""


@dataclass(frozen=True)
class Audit:
    """One difference under every estimator, threshold and control."""

    run: str
    baseline: str
    differences: tuple[Difference, ...]
    drawings: tuple[Markup, ...]
    missing: tuple[str, ...]
    remedy: str | None


class Across(NamedTuple):
    """One run by every attribution."""

    found: AcrossAttributions
    table: Table
    drawings: tuple[Markup, ...]


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
    pairs: tuple[Sheet, ...]
    """See ``Part``."""
    classes: tuple[ClassLine, ...]
    calibration: CalibrationView | None
    """None where no probabilities are stored."""
    across: tuple[Across, ...]
    """Each run by every attribution, where there are several."""
    faithfulness: tuple[tuple[str, list[Table]], ...]
    """Run → what was found of its heatmaps."""
    words: tuple[tuple[str, Table], ...]
    """Run → which words carried its scores."""


def panel(number: int, parts: Sequence[Part], series: figures.Series) -> Panel:
    """Write and draw one part; the others decide what its heading must tell."""
    part, tables = parts[number], [one.table for one in parts]
    table, sweep = part.table, part.sweep
    lines = [figures.Line(name, values) for name, values in part.references.items()]
    heading = cells.heading(
        table,
        with_dataset=len({one.dataset for one in tables}) > 1,
        with_specification=len({one.specification for one in tables}) > 1,
        with_models=sum(_kind(one) == _kind(table) for one in tables) > 1,
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
        pairs=part.pairs,
        classes=cells.class_lines(table),
        calibration=calibration_view(table, series, heading),
        across=tuple(Across(one, across_table(table, one), forests(one, heading)) for one in table.across),
        faithfulness=tuple((one.run, faithfulness_tables(one)) for one in part.faithfulness),
        words=tuple((one.run, words_table(one)) for one in part.words),
    )


def _kind(table: ScoreTable) -> tuple[str, str, str]:
    """What a heading tells; models that see pictures otherwise have a table of their own."""
    return table.dataset, table.split, table.specification


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
