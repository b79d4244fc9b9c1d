"""Some cells of a recipe: ``model=clip-vit-b-32,method=ft+zs``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import InputError, did_you_mean

if TYPE_CHECKING:
    from .grid import Cell

Selection = Mapping[str, tuple[str, ...]]
"""Axis → values, one of which a cell must have."""


def parsed_selection(texts: Iterable[str]) -> Selection:
    """Conditions ``axis=value``, several joined by commas, values by ``+``; all of them must hold.

    An axis that is named again adds its values. Raises ``InputError`` for bad form.
    """
    found: dict[str, tuple[str, ...]] = {}
    for condition in (part.strip() for text in texts for part in text.split(",")):
        axis, equals, values = condition.partition("=")
        named = tuple(value.strip() for value in values.split("+"))
        if not (axis.strip() and equals and all(named)):
            raise InputError(
                f"Expected axis=value but got {condition!r}.",
                where="--only",
                next_step="for example --only model=clip-vit-b-32,method=ft+zs",
            )
        found[axis.strip()] = (*found.get(axis.strip(), ()), *named)
    return found


def selected(cells: Sequence[Cell], selection: Selection) -> list[Cell]:
    """The cells that have one of the values of every axis.

    Raises ``InputError`` for an axis or a value that no cell has, telling the known ones, and where no cell
    has them together.
    """
    for axis, values in selection.items():
        axes = {name for cell in cells for name in cell.axes}
        if axis not in axes:
            raise InputError(
                f"Expected an axis of the recipe's cells but got {axis!r}. {did_you_mean(axis, axes)}",
                where="--only",
            )
        known = {cell.axes[axis] for cell in cells if axis in cell.axes}
        for value in values:
            if value not in known:
                told = did_you_mean(value, known)
                raise InputError(f"No cell has {axis} {value!r}. {told}", where="--only")
    found = [
        cell for cell in cells if all(cell.axes.get(axis) in values for axis, values in selection.items())
    ]
    if not found:
        told = ", ".join(f"{axis} {' or '.join(values)}" for axis, values in selection.items())
        raise InputError(f"Expected a cell of the recipe but none has {told}.", where="--only")
    return found
