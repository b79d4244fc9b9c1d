"""Recipe files: sections in YAML, a recipe to start from, and a grid.

::

    name: learning-rates
    version: 1
    description: How much of the evidence does a larger step cost?
    base: quickstart                     # optional: another recipe, shipped or beside this file
    model: tiny-clip
    dataset: {use: scenes}
    train: {epochs: 3}
    grid:                                # optional: one mapping, or a list of them
      method: [lp, ft]                   # every combination is a cell
      train.seed: [0, 1, 2]

A run's own ``run.yaml`` is a recipe too: it repeats the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import InputError, did_you_mean
from .layers import SECTIONS, Draft, Layer, from_mapping, merged, recorded
from .text import parse_yaml

_HEAD = ("name", "version", "description", "base", "grid")
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Recipe:
    """A recipe as it was read: settings that all cells share, and what each cell adds."""

    name: str
    version: str
    description: str
    path: Path
    given: Layer
    grid: tuple[Layer, ...] = ()
    """One layer a cell; empty where the recipe is a single cell."""


def cells(recipe: Recipe, *overrides: Layer) -> list[Draft]:
    """Every cell of a recipe, ``overrides`` laid over each; cells that become equal are taken once."""
    drafts: dict[str, Draft] = {}
    for cell in recipe.grid or ({},):
        label = ", ".join(f"{key.removesuffix('.use')}={one.value}" for key, one in cell.items())
        draft = Draft(merged(recipe.given, cell, *overrides), label)
        values = sorted((key, repr(one.value)) for key, one in draft.given.items())
        drafts.setdefault(repr(values), draft)
    return list(drafts.values())


def load_recipe(reference: str | Path) -> Recipe:
    """Read a recipe by path, or a shipped one by name.

    Raises ``InputError`` for an unknown name (with a suggestion) and for a bad file (naming file and key).
    """
    path = _locate(str(reference), Path())
    data = _read(path)
    if "configuration" in data:
        return _from_run(data, path)
    base, inherited = data.get("base"), None
    if base is not None:
        inherited = _plain_recipe(_read(_locate(str(base), path.parent)), _locate(str(base), path.parent))
    return _plain_recipe(data, path, inherited)


def shipped_recipes() -> dict[str, Path]:
    """Recipes that come with the tool: name → file."""
    folder = next((one for one in (_PACKAGE / "recipes", _PACKAGE.parent / "recipes") if one.is_dir()), None)
    if folder is None:
        return {}
    found = sorted(folder.rglob("*.yaml"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def _plain_recipe(data: Mapping[str, Any], path: Path, base: Recipe | None = None) -> Recipe:
    for key in data:
        if key not in _HEAD and key not in SECTIONS:
            known = (*_HEAD, *SECTIONS)
            raise InputError(
                f"{key}: unknown key of a recipe. {did_you_mean(str(key), known)}", where=str(path)
            )
    if base is None and data.get("base") is not None:
        raise InputError(
            "base: Expected a recipe without a base of its own but it has one.",
            where=str(path),
            next_step="recipes build on each other by one level only",
        )
    sections = from_mapping({key: data[key] for key in SECTIONS if key in data}, path.name)
    return Recipe(
        name=_word(data, "name", path, base.name if base and "name" not in data else path.stem),
        version=_word(data, "version", path, "1"),
        description=_word(data, "description", path, base.description if base else ""),
        path=path,
        given=merged(base.given if base else {}, sections),
        grid=_grid(data["grid"], path) if "grid" in data else (base.grid if base else ()),
    )


def _from_run(data: Mapping[str, Any], path: Path) -> Recipe:
    configuration = data["configuration"]
    if not isinstance(configuration, Mapping):
        raise InputError("configuration: Expected sections but got something else.", where=str(path))
    return Recipe(
        name=str(data.get("name", path.parent.name)),
        version="1",
        description=f"Repeats the run {data.get('name', path.parent.name)}",
        path=path,
        given=recorded(configuration, path.name),
    )


def _grid(blocks: Any, path: Path) -> tuple[Layer, ...]:
    listed = blocks if isinstance(blocks, list) else [blocks]
    if not listed:
        raise InputError("grid: Expected keys with lists but got nothing.", where=str(path))
    return tuple(layer for block in listed for layer in _block(block, path))


def _block(block: Any, path: Path) -> list[Layer]:
    """One mapping of keys to lists → every combination."""
    if not isinstance(block, Mapping) or not block:
        raise InputError(f"grid: Expected keys with lists but got {block!r}.", where=str(path))
    for key, values in block.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"grid.{key}: Expected a list of values but got {values!r}.", where=str(path))
    return [
        from_mapping(dict(zip(block, combination, strict=True)), f"grid of {path.name}")
        for combination in product(*block.values())
    ]


def _locate(reference: str, beside: Path) -> Path:
    path = beside / reference
    if path.is_file():
        return path
    shipped = shipped_recipes()
    if reference in shipped:
        return shipped[reference]
    if path.is_dir() and (path / "run.yaml").is_file():
        return path / "run.yaml"
    raise InputError(
        f"Expected a recipe but there is none called {reference!r}. {did_you_mean(reference, shipped)}",
        next_step="name a shipped recipe (`rationale list recipes`) or the path of a YAML file",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Expected a recipe but could not read it: {error}", where=str(path)) from error
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict):
        raise InputError("Expected a recipe (keys and values) but got something else.", where=str(path))
    return data


def _word(data: Mapping[str, Any], key: str, path: Path, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise InputError(f"{key}: Expected text but got {value!r}.", where=str(path))
    return value
