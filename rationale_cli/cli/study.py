"""``rationale study``: ask people whether evidence is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import options as given
from .screen import guarded

_HELP = """Ask people whether what a model looked at is a valid reason, and hold RMA against what they say.

Examples:

  rationale study export my-run -o study.html

  rationale study score my-run answers.json
"""

app = typer.Typer(name="study", help=_HELP, no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Name or path of a run.")]


@app.command()
@guarded
def export(
    name: RunArgument,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where the questionnaire goes.",
            rich_help_panel=given.OUTPUT,
        ),
    ] = Path("study.html"),
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT",
            help="Split that was explained before; the run's first if none.",
            rich_help_panel=given.WHAT,
        ),
    ] = None,
    specification: given.Specification = None,
    show: Annotated[
        Literal["heatmap", "region"],
        typer.Option(
            help="Show the whole heatmap, or the fewest patches that hold half of it.",
            rich_help_panel=given.HOW,
        ),
    ] = "heatmap",
    items: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=4,
            help="Pictures at most, as even over the quadrants as can be.",
            rich_help_panel=given.HOW,
        ),
    ] = 60,
    checks: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Attention checks among them, obviously valid and obviously invalid in turn.",
            rich_help_panel=given.HOW,
        ),
    ] = 4,
    threshold: Annotated[
        float,
        typer.Option(metavar="TAU", min=0, max=1, help="RMA of valid evidence.", rich_help_panel=given.HOW),
    ] = 0.5,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Chooses the pictures.", rich_help_panel=given.HOW)
    ] = 0,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Write one HTML questionnaire that shows people pictures with evidence and asks if it is a valid reason.

    It needs no server and no network, tells nobody what the run answered, and hands answers over as a file.
    What its items are is kept in the run's folder alone (study/).

    Examples:

      rationale study export ft -o study.html

      rationale study export ft --show region --items 40 --checks 6 -o region.html
    """
    from ..measures.results import to_json
    from ..runs.folder import Run
    from ..stages.study_export import StudyExportRequest
    from ..stages.study_export import run as write
    from .screen import console, print_json

    run = Run.open(name, runs_dir)
    result = write(
        StudyExportRequest(run, output, split, specification, show, threshold, items, checks, seed)
    )
    if as_json:
        print_json(to_json(result) | {"page": str(result.page), "key": str(result.key)})
        return
    told = ", ".join(f"{count} {quadrant}" for quadrant, count in result.quadrants.items())
    console().print(f"Questionnaire: {result.page} ({result.size / 1024:.0f} kB)", markup=False)
    console().print(f"Key, for you alone: {result.key}", markup=False)
    console().print(f"{told}, and {result.checks} attention checks.", markup=False)


@app.command()
@guarded
def score(
    name: RunArgument,
    answers: Annotated[
        list[Path], typer.Argument(metavar="ANSWERS", help="Files that people downloaded, JSON or CSV.")
    ],
    passing: Annotated[
        float,
        typer.Option(
            "--pass",
            metavar="SHARE",
            min=0,
            max=1,
            help="Share of the attention checks that a person must pass to count.",
            rich_help_panel=given.HOW,
        ),
    ] = 0.75,
    runs_dir: given.RunsDir = given.RUNS,
    as_json: given.Json = False,
) -> None:
    """Read answers back: how far people agree, with each other and with RMA, and what PT and IR become.

    Told are Krippendorff's alpha, accuracy and kappa of RMA against people, the threshold that people imply,
    and V, PT and IR with their validity, as on the whole split. `rationale report` shows it from then on.

    Examples:

      rationale study score ft ann.json bob.csv

      rationale study score ft answers.csv --pass 1 --json
    """
    from ..measures.results import to_json
    from ..reporting.study_tables import study_tables
    from ..reporting.terminal import show as show_tables
    from ..runs.folder import Run
    from ..stages.study_score import StudyScoreRequest
    from ..stages.study_score import run as read_back
    from .screen import console, print_json

    result = read_back(StudyScoreRequest(Run.open(name, runs_dir), tuple(answers), passing))
    if as_json:
        print_json(to_json(result))
        return
    show_tables(study_tables(result), console())
