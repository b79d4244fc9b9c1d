"""Grids of a recipe: blocks of keys with lists, every combination of which is a cell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import InputError
from .exceptions import SETUP
from .layers import Layer, from_mapping


@dataclass(frozen=True)
class GridCell:
    """What one cell of a grid adds to the recipe."""

    layer: Layer
    setup: str = ""
    """The word that labels it; sets nothing."""

    @property
    def label(self) -> str:
        """``method=ft, train.seed=1``."""
        return ", ".join(f"{key.removesuffix('.use')}={one.value}" for key, one in self.layer.items())


def parsed_grid(blocks: Any, path: Path) -> tuple[GridCell, ...]:
    """One block or a list of them. Raises ``InputError`` naming file and key."""
    listed = blocks if isinstance(blocks, list) else [blocks]
    if not listed:
        raise InputError("grid: Expected keys with lists but got nothing.", where=str(path))
    return tuple(cell for block in listed for cell in _block(block, path))


def _block(block: Any, path: Path) -> list[GridCell]:
    """One mapping of keys to lists → every combination."""
    if not isinstance(block, dict) or not block:
        raise InputError(f"grid: Expected keys with lists but got {block!r}.", where=str(path))
    for key, values in block.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"grid.{key}: Expected a list of values but got {values!r}.", where=str(path))
    for word in block.get(SETUP, ()):
        if not isinstance(word, str) or not word:
            raise InputError(f"grid.{SETUP}: Expected words but got {word!r}.", where=str(path))
    cells = []
    for combination in product(*block.values()):
        values = dict(zip(block, combination, strict=True))
        setup = values.pop(SETUP, "")
        cells.append(GridCell(from_mapping(values, f"grid of {path.name}"), setup))
    return cells
