"""Options that commands share: each is defined once, as an alias of a dotted recipe key.

A command takes the annotated types, leaves every default at None (so that it is known what was given), and
hands what it got to ``drafted`` or ``overrides``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..recipe import Draft, Given

ALIASES = {
    "--model": "model.use",
    "--method": "method.use",
    "--regularizer": "regularizer.use",
    "--vocabulary": "regularizer.vocabulary",
    "--dataset": "dataset.use",
    "--data": "dataset.root",
    "--weights": "model.weights",
    "--attribution": "attribution.use",
    "--lr": "method.lr",
    "--epochs": "train.epochs",
    "--batch-size": "train.batch_size",
    "--seed": "train.seed",
    "--shots": "train.shots",
    "--mask-fraction": "train.mask_fraction",
    "--layers": "explain.layers",
    "--scalar": "explain.scalar",
    "--target": "explain.target",
    "--split": "explain.splits",
    "--corrupt": "explain.corrupt",
    "--protocol": "protocol.use",
}
"""Flag → the dotted key that it sets."""

WHAT, HOW, OUTPUT = "What", "How", "Output"
"""Panels of the help."""

Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="tiny-clip",
        help="Model to tune; see `rationale list models`.",
        rich_help_panel=WHAT,
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="ft",
        help="How to tune it; see `rationale list methods`.",
        rich_help_panel=WHAT,
    ),
]
Regularizer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="none",
        help="Term to add to the method's loss; see `rationale list regularizers`. Several with commas.",
        rich_help_panel=WHAT,
    ),
]
Vocabulary = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Words for the regularizer: one a line, or the folder of an installed WordNet.",
        rich_help_panel=WHAT,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="scenes",
        help="Pictures; see `rationale list datasets`.",
        rich_help_panel=WHAT,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder that the dataset reads (dataset.root).", rich_help_panel=WHAT),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Weights of the model: a path, or what the model knows by name; none for random ones.",
        rich_help_panel=WHAT,
    ),
]
RecipeFile = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="Start from a recipe: a name, a YAML file, or the run.yaml of a run to repeat.",
        rich_help_panel=WHAT,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="the model's for the method, or 10",
        help="Passes over the training split.",
        rich_help_panel=HOW,
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--lr",
        metavar="RATE",
        show_default="the model's for the method",
        help="Learning rate.",
        rich_help_panel=HOW,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N", show_default="64", help="Pictures a step, over all processes.", rich_help_panel=HOW
    ),
]
Shots = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        show_default="all",
        help="Tune on N pictures of each class, the same for every method.",
        rich_help_panel=HOW,
    ),
]
MaskFraction = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        show_default="1",
        help="Let the regularizer see the masks of this share of the pictures.",
        rich_help_panel=HOW,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", show_default="0", help="Seed of all that is random.", rich_help_panel=HOW),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other option, section.key=value; see `rationale info method ft`. Repeatable.",
        rich_help_panel=HOW,
    ),
]
Attribution = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="gaa",
        help="What makes the heatmaps; see `rationale list attributions`. Several with commas; all takes "
        "each that is no control.",
        rich_help_panel=WHAT,
    ),
]
Layers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        show_default="last",
        help="last, all, reference or a..b; several with commas share one pass.",
        rich_help_panel=HOW,
    ),
]
Scalar = Annotated[
    str | None,
    typer.Option(
        metavar="SCALAR",
        show_default="dot",
        help="What is differentiated: dot, native, cosine, log-softmax, contrast; several with commas.",
        rich_help_panel=HOW,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="label|prediction|both",
        show_default="label",
        help="Class whose score is explained: the annotated one, the predicted one, or each of them.",
        rich_help_panel=HOW,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="the dataset's",
        help="Splits to explain, separated by commas.",
        rich_help_panel=WHAT,
    ),
]
Corrupt = Annotated[
    str | None,
    typer.Option(
        metavar="NAME:SEVERITY",
        help="Explain the pictures under corruptions too: fog:3, or fog for all five severities; common, "
        "extra and all stand for ImageNet-C's 15, 4 and 19. Several with commas.",
        rich_help_panel=WHAT,
    ),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        metavar="paper|reference|corrected",
        show_default="corrected",
        help="A named set of choices; see `rationale info protocol reference`.",
        rich_help_panel=HOW,
    ),
]
Runs = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN", help="Names or paths of runs; the latest if none."),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        show_default="the zero-shot run of the same model",
        help="Run that the others are compared with.",
        rich_help_panel=WHAT,
    ),
]
Specification = Annotated[
    str | None,
    typer.Option(
        "--spec",
        metavar="NAME",
        show_default="gaa-last-dot",
        help="Evidence to read: attribution-layers-scalar, or a control such as center.",
        rich_help_panel=WHAT,
    ),
]
Bins = Annotated[
    int,
    typer.Option(metavar="N", min=2, max=100, help="Bins of the calibration errors.", rich_help_panel=HOW),
]
AllowMismatch = Annotated[
    bool,
    typer.Option(
        "--allow-mismatch",
        help="Compare runs that differ in estimator, preprocessing or pictures all the same, with a "
        "warning, on the pictures that all have.",
        rich_help_panel=HOW,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS=VALUE",
        help="Only the cells with these values: model=clip-vit-b-32,method=ft+zs. Repeatable.",
        rich_help_panel=WHAT,
    ),
]
DataFolders = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="RATIONALE_DATA",
        help="Folder with one folder for each dataset, called as the dataset is: DIR/imagenet, DIR/cub.",
        rich_help_panel=WHAT,
    ),
]
Scale = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        show_default="1",
        help="Tune on and explain this share of the pictures of each split, a batch at least: 0.01.",
        rich_help_panel=HOW,
    ),
]
RunName = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="NAME",
        show_default="made of model, method and dataset",
        help="Name of the run's folder.",
        rich_help_panel=OUTPUT,
    ),
]
RunsDir = Annotated[
    Path,
    typer.Option(
        metavar="DIR", envvar="RATIONALE_RUNS", help="Where run folders are kept.", rich_help_panel=OUTPUT
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON document on standard output.", rich_help_panel=OUTPUT),
]

RUNS = Path("runs")
"""Default of ``--runs-dir``."""


def scaled(share: float | None) -> dict[str, Any]:
    """What ``--scale`` sets, as ``overrides`` takes it."""
    return {"--scale=train.share": share, "--scale=explain.share": share}


def overrides(flags: Mapping[str, Any], sets: Sequence[str] | None = None) -> dict[str, Given]:
    """Flags (as typed, ``--lr``) with their values, and ``--set`` texts → one layer; None is "not given".

    A flag that is not in ``ALIASES`` may be written ``--name=section.key`` to say what it sets. Raises
    ``InputError`` where a flag and a ``--set`` give one key.
    """
    from ..errors import InputError
    from ..recipe import Given, from_sets

    layer = from_sets(sets or ())
    for flag, value in flags.items():
        name, _, key = flag.partition("=")
        key = key or ALIASES[name]
        if value is None:
            continue
        if key in layer:
            raise InputError(
                f"{key} is given twice: by {name} and by {layer[key].origin}.",
                next_step="leave one of them out",
            )
        layer[key] = Given(value, name)
    return layer


def drafted(recipe: str | None, flags: Mapping[str, Any], sets: Sequence[str] | None = None) -> Draft:
    """What one command line asks for, a recipe beneath it. Raises ``InputError`` for a recipe with a grid."""
    from ..errors import InputError
    from ..recipe import Draft, cells, load_recipe

    layer = overrides(flags, sets)
    if recipe is None:
        return Draft(layer)
    loaded = load_recipe(recipe)
    if loaded.grid:
        raise InputError(
            f"Expected a recipe of one run but {loaded.name!r} is a grid of {len(loaded.grid)}.",
            where=str(loaded.path),
            next_step=f"rationale run {recipe}",
        )
    (draft,) = cells(loaded, layer)
    return draft
