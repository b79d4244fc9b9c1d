"""Layouts: what a recipe shows of its scored cells, for terminal and report and as files.

Files are ``<runs>/<recipe>/<layout>.csv``, and ``.tex`` for tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..contracts import Progress
from ..recipe import Recipe
from ..recipe.layouts import CurveLayout, Layout, TableLayout, TradeoffLayout, TransferLayout
from ..reporting.layout_csv import layout_csv
from ..reporting.layout_entries import Entry
from ..reporting.pivot import Pivot, pivot
from ..reporting.pivot_latex import latex
from ..reporting.published import shipped_table
from ..reporting.recipe_section import RecipeSection, Shown
from ..reporting.severity import curves
from ..reporting.side_by_side import Explained, SideBySide, side_by_side, side_by_side_csv
from ..reporting.tradeoff import Planes
from ..reporting.transfer import TransferShown
from ..runs.atomic import write_text
from .entries import EntryRequest, Placed, entries
from .tradeoff import tradeoff
from .transfer_groups import of_groups, transfer_texts


@dataclass(frozen=True)
class LayoutResult:
    """What a recipe shows, and where it was written."""

    section: RecipeSection | None
    """None where the recipe shows nothing."""
    files: tuple[Path, ...] = ()


def run(recipe: Recipe, request: EntryRequest, root: Path, progress: Progress | None = None) -> LayoutResult:
    """Arrange the cells as the recipe's layouts ask, and write them below ``root``.

    Raises what scoring raises, and ``InputError`` for thumbnails that cannot be read and a folder that
    cannot be written.
    """
    if not recipe.layouts:
        return LayoutResult(None)
    placed = entries(request, progress)
    folder = root / recipe.folder
    shown = tuple(one for layout in recipe.layouts for one in _shown(layout, placed, request))
    files = []
    for one in shown:
        for text, ending in _texts(one):
            files.append(folder / f"{one.name}{ending}")
            write_text(files[-1], text)
    return LayoutResult(RecipeSection(recipe.name, recipe.description, shown, str(folder)), tuple(files))


def _shown(layout: Layout, every: Sequence[Placed], request: EntryRequest) -> Iterator[Shown]:
    placed = [one for one in every if _belongs(one.entry, layout)]
    found = [one.entry for one in placed]
    if isinstance(layout, TableLayout):
        yield pivot(layout, found, shipped_table(layout.published) if layout.published else None)
    elif isinstance(layout, CurveLayout):
        yield curves(layout, found)
    elif isinstance(layout, TradeoffLayout):
        yield from tradeoff(layout, placed, request)
    elif isinstance(layout, TransferLayout):
        yield from _transfer(layout, placed, request)
    else:
        yield side_by_side(layout, _on_first_split(placed))


def _transfer(
    layout: TransferLayout, placed: Sequence[Placed], request: EntryRequest
) -> Iterator[TransferShown]:
    """Nothing as long as no cell was explained."""
    explained = {(one.run.path, one.split) for _, one in placed if one is not None}
    if explained:
        table = request.scores.tables[0]
        found = of_groups(request.groups, table.threshold, table.rma, explained)
        yield TransferShown(layout.name, layout.title, found)


def _belongs(entry: Entry, layout: Layout) -> bool:
    """Whether a layout shows an entry; clean pictures are severity 0 of every corruption."""
    axes = {axis for axis in layout.only if not entry.clean or axis not in {"corruption", "severity"}}
    return all(entry.axis(axis) in layout.only[axis] for axis in axes)


def _on_first_split(placed: Sequence[Placed]) -> list[Explained]:
    """Of each cell its first clean pictures."""
    first: dict[tuple[tuple[str, str], ...], Explained] = {}
    for entry, explained in placed:
        if explained is not None and entry.clean:
            own = tuple(item for item in entry.axes.items() if item[0] != "split")
            first.setdefault(own, explained)
    return list(first.values())


def _texts(shown: Shown) -> Iterator[tuple[str, str]]:
    """What is written of a layout, and the ending of its file."""
    if isinstance(shown, Planes):
        return
    if isinstance(shown, SideBySide):
        yield side_by_side_csv(shown), ".csv"
        return
    if isinstance(shown, TransferShown):
        yield from transfer_texts(shown)
        return
    yield layout_csv(shown.cells), ".csv"
    if isinstance(shown, Pivot):
        yield latex(shown, __version__), ".tex"
