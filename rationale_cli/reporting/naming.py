"""Runs by the names that readers tell them apart by, in place of their folders' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..measures.results import ScoreResult, ScoreTable
from ..measures.sweep import Sweep

Names = Mapping[str, str]
"""A run as it is scored → as it is shown."""


def display_names(tables: Sequence[ScoreTable], labelled: Sequence[str]) -> dict[str, str]:
    """The titles of the runs that a grid labelled, the folders' names of all others.

    Where two runs would share a name, all keep their folders' names.
    """
    names = {row.run: row.title if row.run in labelled else row.run for table in tables for row in table.rows}
    return names if len(set(names.values())) == len(names) else {run: run for run in names}


def renamed(result: ScoreResult, names: Names) -> ScoreResult:
    """A result with every run under its shown name."""
    shifts = tuple(
        replace(one, run=names[one.run], baseline=None if one.baseline is None else names[one.baseline])
        for one in result.shifts
    )
    return replace(
        result,
        tables=tuple(_table(one, names) for one in result.tables),
        shifts=shifts,
        halves=tuple(replace(one, run=names[one.run]) for one in result.halves),
    )


def renamed_sweep(sweep: Sweep, names: Names) -> Sweep:
    """A sweep with every run under its shown name."""
    return replace(
        sweep,
        rows=tuple(replace(row, run=names[row.run]) for row in sweep.rows),
        comparisons=tuple(
            replace(pair, run=names[pair.run], baseline=names[pair.baseline]) for pair in sweep.comparisons
        ),
    )


def _table(table: ScoreTable, names: Names) -> ScoreTable:
    return replace(
        table,
        rows=tuple(replace(row, run=names[row.run]) for row in table.rows),
        cells=tuple(replace(cell, runs=tuple(names[run] for run in cell.runs)) for cell in table.cells),
        comparisons=tuple(
            replace(pair, run=names[pair.run], baseline=names[pair.baseline]) for pair in table.comparisons
        ),
        across=tuple(
            replace(
                one,
                run=names[one.run],
                baseline=None if one.baseline is None else names[one.baseline],
                lacking=tuple(names[run] for run in one.lacking),
            )
            for one in table.across
        ),
    )
