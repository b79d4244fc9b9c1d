"""Runs with regularizers beside the same without: where each finds its evidence on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping

from ..measures.regularized import counterparts
from ..recipe.layouts import GalleryLayout
from ..reporting.gallery import Basis
from ..reporting.side_by_side import Explained, Sheet, side_by_side
from .shifts import Group

_PICTURES = 4
"""Of each pair."""
_PAIRS = 6
"""Of each table: a report of many runs stays a file that can be sent."""


def before_after(group: Group, names: Mapping[str, str], basis: Basis) -> tuple[Sheet, ...]:
    """A sheet for each configuration with regularizers whose plain twin is in the group.

    ``names`` are those that the page shows runs by. Of several seeds the first that both have. Raises
    ``InputError`` for thumbnails and evidence that cannot be read.
    """
    sources = {one.name: one for one in group.sources}
    sheets: list[Sheet] = []
    for before, after in counterparts(group.measured)[:_PAIRS]:
        heading = f"{names[before.run]} and {names[after.run]}"
        explained = [
            Explained(
                {"setup": heading, "method": names[one.run]}, sources[one.run].run, group.spec.split, basis
            )
            for one in (before, after)
        ]
        sheets += side_by_side(GalleryLayout("before-after", heading, _PICTURES), explained).sheets
    return tuple(one for one in sheets if one.pictures)
