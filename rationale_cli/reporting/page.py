"""One self-contained HTML file: tables, figures and words first, a script that brings them to life after."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..hooks import bare_name
from ..measures.audit_results import PairAudit
from ..measures.results import ScoreResult, ScoreTable
from . import cells, figures, live, numbers
from .claims import ClaimsText
from .findings import Findings, findings
from .gallery import within_room
from .legend import sprite
from .manifest import Facts, differing
from .panels import Part, panel
from .protocol_panels import protocol_section
from .recipe_section import RecipeSection, methods, views
from .runs_audit import level
from .tables import Table
from .transfer_page import TransferView

FEW = 8
"""Runs or tables that the head of the page lists; more are counted, and listed where they are asked for."""


@dataclass(frozen=True)
class Further:
    """What other commands left in the run folders, and what follows of all runs together."""

    audits: Sequence[PairAudit] = ()
    people: Sequence[Table] = ()
    """How runs go with people."""
    transfer: TransferView | None = None
    """None where nothing is known of it, or a recipe shows it."""


def page(
    result: ScoreResult,
    parts: Sequence[Part],
    facts: Sequence[Facts],
    made: str,
    recipe: RecipeSection | None = None,
    claims: ClaimsText | None = None,
    further: Further | None = None,
) -> str:
    """The whole report as HTML. ``made`` says when; what a recipe shows stands before all else."""
    further = further or Further()
    series = {run: place for place, run in enumerate(_runs(parts))}
    tables = [part.table for part in parts]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title="Right for the right reasons?",
            version=result.settings["version"],
            made=made,
            few=FEW,
            series=series,
            sprite=sprite(
                max(len(series), methods(recipe)),
                max((len(part.references) for part in parts), default=0),
            ),
            recipe=recipe,
            views=views(recipe) if recipe else [],
            findings=_all_findings(result, tables),
            claims=claims,
            **protocol_section(further.audits),
            people=further.people,
            transferred=further.transfer,
            panels=[panel(number, parts, series) for number in range(len(parts))],
            axis=figures.CURVE_SPAN,
            overview=_overview(tables, series),
            result=result,
            facts=facts,
            guidance={one.run: one.guidance for one in facts},
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
    galleries = within_room([part.gallery for part in parts])
    return {
        "series": series,
        "panels": [
            live.brief(live.pack(part.table, part.sweep, part.references))
            | {"gallery": gallery, "classes": part.classnames if gallery else ()}
            for part, gallery in zip(parts, galleries, strict=True)
        ],
    }


@functools.cache
def environment() -> Environment:
    """Templates, escaping all that is not ours, and how they write numbers."""
    made = Environment(
        loader=PackageLoader("rationale_cli.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    made.filters |= {
        "percent": numbers.number,
        "threshold": numbers.threshold,
        "ratio": lambda value: numbers.number(value, numbers.RATIO),
        "probability": numbers.probability,
        "bare": bare_name,
        "models": cells.models,
        "level": lambda name, choice: level(choice, name),
        "measure": lambda value, metric: numbers.number(value, numbers.unit_of(metric)),
        "signed": lambda value, metric="PT": numbers.number(value, numbers.unit_of(metric), signed=True),
        "limits": lambda one, metric="PT", signed=False: numbers.interval(
            one.low, one.high, numbers.unit_of(metric), signed=signed
        ),
    }
    return made
