"""What was found of heatmaps, kept in run folders for scores and reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..measures.faithfulness import Faithfulness
from ..runs.folder import Run
from .audit_files import digest
from .kept import read_kept, write_kept

FOLDER = "faithfulness"


def file_of(run: Run, split: str) -> Path:
    """Where the result of a split is kept."""
    return run.path / FOLDER / f"{split}.json"


def write_faithfulness(run: Run, result: Faithfulness) -> None:
    """Keep a result in the run's folder."""
    write_kept(file_of(run, result.split), result)


def read_faithfulness(run: Run, split: str) -> Faithfulness | None:
    """The last result of a split, less the sets whose evidence is another one since; None if nothing is left.

    Raises ``InputError`` where the file is damaged or of another layout.
    """
    again = f"rationale faithfulness {run.name} --split {split}"
    result = read_kept(file_of(run, split), Faithfulness, "what was found of heatmaps", again)
    if result is None:
        return None
    now = run.evidence(split)
    sets = tuple(one for one in result.sets if one.name in now and digest(now[one.name]) == one.evidence)
    return replace(result, sets=sets) if sets else None
