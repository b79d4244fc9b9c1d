"""What runs that were read for scoring say of transfer, and how it is written. Loads no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from .. import __version__
from ..measures.bootstrap import Resampling
from ..measures.cases import Look
from ..measures.transfer import MARGIN, summary_of
from ..measures.transfer_cells import Tried, settled_changes, tried
from ..measures.transfer_results import Transfer, TransferSummary
from ..reporting.transfer import TransferShown
from ..reporting.transfer_csv import summary_csv, transfer_csv
from ..reporting.transfer_latex import transfer_latex
from .shifts import Group
from .transfer_matrix import Column, Matrix, matrix_of

USUAL = ("transfer", "Does it transfer?")
"""Name of the files, and heading, where a recipe gives none."""


def transfer_texts(shown: TransferShown) -> Iterator[tuple[str, str]]:
    """What is written of transfer, and the endings of the files."""
    yield transfer_csv(shown.found), ".csv"
    yield summary_csv(shown.found), "-kinds.csv"
    yield transfer_latex(shown, __version__), ".tex"


def of_groups(
    groups: Sequence[Group],
    threshold: float,
    rma: str,
    only: Collection[tuple[Path, str]] | None = None,
    how: Resampling | None = None,
) -> Transfer:
    """What runs say of transfer that were read for scoring, by this ``rma``.

    ``only`` these runs (their folders) on these splits; None takes all.
    """
    matrix, universe = matrix_of(groups, threshold, only)
    look = Look(threshold, how or Resampling(), universe)
    found = {place: tried(trial, look) for place, trial in matrix.trials().items()}
    changes = dict(zip(found, settled_changes(list(found.values())), strict=True))
    return Transfer(
        ", ".join(dict.fromkeys(one.spec.name for one in matrix.columns.values())),
        rma,
        threshold,
        MARGIN,
        tuple(matrix.shown_columns()),
        tuple(matrix.shown_rows(threshold, changes)),
        tuple(_summaries(matrix, found, look)),
        tuple(_notes(matrix)),
    )


def _summaries(
    matrix: Matrix, found: Mapping[tuple[str, Column], Tried], look: Look
) -> Iterator[TransferSummary]:
    """Of all rows, and where there are several models or methods of the rows of each."""
    apart: dict[tuple[str, str], list[Tried]] = {}
    for (row, _), one in found.items():
        if one.trial.kind is not None:
            first = matrix.rows[row]
            apart.setdefault((first.model, first.method), []).append(one)
    if apart:
        yield summary_of([one for members in apart.values() for one in members], look)
    if len(apart) > 1:
        for (model, method), members in apart.items():
            yield summary_of(members, look, model, method)


def _notes(matrix: Matrix) -> Iterator[str]:
    splits = matrix.undeclared()
    if splits:
        yield (
            f"In no summary, since their datasets do not declare in what they differ from the training "
            f"pictures (`factors`): {', '.join(splits)}."
        )
