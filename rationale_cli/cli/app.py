"""The commands of ``rationale``. Importing this loads typer and nothing heavier; ``--help`` stays quick."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from . import (
    align,
    audit,
    calibrate,
    data,
    env,
    explain,
    faithfulness,
    finetune,
    importing,
    info,
    interpolate,
    report,
    run,
    score,
    study,
    transfer,
    validate,
    weights,
    words,
)
from . import list as listing
from .screen import guarded

_HELP = """Is a fine-tuned vision-language model right for the right reasons?

Fine-tune a model, explain its predictions, hold the heatmaps against object masks, \
and report how often it is right for the right reasons, with intervals and controls.

Examples:

  rationale finetune --model tiny-clip --method ft

  rationale explain && rationale score && rationale report

See `rationale list` for what there is to choose from.
"""

_JOB, _KNOW = "The job", "What there is"

app = typer.Typer(
    name="rationale",
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for name, module, panel in (
    ("finetune", finetune, _JOB),
    ("interpolate", interpolate, _JOB),
    ("import", importing, _JOB),
    ("explain", explain, _JOB),
    ("faithfulness", faithfulness, _JOB),
    ("words", words, _JOB),
    ("score", score, _JOB),
    ("calibrate", calibrate, _JOB),
    ("align", align, _JOB),
    ("transfer", transfer, _JOB),
    ("report", report, _JOB),
    ("run", run, _JOB),
    ("validate", validate, _KNOW),
    ("list", listing, _KNOW),
    ("info", info, _KNOW),
    ("env", env, _KNOW),
):
    app.command(name, rich_help_panel=panel)(guarded(module.command))


app.add_typer(audit.app, name="audit", rich_help_panel=_JOB)
app.add_typer(study.app, name="study", rich_help_panel=_JOB)
app.add_typer(data.app, name="data", rich_help_panel=_KNOW)
app.add_typer(weights.app, name="weights", rich_help_panel=_KNOW)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"rationale {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    app(prog_name="rationale")
