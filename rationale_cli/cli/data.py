"""``rationale data``: what a dataset holds, before any model sees it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as given
from .screen import guarded

if TYPE_CHECKING:
    from ..contracts import Preprocessing
    from ..engine.configuration import Chosen
    from ..registry import Registry
    from ..stages.describe import DescribeResult
    from ..stages.stimuli import StimuliResult

_HELP = """Look at datasets before any model does, or make stimuli.

Examples:

  rationale data describe scenes --split test

  rationale data describe folder --data photographs

  rationale data blocks -o towers
"""

app = typer.Typer(name="data", help=_HELP, no_args_is_help=True)


@app.command()
@guarded
def describe(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A dataset's name; see `rationale list datasets`.")
    ],
    data: given.Data = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="the splits for evaluation",
            help="Splits to read, separated by commas, or all.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    sets: given.Sets = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Read at most N pictures a split.", rich_help_panel=given.HOW),
    ] = None,
    size: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Side of the model's input in pixels.", rich_help_panel=given.HOW
        ),
    ] = 224,
    resize: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            show_default="--size",
            help="Length of a picture's short side before the centre is cropped.",
            rich_help_panel=given.HOW,
        ),
    ] = None,
    squash: Annotated[
        bool,
        typer.Option(
            "--squash", help="Resize both sides instead and crop nothing.", rich_help_panel=given.HOW
        ),
    ] = False,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="TAU",
            min=0,
            max=1,
            help="Evidence is valid when the relevant mass reaches it.",
            rich_help_panel=given.HOW,
        ),
    ] = 0.5,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            show_default="one a core where there are many pictures",
            help="Processes that read pictures; 0 reads in the main process.",
            rich_help_panel=given.HOW,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            show_default="<name>-sheet.png",
            help="Where the sheet of pictures with their objects' outlines goes, a PNG.",
            rich_help_panel=given.OUTPUT,
        ),
    ] = None,
    as_json: given.Json = False,
) -> None:
    """Count pictures, classes and annotations, measure objects, and tell what chance evidence scores.

    No model is needed. Also told: pictures whose crop leaves nothing of the object, and the share of
    pictures on which a uniform and a centred heatmap already are valid evidence.

    Examples:

      rationale data describe scenes --split test

      rationale data describe folder --data photographs --split all -o sheet.png
    """
    from ..stages.describe import DescribeRequest, run
    from .screen import TerminalProgress, plugins, print_json

    registry = plugins()
    chosen = _chosen(registry, name, {"NAME=dataset.use": name, "--data": data}, sets)
    result = run(
        DescribeRequest(
            chosen,
            registry,
            splits=_splits(split),
            view=_view(size, resize, squash),
            threshold=threshold,
            limit=limit,
            workers=workers,
            sheet=output or Path(f"{chosen.bare.replace(':', '-').replace('/', '-')}-sheet.png"),
        ),
        TerminalProgress(),
    )
    if as_json:
        print_json(_json(result))
    else:
        _show(result)


@app.command()
@guarded
def blocks(
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder to write; it must be new or empty.",
            rich_help_panel=given.OUTPUT,
        ),
    ],
    task: Annotated[
        str | None,
        typer.Option(
            metavar="stability|causal-removal",
            show_default="stability",
            help="What is asked: whether any block falls, or whether one does once the red one is gone.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="small|large",
            show_default="small",
            help="Two to four blocks, or five to eight.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            metavar="cubeworld|photo",
            show_default="cubeworld",
            help="Flat and bright, or grained and shaded.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="train,val,test",
            help="Splits to write, separated by commas, or all.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N", show_default="0", help="Draws other assemblies.", rich_help_panel=given.HOW
        ),
    ] = None,
    sets: given.Sets = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace what was written there before.", rich_help_panel=given.OUTPUT
        ),
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Write block assemblies whose statics are known: images, masks of the evidence and stimuli.csv.

    The same pictures that `--dataset blocks` makes on the fly; `--dataset folder --data DIR` reads them back.

    Examples:

      rationale data blocks -o towers

      rationale data blocks -o pyramids --task causal-removal --size large --style photo

      rationale data blocks -o towers --set dataset.train_size=100 --set dataset.pixels=224 --overwrite
    """
    from ..stages.stimuli import OWN, StimuliRequest, run
    from .screen import TerminalProgress, plugins, print_json

    flags = {
        "NAME=dataset.use": "blocks",
        "--task=dataset.task": task,
        "--size=dataset.size": size,
        "--style=dataset.style": style,
        "--seed=dataset.seed": seed,
    }
    chosen = _chosen(plugins(), "blocks", flags, sets)
    splits = OWN if split is None else _splits(split)
    result = run(StimuliRequest(chosen, output, splits, overwrite), TerminalProgress())
    if as_json:
        print_json(_written_json(result))
    else:
        _show_written(result)


