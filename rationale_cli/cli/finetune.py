"""``rationale finetune``."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options as given
from .launch import Processes


def command(
    model: given.Model = None,
    method: given.Method = None,
    regularizer: given.Regularizer = None,
    vocabulary: given.Vocabulary = None,
    dataset: given.Dataset = None,
    data: given.Data = None,
    weights: given.Weights = None,
    recipe: given.RecipeFile = None,
    epochs: given.Epochs = None,
    lr: given.LearningRate = None,
    batch_size: given.BatchSize = None,
    seed: given.Seed = None,
    shots: given.Shots = None,
    mask_fraction: given.MaskFraction = None,
    protocol: given.Protocol = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", help="Tune on at most N pictures.", rich_help_panel=given.HOW),
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
    sets: given.Sets = None,
    processes: Processes = 1,
    run: given.RunName = None,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Fine-tune a model on a dataset and keep the result in a run folder.

    The same command again goes on where an interrupted run stopped; a finished run is left as it is.

    Examples:

      rationale finetune --model tiny-clip --method ft

      rationale finetune --method lp --dataset folder --data photographs --epochs 5

      rationale finetune --method tip-adapter --shots 16

      rationale finetune --regularizer gaa-mass --mask-fraction 0.05
    """
    from .launch import relaunched

    flags = {
        "--model": model,
        "--method": method,
        "--regularizer": regularizer,
        "--vocabulary": vocabulary,
        "--dataset": dataset,
        "--data": data,
        "--weights": weights,
        "--epochs": epochs,
        "--lr": lr,
        "--batch-size": batch_size,
        "--seed": seed,
        "--shots": shots,
        "--mask-fraction": mask_fraction,
        "--protocol": protocol,
        "--limit=train.limit": limit,
        "--precision=train.precision": precision,
        "--skip-bad=train.skip_bad": skip_bad or None,
    }
    draft = given.drafted(recipe, flags, sets)
    from ..engine.configure import configure
    from .screen import TerminalProgress, console, plugins, print_json

    configuration = configure(draft, plugins())
    if relaunched(processes):
        return
    from ..stages.finetune import FinetuneRequest
    from ..stages.finetune import run as finetune

    result = finetune(FinetuneRequest(configuration, runs_dir, run), TerminalProgress())
    training = result.run.manifest["training"]
    if as_json:
        print_json({"run": result.run.name, "path": str(result.run.path), **training})
        return
    console().print(f"Run: {result.run.path}", markup=False)
    for name, value in training["found"].items():
        console().print(f"Found {name.replace('_', ' ')}: {value:.4g}", markup=False)
    if training["skipped"]:
        console().print(f"Unreadable pictures left out: {len(training['skipped'])}", markup=False)
    console().print("Next: rationale explain", markup=False, style="dim")
