"""A recipe's trade-off: its cells as rivals, each by everything that it was measured by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..measures.calibration import BINS
from ..measures.measured import Measured
from ..measures.tradeoff import Rival, Seeds, contrasts
from ..recipe.layouts import TradeoffLayout
from ..reporting.gallery import Basis
from ..reporting.layout_entries import key
from ..reporting.pivot import Pivot
from ..reporting.tradeoff import Planes, Rated, planes
from ..reporting.tradeoff import tradeoff as arranged
from ..runs.folder import Run
from .entries import EntryRequest, Placed

_OF_PICTURES = ("split", "half", "corruption", "severity", "seed")
"""Axes that do not tell rivals apart."""


def tradeoff(
    layout: TradeoffLayout, placed: Sequence[Placed], request: EntryRequest
) -> Iterator[Pivot | Planes]:
    """The table, and the planes where there are any; nothing as long as no cell was explained."""
    found = _rivals(layout, placed, _by_place(request))
    if not found:
        return
    table = request.scores.tables[0]
    basis = Basis(table.specification, table.threshold, table.rma)
    columns = tuple(dict.fromkeys((*layout.columns, *(one for plane in layout.planes for one in plane))))
    pairs = [
        (rival, next((other for told, other in found if _held(layout, axes, told)), None))
        for axes, rival in found
    ]
    numbers = contrasts(pairs, columns, basis.threshold, BINS)
    rated = [
        Rated(axes, dict(zip(columns, line, strict=True)))
        for (axes, _), line in zip(found, numbers, strict=True)
    ]
    yield arranged(layout, rated, basis)
    if layout.planes:
        yield planes(layout, rated, basis)


def _held(layout: TradeoffLayout, axes: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether ``other`` is the row that a rival is held against: equal in all row axes that are not named."""
    wanted = {axis: axes.get(axis, "") for axis in layout.rows} | dict(layout.against)
    return all(other.get(axis, "") == value for axis, value in wanted.items())


def _by_place(request: EntryRequest) -> dict[tuple[str, str], Measured]:
    """(run, label) → what was measured of it."""
    return {
        (source.name, source.split): one
        for group in request.groups
        for source, one in zip(group.sources, group.measured, strict=True)
    }


def _rivals(
    layout: TradeoffLayout, placed: Sequence[Placed], measured: Mapping[tuple[str, str], Measured]
) -> list[tuple[dict[str, str], Rival]]:
    """Cells that are explained, those that differ in nothing but seeds and pictures as one."""
    runs: dict[tuple[str, ...], dict[Seeds, dict[str, Measured]]] = {}
    seconds: dict[tuple[str, ...], dict[Seeds, float]] = {}
    axes_of: dict[tuple[str, ...], dict[str, str]] = {}
    for entry, explained in placed:
        if explained is None or entry.score is None:
            continue
        one = measured.get((entry.score.run, explained.split))
        if one is None:
            continue
        axes = {axis: value for axis, value in entry.axes.items() if axis not in _OF_PICTURES}
        place = key(entry, tuple(axes))
        axes_of[place] = axes
        seeds = one.seed, one.shot_seed
        runs.setdefault(place, {}).setdefault(seeds, {})[explained.split] = one
        seconds.setdefault(place, {})[seeds] = _seconds(explained.run)
    return [(axes_of[place], Rival(runs[place], seconds[place])) for place in runs]


def _seconds(run: Run) -> float:
    """Of the training; 0 where nothing was trained."""
    return float(run.manifest.get("training", {}).get("seconds", 0.0))
