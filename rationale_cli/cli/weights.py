"""``rationale weights``: the published weights of models, and where they lie on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as given
from .options import Json
from .published import chosen_model, every, families, name_of, publishing, row
from .screen import guarded

if TYPE_CHECKING:
    from ..contracts import Checkpoint

_HELP = """Fetch, find and check the published weights of models.

Files are kept in the Hugging Face cache, and those of other servers in ~/.cache/rationale/weights; \
the variable RATIONALE_CACHE moves the latter.

Examples:

  rationale weights list

  rationale weights get albef
"""

app = typer.Typer(name="weights", help=_HELP, no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model's name; see `rationale list models`.")]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="those that the model takes by default",
        help="Which of the model's weights; see `rationale weights list`.",
        rich_help_panel=given.WHAT,
    ),
]


@app.command("list")
@guarded
def listing(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", show_default="all", help="Show one model's only.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what is published for which model, and what of it is on this machine.

    Examples:

      rationale weights list

      rationale weights list blip --json
    """
    from . import screen

    registry = screen.plugins()
    found = [publishing(registry, model)] if model else every(registry)
    rows = [row(one.name, name, each) for one in found for name, each in one.published.items()]
    if as_json:
        screen.print_json(rows)
    elif model:
        _show_one(rows)
    else:
        _show(rows, families(registry))


@app.command()
@guarded
def get(model: Model, weights: Weights = None, as_json: Json = False) -> None:
    """Fetch a model's weights unless they are here, check them, and print where they lie.

    An interrupted download is taken up where it stopped.

    Examples:

      rationale weights get albef

      rationale weights get blip --weights 129m
    """
    from ..toolkit.weights import locate
    from . import screen

    one = publishing(screen.plugins(), model)
    name = name_of(one, weights)
    (found,) = locate(name, one.published, one.name)
    if as_json:
        screen.print_json(row(one.name, name, one.published[name]))
    else:
        screen.console().print(str(found), markup=False, soft_wrap=True)


@app.command()
@guarded
def path(model: Model, weights: Weights = None, as_json: Json = False) -> None:
    """Print where a model's weights lie, or where to put them by hand; exits with 1 where they are missing.

    Examples:

      rationale weights path albef

      rationale weights path blip --weights 129m --json
    """
    from . import screen

    one = publishing(screen.plugins(), model)
    name = name_of(one, weights)
    found = row(one.name, name, one.published[name])
    if as_json:
        screen.print_json(found)
    else:
        screen.console().print(found["path"], markup=False, soft_wrap=True)
    if not found["cached"]:
        raise typer.Exit(1)


@app.command()
@guarded
def verify(
    target: Annotated[
        str, typer.Argument(metavar="MODEL|FILE", help="A model's name, or a file or folder of weights.")
    ],
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            show_default="those that the model takes by default",
            help="Which weights to hold against the model.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read weights whole: size and SHA-256 against what is known, and tensors against the model.

    Examples:

      rationale weights verify albef

      rationale weights verify clip-vit-b-32 --weights my-clip.safetensors
    """
    from . import screen

    place = Path(target).expanduser()
    is_file = place.is_file() or ("/" in target and place.is_dir())
    facts = _verified_files(target) if is_file else _verified_model(target, weights)
    if as_json:
        screen.print_json(facts)
        return
    for one in facts["files"]:
        screen.console().print(one["path"], markup=False, soft_wrap=True)
        screen.console().print(f"  {one['size']} bytes, SHA-256 {one['sha256']}: {_HELD[one['known']]}")
    if facts["model"]:
        screen.console().print(f"  every tensor fits {facts['model']}", markup=False)
    else:
        screen.console().print(f"  {facts['tensors']} tensors, {facts['numbers']} numbers")


_HELD = {
    "published": "as published",
    "hub": "as on the hub",
    "first use": "as when it was first used",
    "nothing": "nothing is known to hold it against",
}


def _verified_files(target: str) -> dict[str, Any]:
    from ..toolkit.weights import locate, read_tensors

    paths = locate(target, {}, "any model")
    files = [_checked(path) for path in paths]
    tensors = read_tensors(paths)
    numbers = sum(tensor.numel() for tensor in tensors.values())
    return {"files": files, "model": None, "tensors": len(tensors), "numbers": numbers}


def _verified_model(model: str, weights: str | None) -> dict[str, Any]:
    from ..errors import InputError
    from ..toolkit.weights import cached, locate
    from . import screen

    registry = screen.plugins()
    one = publishing(registry, model)
    if weights is None or weights in one.published:
        weights = name_of(one, weights)
        path = cached(one.published[weights])
        if path is None:
            raise InputError(
                f"Expected the weights {weights!r} of {one.name} on this machine but they are not here.",
                next_step=f"rationale weights get {one.name} --weights {weights}",
            )
        files = [_checked(path, one.published[weights])]
    else:
        files = [_checked(path) for path in locate(weights, one.published, one.name)]
    chosen_model(registry, model, weights).build()
    return {"files": files, "model": one.name, "weights": weights}


def _checked(path: Path, checkpoint: Checkpoint | None = None) -> dict[str, Any]:
    from ..toolkit.weights import verified

    found = verified(path, checkpoint)
    return {"path": str(found.path), "size": found.size, "sha256": found.sha256, "known": found.known}


def _show(rows: list[dict[str, Any]], others: list[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from .screen import console

    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for title in ("Model", "Weights", "Size", "Here", "What"):
        table.add_column(title, overflow="fold")
    for one in rows:
        cells = (one["model"], one["weights"], _size(one), "yes" if one["cached"] else "no", one["note"])
        table.add_row(*(Text(cell) for cell in cells))
    console().print(table if rows else "No model that is installed publishes weights by itself.")
    console().print("\n`rationale weights list MODEL` shows where they lie or come from.")
    if others:
        console().print(f"Of {', '.join(others)}, name one.", markup=False)


def _show_one(rows: list[dict[str, Any]]) -> None:
    """With addresses and paths, unbroken, to copy."""
    from .screen import console

    for one in rows:
        here = "here" if one["cached"] else "not here"
        facts = ", ".join(fact for fact in (_size(one), here, one["note"]) if fact)
        console().print(f"{one['model']} {one['weights']}: {facts}", markup=False, soft_wrap=True)
        console().print(f"  {one['url']}", markup=False, soft_wrap=True)
        console().print(f"  {one['path']}", markup=False, soft_wrap=True)


def _size(one: dict[str, Any]) -> str:
    """Where it is not known exactly, the note may tell it."""
    from ..toolkit.weights import size_of

    return "" if one["size"] is None and one["note"] else size_of(one["size"])
