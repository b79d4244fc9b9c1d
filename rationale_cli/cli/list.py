"""``rationale list``: what there is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import RUNS, Json, RunsDir

if TYPE_CHECKING:
    from ..registry import Registry

Kinds = Literal["models", "methods", "attributions", "datasets", "regularizers", "formats", "recipes", "runs"]
_PLUGIN_KINDS = {
    "models": "model",
    "methods": "method",
    "attributions": "attribution",
    "datasets": "dataset",
    "regularizers": "regularizer",
    "formats": "format",
}


def command(
    what: Annotated[
        Kinds | None,
        typer.Argument(metavar="KIND", help="Show one kind only."),
    ] = None,
    plugins: Annotated[
        bool,
        typer.Option("--plugins", help="Also the distributions that bring them, broken ones included."),
    ] = False,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Show models, methods, attributions, datasets, regularizers, formats of checkpoints, recipes and runs.

    What a plugin can be told is shown by `rationale info`.

    Examples:

      rationale list

      rationale list methods --json
    """
    from . import screen

    registry = screen.plugins()
    found = {kind: _rows(kind, registry, runs_dir) for kind in ([what] if what else _everything())}
    if plugins:
        found["plugins"] = _distributions(registry)
    if as_json:
        screen.print_json(found)
        return
    for kind, rows in found.items():
        _show(kind, rows, plugins)


def _everything() -> tuple[str, ...]:
    return (*_PLUGIN_KINDS, "recipes", "runs")


def _rows(kind: str, registry: Registry, runs_dir: Path) -> list[dict[str, Any]]:
    if kind == "recipes":
        return _recipes()
    if kind == "runs":
        return _runs(runs_dir)
    return _plugins(registry, _PLUGIN_KINDS[kind])


def _plugins(registry: Registry, kind: str) -> list[dict[str, Any]]:
    from ..registry import missing_requirements

    entries = registry.entries(kind)
    times = Counter(one.name for one in entries)
    return [
        {
            "name": one.usage if times[one.name] == 1 else f"{one.distribution}:{one.usage}",
            "qualified": one.qualified,
            "summary": one.entry.summary,
            "distribution": one.distribution,
            "version": one.version,
            "missing": missing_requirements(one.entry),
        }
        for one in entries
    ]


def _recipes() -> list[dict[str, Any]]:
    from ..errors import RationaleError
    from ..recipe import load_recipe, shipped_recipes

    rows = []
    for name, path in shipped_recipes().items():
        try:
            recipe = load_recipe(path)
            summary = recipe.description
        except RationaleError as error:
            summary = f"cannot be read: {error.what}"
        rows.append({"name": name, "summary": summary, "path": str(path)})
    return rows


def _runs(runs_dir: Path) -> list[dict[str, Any]]:
    from ..errors import RationaleError
    from ..runs.folder import Run

    rows: list[dict[str, Any]] = []
    for manifest in sorted(runs_dir.glob("*/run.yaml"), key=lambda path: path.stat().st_mtime_ns):
        try:
            run = Run.open(manifest.parent)
        except RationaleError as error:
            rows.append({"name": manifest.parent.name, "summary": f"cannot be read: {error.what}"})
            continue
        summary = ", ".join([str(run.manifest["status"]), *(f"evidence: {one}" for one in run.splits())])
        rows.append({"name": run.name, "summary": summary, "path": str(run.path)})
    return rows


def _distributions(registry: Registry) -> list[dict[str, Any]]:
    counts = Counter(one.source for one in registry.plugins)
    broken = {
        one.source: [str(fault) for fault in registry.broken if fault.source == one.source]
        for one in registry.broken
    }
    sources = sorted({*counts, *broken, *registry.disabled}, key=str)
    return [
        {
            "name": source.distribution,
            "version": source.version,
            "module": source.module,
            "entries": counts.get(source, 0),
            "broken": broken.get(source, []),
            "disabled": source in registry.disabled,
        }
        for source in sources
    ]


def _show(kind: str, rows: list[dict[str, Any]], plugins: bool) -> None:
    from .screen import console

    console().print(f"[bold]{kind.capitalize()}[/bold]")
    width = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        console().print(f"  {row['name']:<{width}}  {_remark(kind, row, plugins)}".rstrip(), markup=False)
        for fault in row.get("broken", ()):
            console().print(f"  {'':<{width}}  broken: {fault}", markup=False, style="yellow")
    if not rows:
        console().print("  none yet" if kind == "runs" else "  none")
    console().print()


def _remark(kind: str, row: dict[str, Any], plugins: bool) -> str:
    if kind == "plugins":
        state = "disabled" if row["disabled"] else f"{row['entries']} entries"
        return f"{row['version']}, {state} ({row['module']})"
    text = str(row["summary"])
    if row.get("missing"):
        text += f" (missing: pip install {' '.join(row['missing'])})"
    if plugins and "distribution" in row:
        text += f" [{row['distribution']} {row['version']}]"
    return text