def _chosen(registry: Registry, name: str, flags: Mapping[str, Any], sets: list[str] | None) -> Chosen:
    from ..engine.configure import choose
    from ..errors import InputError
    from ..recipe import Draft

    layer = given.overrides(flags, sets)
    for key, one in layer.items():
        if not key.startswith("dataset."):
            raise InputError(
                f"{key}: Expected settings of 'dataset' but got another section's (from {one.origin}).",
                next_step=f"`rationale info dataset {name}` shows what there is to set",
            )
    return choose("dataset", Draft(layer), registry)


def _splits(text: str | None) -> tuple[str, ...] | None:
    """None stands for all."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return None if names == ("all",) else names


def _view(size: int, resize: int | None, squash: bool) -> Preprocessing:
    from dataclasses import replace

    from ..errors import InputError
    from ..stages.describe import VIEW

    if resize is not None and squash:
        raise InputError(
            "Expected --resize or --squash but got both: a squashed picture is not cropped.",
            next_step="leave one of them out",
        )
    if resize is not None and resize < size:
        raise InputError(
            f"Expected --resize of at least the {size} pixels of --size but got {resize}.",
            next_step="a short side below the crop would leave black borders",
        )
    return replace(VIEW, size=size, resize=resize, squash=squash)


def _json(result: DescribeResult) -> dict[str, Any]:
    from ..measures.results import to_json

    view = result.view
    return {
        "schema": 1,
        "dataset": result.dataset,
        "fingerprint": result.fingerprint,
        "classes": len(result.classnames),
        "view": {"size": view.size, "resize": view.resize or view.size, "squash": view.squash},
        "threshold": result.threshold,
        "splits": to_json(result.splits),
        "sheet": None if result.sheet is None else str(result.sheet),
    }


def _written_json(result: StimuliResult) -> dict[str, Any]:
    return {
        "schema": 1,
        "dataset": result.dataset,
        "fingerprint": result.fingerprint,
        "table": str(result.table),
        "splits": dict(result.splits),
    }


def _show_written(result: StimuliResult) -> None:
    from .screen import console

    told = ", ".join(f"{name} {count:,}" for name, count in result.splits.items())
    console().print(f"{result.table}: {told}", markup=False, soft_wrap=True)
    next_step = f"rationale data describe folder --data {result.table.parent}"
    console().print(f"Next: {next_step}", markup=False, style="dim", soft_wrap=True)


def _show(result: DescribeResult) -> None:
    from ..reporting.description import lines
    from .screen import console

    view = result.view
    side = f"{view.size}×{view.size} pixels"
    how = "squashed" if view.squash else f"short side {view.resize or view.size}, centre cropped"
    head = f"{result.dataset}: {len(result.classnames):,} classes, seen as {side} ({how})"
    for line in (head, "", *lines(result.splits, result.threshold)):
        console().print(line, markup=False, soft_wrap=True)
    if result.sheet is not None:
        console().print(f"\nSheet: {result.sheet}", markup=False, soft_wrap=True)
