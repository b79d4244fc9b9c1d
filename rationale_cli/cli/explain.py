"""``rationale explain``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as given
from .importing import Format, Method
from .launch import Processes

if TYPE_CHECKING:
    from ..registry import Registry
    from ..runs.folder import Run
    from ..stages.explain import ExplainResult

_ELSEWHERE = "Trained elsewhere"


def command(
    runs: given.Runs = None,
    attribution: given.Attribution = None,
    layers: given.Layers = None,
    scalar: given.Scalar = None,
    target: given.Target = None,
    split: given.Split = None,
    corrupt: given.Corrupt = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="the one that the run was tuned on",
            help="Explain this further dataset of the same classes instead.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder that the further dataset reads.", rich_help_panel=given.WHAT
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Explain this checkpoint, imported as by `rationale import`; --dataset and --data are what "
            "it classifies.",
            rich_help_panel=_ELSEWHERE,
        ),
    ] = None,
    model: given.Model = None,
    method: Method = None,
    weights: given.Weights = None,
    format_name: Format = None,
    audit: Annotated[
        bool | None,
        typer.Option(
            "--audit/--no-audit",
            show_default="on, unless an attribution, layers or a scalar is named",
            help="Add the estimators and controls that a verdict needs.",
            rich_help_panel=given.HOW,
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Explain this one picture instead.", rich_help_panel="One picture"),
    ] = None,
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME",
            show_default="the predicted one",
            help="Class to explain.",
            rich_help_panel="One picture",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            show_default="<picture>-<class>.png",
            help="Where the overlay goes.",
            rich_help_panel="One picture",
        ),
    ] = None,
    batch_size: given.BatchSize = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Explain at most N pictures a split.", rich_help_panel=given.HOW),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="no|bf16|fp16", show_default="no", help="Mixed precision.", rich_help_panel=given.HOW
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave unreadable pictures out, counted.", rich_help_panel=given.HOW),
    ] = False,
    protocol: given.Protocol = None,
    sets: given.Sets = None,
    processes: Processes = 1,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Predict and explain every picture of a split, and hold the heatmaps against the objects' masks.

    Several layers and scalars share one forward pass. What is there already is not computed again.

    Examples:

      rationale explain

      rationale explain my-run --attribution gaa --layers last,all --scalar dot,native --split test

      rationale explain my-run --attribution all --target both --limit 100

      rationale explain my-run --corrupt fog:3,snow

      rationale explain my-run --dataset imagenet-c --data DIR --split fog-3

      rationale explain my-run --image cat.jpg --class dotted

      rationale explain --checkpoint epoch_10.pt --model clip-vit-b-32 --dataset folder --data DIR
    """
    named = any(value is not None for value in (attribution, layers, scalar))
    flags = {
        "--layers": layers,
        "--scalar": scalar,
        "--target": target,
        "--split": split,
        "--corrupt": corrupt,
        "--dataset=shift.use": None if checkpoint else dataset,
        "--data=shift.root": None if checkpoint else data,
        "--protocol": protocol,
        "--audit=explain.audit": (not named) if audit is None else audit,
        "--batch-size=explain.batch_size": batch_size,
        "--limit=explain.limit": limit,
        "--precision=explain.precision": precision,
        "--skip-bad=explain.skip_bad": skip_bad or None,
    }
    from ..engine.request import LATER, requested
    from ..runs.folder import opened
    from .launch import relaunched
    from .screen import TerminalProgress, plugins, print_json

    later = [one for one in sets or () if not checkpoint or one.partition(".")[0] in LATER]
    earlier = [one for one in sets or () if one not in later]
    layer = given.overrides({name: value for name, value in flags.items() if value is not None}, later)
    registry = plugins()
    elsewhere = {"--model": model, "--method": method, "--weights": weights}
    if checkpoint is None:
        _check_alone({**elsewhere, "--format": format_name})
        chosen = opened(runs or (), runs_dir)
    else:
        tuned = {**elsewhere, "--dataset": dataset, "--data": data}
        chosen = (_imported(runs, checkpoint, format_name, tuned, earlier, registry, runs_dir),)
    if image is not None:
        from .picture import PictureOptions, show

        show(
            PictureOptions(image, class_name, output, as_json),
            requested(chosen[0], registry, layer, attribution),
        )
        return
    requests = [requested(one, registry, layer, attribution) for one in chosen]
    if relaunched(processes):
        return
    from ..stages.explain import run as explain

    results = [explain(request, TerminalProgress()) for request in requests]
    if as_json:
        print_json([_json(one) for one in results])
        return
    for result in results:
        _show(result)


def _imported(
    runs: Sequence[str] | None,
    checkpoint: Path,
    format_name: str | None,
    tuned: Mapping[str, Any],
    sets: Sequence[str],
    registry: Registry,
    runs_dir: Path,
) -> Run:
    """The run of a checkpoint that was trained elsewhere. Raises ``InputError`` where runs are named too."""
    from ..errors import InputError
    from .importing import imported

    if runs:
        raise InputError(
            f"Expected runs or a checkpoint but got both: {', '.join(runs)} and {checkpoint}.",
            where="--checkpoint",
        )
    return imported(checkpoint, format_name, tuned, sets, registry, runs_dir)


def _check_alone(elsewhere: Mapping[str, Any]) -> None:
    from ..errors import InputError

    for flag, value in elsewhere.items():
        if value is not None:
            raise InputError(
                f"{flag} tells of a checkpoint that was trained elsewhere, but there is none.",
                where=flag,
                next_step="add --checkpoint FILE, or leave the option out: a run knows its own",
            )


def _json(result: ExplainResult) -> dict[str, Any]:
    return {
        "run": result.run.name,
        "written": {split: list(names) for split, names in result.written.items()},
        "kept": {split: list(names) for split, names in result.kept.items()},
        "skipped": {split: list(names) for split, names in result.skipped.items()},
    }


def _show(result: ExplainResult) -> None:
    from .screen import console, errors

    for split, names in result.written.items():
        kept = result.kept[split]
        told = f"{len(names)} evidence sets written" + (f", {len(kept)} kept" if kept else "")
        console().print(f"{result.run.name} / {split}: {told}", markup=False)
        for identifier in result.skipped[split][:10]:
            errors().print(f"Left out, unreadable: {identifier}", markup=False, style="yellow")
        if result.skipped[split]:
            console().print(f"  {len(result.skipped[split])} unreadable pictures left out", markup=False)
    console().print("Next: rationale score", markup=False, style="dim")
