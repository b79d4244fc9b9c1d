"""The section of the page that shows what a recipe asked for: its tables, curves, galleries, transfer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from . import severity, tradeoff
from .pivot import Pivot
from .pivot_page import TableView, table_view
from .pivot_text import metric_title
from .severity import Curves
from .side_by_side import SideBySide
from .tradeoff import Planes
from .transfer import TransferShown
from .transfer_page import TransferView, transfer_view

Shown = Pivot | Curves | SideBySide | Planes | TransferShown
"""A layout with its numbers."""


@dataclass(frozen=True)
class RecipeSection:
    """What a recipe shows."""

    name: str
    description: str
    shown: tuple[Shown, ...]
    folder: str
    """Where the same stands as files."""


@dataclass(frozen=True)
class CurvesView:
    """Drawings as the template shows them."""

    kind = "curves"
    title: str
    methods: tuple[str, ...]
    drawings: tuple[tuple[str, tuple[Markup, ...]], ...]
    """Those of each measure under its heading."""


@dataclass(frozen=True)
class GalleryView:
    """Sheets as the template shows them."""

    kind = "gallery"
    title: str
    gallery: SideBySide


@dataclass(frozen=True)
class PlanesView:
    """Planes as the template shows them."""

    kind = "planes"
    title: str
    methods: tuple[str, ...]
    drawings: tuple[Markup, ...]


View = TableView | CurvesView | GalleryView | PlanesView | TransferView


def views(section: RecipeSection) -> list[View]:
    """Everything in the section, drawn and written."""
    return [_view(one) for one in section.shown]


def methods(section: RecipeSection | None) -> int:
    """How many keys the legends of the section need."""
    shown = section.shown if section else ()
    return max(
        (
            len(one.rivals if isinstance(one, Planes) else one.methods)
            for one in shown
            if isinstance(one, Curves | Planes)
        ),
        default=0,
    )


def _view(shown: Shown) -> View:
    if isinstance(shown, Pivot):
        return table_view(shown)
    if isinstance(shown, Curves):
        drawn = [
            (metric_title(metric), tuple(severity.drawing(panel, shown.methods) for panel in panels))
            for metric, panels in groupby(shown.panels, key=lambda panel: panel.metric)
        ]
        return CurvesView(shown.title, shown.methods, tuple(drawn))
    if isinstance(shown, Planes):
        drawn_planes = tuple(tradeoff.drawing(one, shown.rivals) for one in shown.planes)
        return PlanesView(shown.title, shown.rivals, drawn_planes)
    if isinstance(shown, TransferShown):
        return transfer_view(shown)
    return GalleryView(shown.title, shown)
