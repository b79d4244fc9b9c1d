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
      setup: [slow]                      # a word of your own that labels cells and sets nothing
    exceptions:                          # optional: settings for the cells that match (recipe.exceptions)
      - when: {method: ft, dataset: cub}
        set: {train.epochs: 20}
    optional: [coop]                     # optional: plugins without which their cells wait
    show:                                # optional: what is shown at the end (recipe.shown)
      - {table: rates, metrics: [accuracy, PT], rows: [method], columns: [seed]}
    launcher: {use: ray, gpus: 0.5}      # optional: who carries the cells out (recipe.launching)

Settings lie over each other: sections < grid < exceptions < ``--set`` and flags.

Of its base a recipe inherits all but name and version. Its own sections, and its ``launcher``, lie over the
base's key by key;
its own ``grid`` and ``show`` stand in place of the base's (``show: []`` shows nothing); its ``exceptions``
follow the base's, and so win over them; its ``optional`` adds to the base's. What it sets itself, in a
section or its grid, the base's exceptions do not touch. An exception or an optional plugin that fits no cell
is an error, for it is misspelt, unless it comes from the base, whose grid may have been another.

A run's own ``run.yaml`` is a recipe too: it repeats the run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, did_you_mean
from .exceptions import CellRule, check_matched, is_one_of, parsed_exceptions, value_of_cell, with_exceptions
from .grids import GridCell, parsed_grid
from .launching import LAUNCHER, launcher_layer, launcher_options
from .layers import PLUGINS, SECTIONS, Draft, Layer, from_mapping, merged, recorded
from .layouts import Layout
from .regularizers import REGULARIZER
from .shown import parsed_layouts
from .text import parse_yaml

_HEAD = ("name", "version", "description", "base", "grid", "exceptions", "optional", "show", LAUNCHER)
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Recipe:
    """A recipe as it was read: settings that all cells share, what each cell adds, and what is shown."""

    name: str
    version: str
    description: str
    path: Path
    given: Layer
    grid: tuple[GridCell, ...] = ()
    """Empty where the recipe is a single cell."""
    exceptions: tuple[CellRule, ...] = ()
    optional: tuple[str, ...] = ()
    """Plugins without which their cells wait."""
    layouts: tuple[Layout, ...] = ()
    launcher: tuple[Layer, ...] = ()
    """The base's section of that name and its own, to lie over each other (``recipe.launching``)."""

    @property
    def folder(self) -> str:
        """Name of the folder for what it shows."""
        return re.sub(r"[^\w.-]+", "-", self.name).strip("-.") or "recipe"


def cells(recipe: Recipe, *overrides: Layer) -> list[Draft]:
    """Every cell of a recipe, ``overrides`` laid over each.

    Cells that become equal, settings and setup, are taken once.
    """
    drafts: dict[str, Draft] = {}
    for draft in _plain(recipe):
        complete = with_exceptions(draft, recipe.exceptions, *overrides)
        values = sorted((key, repr(one.value)) for key, one in complete.given.items())
        drafts.setdefault(repr((complete.setup, values)), complete)
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
    recipe = _plain_recipe(data, path, inherited)
    launcher_options(*recipe.launcher)
    _check_fit(recipe, inherited)
    return recipe


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
    exceptions = parsed_exceptions(data.get("exceptions", []), path)
    base = base or Recipe("", "", "", path, {})
    grid = parsed_grid(data["grid"], path) if "grid" in data else None
    own = {*sections, *(key for cell in grid or () for key in cell.layer)}
    return Recipe(
        name=_word(data, "name", path, path.stem),
        version=_word(data, "version", path, "1"),
        description=_word(data, "description", path, base.description),
        path=path,
        given=merged(base.given, sections),
        grid=base.grid if grid is None else grid,
        exceptions=(*(one.without(own) for one in base.exceptions), *exceptions),
        optional=tuple(dict.fromkeys((*base.optional, *_words(data, "optional", path)))),
        layouts=parsed_layouts(data["show"], path) if "show" in data else base.layouts,
        launcher=(*base.launcher, *_launcher(data, path)),
    )


def _launcher(data: Mapping[str, Any], path: Path) -> tuple[Layer, ...]:
    return (launcher_layer(data[LAUNCHER], path.name),) if LAUNCHER in data else ()


def _plain(recipe: Recipe) -> list[Draft]:
    """The cells without exceptions."""
    return [
        Draft(merged(recipe.given, one.layer), one.label, one.setup) for one in recipe.grid or (GridCell({}),)
    ]


def _check_fit(recipe: Recipe, base: Recipe | None) -> None:
    """That the recipe's own exceptions and optional plugins fit a cell of it."""
    drafts = _plain(recipe)
    inherited = len(base.exceptions) if base else 0
    check_matched(recipe.exceptions[inherited:], drafts, recipe.path)
    for name in recipe.optional[len(base.optional) if base else 0 :]:
        keys = [f"{section}.use" for section in (*PLUGINS, REGULARIZER)]
        if not any(is_one_of(draft, key, (name,)) for draft in drafts for key in keys):
            known = {value for draft in drafts for key in keys if (value := value_of_cell(draft, key))}
            raise InputError(
                f"optional: no cell has the plugin {name!r}. {did_you_mean(name, known)}",
                where=str(recipe.path),
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


def _words(data: Mapping[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise InputError(f"{key}: Expected a list of names but got {value!r}.", where=str(path))
    return tuple(value)
