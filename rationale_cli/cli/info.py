"""``rationale info``: one plugin, recipe or section in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import Json

if TYPE_CHECKING:
    from pydantic import BaseModel

Kind = Literal[
    "model",
    "method",
    "attribution",
    "dataset",
    "regularizer",
    "format",
    "recipe",
    "protocol",
    "section",
    "launcher",
]


def command(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What it is.")],
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Its name in `rationale list`; paper, reference or corrected; view, train or explain; "
            "ray or slurm.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show what a plugin, recipe, protocol, section or launcher is, its options, and lines for a recipe.

    The sections view, train and explain belong to no plugin: `rationale info section train`.

    Examples:

      rationale info method ft

      rationale info section train

      rationale info protocol reference
    """
    from . import screen

    others = {
        "format": _format,
        "recipe": _recipe,
        "section": _section,
        "protocol": _protocol,
        "launcher": _launcher,
    }
    facts = others[kind](name) if kind in others else plugin_facts(kind, name)
    if as_json:
        screen.print_json(facts)
    else:
        _show(facts)


def plugin_facts(kind: str, name: str) -> dict[str, Any]:
    """What there is to tell of a plugin; raises ``PluginError`` where it cannot be loaded."""
    import inspect
    from typing import cast

    from . import screen

    registry = screen.plugins()
    found = registry.find(kind, name)
    plugin = registry.load(kind, found.qualified)
    options = _options(cast(Any, plugin).Options)
    return {
        "kind": kind,
        "name": found.name,
        "qualified": found.qualified,
        "distribution": found.distribution,
        "version": found.version,
        "summary": found.entry.summary,
        "description": inspect.getdoc(plugin) or "",
        "needs": list(getattr(plugin, "needs", ())),
        "offers": list(getattr(plugin, "offers", ())),
        "recommended": dict(getattr(plugin, "recommended", {})),
        "options": options,
        "recipe": _snippet(kind, found.name, options),
    }


def _format(name: str) -> dict[str, Any]:
    """A layout of checkpoints; it has no options and stands in no recipe."""
    import inspect
    from typing import cast

    from . import screen

    registry = screen.plugins()
    found = registry.find("format", name)
    plugin = cast(Any, registry.load("format", found.qualified))
    return {
        "kind": "format",
        "name": found.name,
        "qualified": found.qualified,
        "summary": found.entry.summary,
        "description": inspect.getdoc(plugin) or "",
        "expects": plugin.expects,
        "methods": list(plugin.methods),
    }


def _section(name: str) -> dict[str, Any]:
    from ..errors import InputError, did_you_mean
    from ..recipe import ExplainOptions, TrainOptions, ViewOptions

    sections: dict[str, type[BaseModel]] = {
        "view": ViewOptions,
        "train": TrainOptions,
        "explain": ExplainOptions,
    }
    if name not in sections:
        raise InputError(f"Unknown section {name!r}. {did_you_mean(name, sections)}")
    options = _options(sections[name])
    return {
        "kind": "section",
        "name": name,
        "summary": sections[name].__doc__ or "",
        "options": options,
        "recipe": _snippet(name, None, options),
    }


def _launcher(name: str) -> dict[str, Any]:
    from ..errors import InputError, did_you_mean
    from ..recipe.launching import LAUNCHER, LAUNCHERS

    if name not in LAUNCHERS:
        raise InputError(f"Unknown launcher {name!r}. {did_you_mean(name, LAUNCHERS)}")
    options = _options(LAUNCHERS[name])
    return {
        "kind": LAUNCHER,
        "name": name,
        "summary": LAUNCHERS[name].__doc__ or "",
        "options": options,
        "recipe": _snippet(LAUNCHER, name, options),
    }


def _protocol(name: str) -> dict[str, Any]:
    """The protocol's own choices, and what each plugin adds to them."""
    from ..errors import PluginError
    from ..recipe.protocols import protocol
    from . import screen

    found = protocol(name, "the command line")
    registry = screen.plugins()
    added: dict[str, dict[str, Any]] = {}
    for kind in ("model", "method", "dataset", "attribution"):
        for one in registry.entries(kind):
            try:
                plugin = registry.load(kind, one.qualified)
            except PluginError:
                continue
            if choices := getattr(plugin, "protocols", {}).get(name):
                added[f"{kind} {one.name}"] = dict(choices)
    return {
        "kind": "protocol",
        "name": name,
        "summary": found.summary,
        "choices": dict(found.choices),
        "added": added,
        "recipe": f"protocol: {name}\n",
    }


