"""Audit: published triples of accuracy, PT and IR → what they say once they are taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ..errors import InputError
from ..measures.published import Printed, audit, contrast
from ..reporting.audited import Audited, AuditedRow, AuditedTable, Average
from ..reporting.published import PublishedRow, PublishedTable, Unit, read_table, shipped_tables


@dataclass(frozen=True)
class AuditRequest:
    """Which figures to audit."""

    file: Path | None = None
    """CSV or YAML; None: Tables 3 and 4 of the paper."""
    unit: Unit | None = None
    """Of the numbers; None: see ``reporting.published.read_table``."""
    baseline: str | None = None
    """Method that the others are held against; None: what the file says, else ``ZS``."""


def run(request: AuditRequest) -> Audited:
    """Audit the figures. Raises ``InputError`` naming file, row and column of what cannot be read."""
    if request.file is None:
        if request.unit is not None or request.baseline is not None:
            raise InputError("Expected a file with --unit or --baseline but got none.")
        tables = shipped_tables()
        return Audited((audited(tables["table-3"]), audited(tables["table-4"])))
    return Audited((audited(read_table(request.file, request.unit, request.baseline)),))


def audited(table: PublishedTable) -> AuditedTable:
    """Take every row of a table apart and hold it against its zero-shot row."""
    return AuditedTable(
        name=table.name,
        title=table.title,
        source=table.source,
        baseline=table.baseline,
        rows=tuple(_row(table, row) for row in table.rows),
        averages=tuple(one for row in table.averages for one in _averages(table, row)),
    )


def _row(table: PublishedTable, row: PublishedRow) -> AuditedRow:
    shot = table.shot(row)
    return AuditedRow(
        setting=row.setting,
        method=row.method,
        place=row.place,
        published=row.figures,
        audit=audit(row.figures),
        baseline=shot.place if shot else None,
        contrast=contrast(row.figures, shot.figures) if shot else None,
    )


def _averages(table: PublishedTable, row: PublishedRow) -> list[Average]:
    """Each printed mean of a method beside that of its rows; those that lack a figure are left out."""
    found = []
    for figure in ("accuracy", "PT", "IR"):
        printed: Printed | None = getattr(row.figures, figure)
        parts = [getattr(one.figures, figure) for one in table.rows if one.method == row.method]
        if printed is None or not parts or None in parts:
            continue
        mean = fmean(one.value for one in parts)
        slack = printed.half + fmean(one.half for one in parts) + 1e-12
        found.append(Average(row.method, figure, printed.value, mean, abs(mean - printed.value) <= slack))
    return found
