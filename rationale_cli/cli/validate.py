"""``rationale validate``: is a recipe sound?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Sets

if TYPE_CHECKING:
    from ..engine.configuration import Configuration


def command(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name or a YAML file.")],
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Check a recipe: its keys, plugins, options and data paths.

    Every cell of a grid is checked. No weight is read, nothing is written.

    Examples:

      rationale validate quickstart

      rationale validate my-recipe.yaml --set dataset.root=pictures
    """
    from ..recipe import load_recipe
    from ..stages.grid import GridRequest, planned
    from . import screen
    from .options import overrides

    loaded = load_recipe(recipe)
    cells = planned(GridRequest(loaded, screen.plugins(), overrides({}, sets)))
    configurations = [cell.configuration for cell in cells if cell.configuration]
    _check_data(configurations)
    if as_json:
        screen.print_json({"recipe": loaded.name, "cells": [one.to_dict() for one in configurations]})
        return
    runs = {one.run_name() for one in configurations}
    screen.console().print(f"{loaded.name}: sound, {len(runs)} run(s)", markup=False)
    for cell in cells:
        where = f"waits: {cell.reason}" if cell.path is None else cell.path.name
        screen.console().print(
            f"  {where}  {'' if cell.label in runs else cell.label}".rstrip(), markup=False
        )


def _check_data(configurations: list[Configuration]) -> None:
    """Build each dataset once and the regularizers (that finds their files), and look for the splits."""
    from ..contracts import Dataset
    from ..errors import InputError, did_you_mean

    built: dict[str, Dataset] = {}
    for one in configurations:
        key = str(one.dataset.to_dict())
        if key not in built:
            built[key] = one.dataset.build()
        dataset = built[key]
        for term in one.regularizers:
            term.build()
        for section, wanted in (("train.split", (one.train.split,)), ("explain.splits", one.explain.splits)):
            for name in wanted:
                if name not in dataset.splits:
                    raise InputError(
                        f"{section}: dataset {one.dataset.bare!r} has no split {name!r}. "
                        f"{did_you_mean(name, dataset.splits)}"
                    )