def _recipe(name: str) -> dict[str, Any]:
    from ..recipe import cells, load_recipe

    recipe = load_recipe(name)
    return {
        "kind": "recipe",
        "name": recipe.name,
        "summary": recipe.description,
        "version": recipe.version,
        "path": str(recipe.path),
        "cells": [draft.name for draft in cells(recipe)],
        "recipe": recipe.path.read_text(encoding="utf-8"),
    }


def _options(schema: type[BaseModel]) -> list[dict[str, Any]]:
    defaults = schema.model_construct().model_dump(mode="json", warnings=False)
    return [
        {
            "name": name,
            "type": type_name(field.annotation),
            "required": field.is_required(),
            "default": defaults.get(name),
            "description": " ".join((field.description or "").split()),
        }
        for name, field in schema.model_fields.items()
    ]


def type_name(annotation: Any) -> str:
    """A type as a user may read it: ``whole number``, ``adam | adamw | sgd``, ``number or none``."""
    import types
    from pathlib import Path
    from typing import Union, get_args, get_origin

    words = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    inner = get_args(annotation)
    if annotation in words:
        return words[annotation]
    if annotation is None or annotation is type(None):
        return "none"
    if get_origin(annotation) is Literal:
        return " | ".join(str(one) for one in inner)
    if get_origin(annotation) in {Union, types.UnionType}:
        return " or ".join(type_name(one) for one in inner)
    if get_origin(annotation) in {tuple, list, set, frozenset}:
        kinds = list(dict.fromkeys(type_name(one) for one in inner if one is not Ellipsis))
        return f"list of {' and '.join(kinds)}" if kinds else "list"
    return getattr(annotation, "__name__", str(annotation))


def _snippet(section: str, use: str | None, options: list[dict[str, Any]]) -> str:
    """The section with all its defaults, ready to paste into a recipe."""
    lines = [f"{section}:"] + ([f"  use: {use}"] if use else [])
    for one in options:
        value = "…  # required" if one["required"] else _yaml(one["default"])
        lines.append(f"  {one['name']}: {value}")
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("...\n").strip()


def _show(facts: dict[str, Any]) -> None:
    from rich.table import Table

    from .screen import console

    out = console()
    out.print(f"{facts['kind']} {facts.get('qualified', facts['name'])}", style="bold", markup=False)
    out.print(facts["summary"], markup=False)
    if facts.get("description"):
        out.print(f"\n{facts['description']}", markup=False)
    if facts.get("distribution"):
        out.print(f"\nFrom {facts['distribution']} {facts['version']}".rstrip(), markup=False)
    if facts.get("needs"):
        out.print(f"Needs: {', '.join(facts['needs'])}", markup=False)
    if facts.get("offers"):
        out.print(f"Offers: {', '.join(facts['offers'])}", markup=False)
    if facts.get("options"):
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
        for title in ("Option", "Type", "Default", "Meaning"):
            table.add_column(title, overflow="fold")
        for one in facts["options"]:
            default = "required" if one["required"] else _yaml(one["default"])
            table.add_row(
                *(_literal(text) for text in (one["name"], one["type"], default, one["description"]))
            )
        out.print()
        out.print(table)
    for title, choices in _choices(facts).items():
        out.print(f"\n{title}", markup=False)
        for key, value in choices.items():
            out.print(f"  {key}={_yaml(value)}", markup=False)
    if facts["kind"] == "format":
        out.print(f"\nKnown by: {facts['expects']}", markup=False)
        out.print(f"Methods: {', '.join(facts['methods'])}", markup=False)
        return
    if facts["kind"] == "recipe":
        out.print(f"\nVersion {facts['version']}, {len(facts['cells'])} runs: {facts['path']}", markup=False)
    else:
        out.print("\nIn a recipe:")
    out.print(f"\n{facts['recipe']}", markup=False)


def _choices(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Title → dotted keys and values: of a protocol, or recommended by a plugin."""
    if facts["kind"] == "protocol":
        return {"Choices": facts["choices"], **facts["added"]}
    table = facts.get("recommended", {})
    if facts["kind"] in {"model", "regularizer"}:
        return {f"Recommended for method {method}": values for method, values in table.items()}
    return {"Recommended": table} if table else {}


def _literal(text: str) -> Any:
    from rich.text import Text

    return Text(text)
