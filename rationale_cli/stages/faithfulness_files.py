"""What was found of heatmaps, kept in run folders for scores and reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..errors import InputError
from ..measures.faithfulness import Faithfulness
from ..measures.results import to_json
from ..runs.atomic import write_text
from ..runs.folder import Run
from .audit_files import digest

FOLDER = "faithfulness"


def file_of(run: Run, split: str) -> Path:
    """Where the result of a split is kept."""
    return run.path / FOLDER / f"{split}.json"


def write_faithfulness(run: Run, result: Faithfulness) -> None:
    """Keep a result in the run's folder."""
    text = json.dumps(to_json(result), indent=1, ensure_ascii=False) + "\n"
    write_text(file_of(run, result.split), text)


def read_faithfulness(run: Run, split: str) -> Faithfulness | None:
    """The last result of a split, less the sets whose evidence is another one since; None if nothing is left.

    Raises ``InputError`` where the file is damaged or of another layout.
    """
    path = file_of(run, split)
    if not path.is_file():
        return None
    try:
        result = TypeAdapter(Faithfulness).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            "Expected what was found of heatmaps but could not read it.",
            where=str(path),
            next_step=f"`rationale faithfulness {run.name} --split {split}` writes it anew",
        ) from error
    now = run.evidence(split)
    sets = tuple(one for one in result.sets if one.name in now and digest(now[one.name]) == one.evidence)
    return replace(result, sets=sets) if sets else None
