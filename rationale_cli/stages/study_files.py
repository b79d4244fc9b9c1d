"""The key of a study in its run folder, what its answers came to, and answers as browsers wrote them.

Below a run folder::

    study/<study>.key.json     what each opaque item of the questionnaire is; never shown to people
    study/<study>.scores.json  what their answers came to
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, ValidationError

from ..contracts import Progress
from ..errors import InputError
from ..measures.quadrants import cells, valid
from ..measures.study_results import Show, StudyScore
from ..reporting.written import delimited
from ..runs.evidence import NO_EVIDENCE, OK, EvidenceTable
from ..runs.folder import Run
from .audit_files import digest
from .kept import read_kept, write_kept

FOLDER = "study"
SCHEMA = 1
CSV_COLUMNS = ("study", "participant", "item", "response")
"""Columns that are read; the questionnaire writes position and response time, too."""
Response = Literal["yes", "no", "unsure"]


@dataclass(frozen=True)
class Key:
    """What a questionnaire asked."""

    schema: int
    study: str
    split: str
    specification: str
    threshold: float
    show: Show
    evidence: str
    """Digest of the evidence that was shown."""
    items: dict[str, str]
    """Opaque item → picture."""
    checks: dict[str, Response]
    """Opaque item of an attention check → the only answer that passes it."""


class Answer(BaseModel):
    """What one person said of one item."""

    item: str
    response: Response


class Answers(BaseModel):
    """One person's answers."""

    study: str
    participant: str = Field(min_length=1)
    answers: list[Answer]

    @property
    def by_item(self) -> dict[str, Response]:
        """Opaque item → answer."""
        return {one.item: one.response for one in self.answers}


def quadrants(table: EvidenceTable, threshold: float) -> npt.NDArray[np.int64]:
    """Position of each picture in ``measures.quadrants.CELLS``."""
    annotated = np.isin(table.status, (OK, NO_EVIDENCE))
    return cells(table.prediction == table.label, valid(table.rma, threshold), annotated)


def write_key(run: Run, key: Key) -> Path:
    """Keep a study's key in the run's folder."""
    path = run.path / FOLDER / f"{key.study}.key.json"
    write_kept(path, key)
    return path


def read_key(run: Run, study: str) -> Key:
    """Raises ``InputError`` where the run knows no such study or the key is damaged."""
    path = run.path / FOLDER / f"{Path(study).name}.key.json"
    key = read_kept(path, Key, "the key of a study", f"rationale study export {run.name}")
    if key is None:
        known = (one.name.removesuffix(".key.json") for one in path.parent.glob("*.key.json"))
        raise InputError(
            f"Expected answers to a study of {run.name!r} but got {study!r}. "
            f"Known: {', '.join(sorted(known)) or 'none'}.",
            where=str(path.parent),
            next_step="score them with the run that the questionnaire was exported from",
        )
    return key


def read_answers(paths: Sequence[Path]) -> list[Answers]:
    """Everybody's answers, from JSON or CSV files as the questionnaire writes them.

    A person whose JSON and CSV both are there counts once. Raises ``InputError`` naming the file of what
    cannot be read, and where files of one person differ or there are several studies.
    """
    found: dict[str, tuple[Answers, Path]] = {}
    for path in paths:
        for one in _csv(path) if path.suffix.lower() == ".csv" else (_json(path),):
            other, first = found.setdefault(one.participant, (one, path))
            if other.by_item != one.by_item or other.study != one.study:
                raise InputError(
                    f"Expected one set of answers a person but {one.participant!r} has another in "
                    f"{first.name}.",
                    where=str(path),
                    next_step="keep the one that counts, or give two people two codes",
                )
    everybody = [one for one, _ in found.values()]
    studies = dict.fromkeys(one.study for one in everybody)
    if len(studies) != 1:
        raise InputError(f"Expected answers to one study but got {', '.join(studies) or 'none'}.")
    return everybody


def write_scores(run: Run, result: StudyScore) -> None:
    """Keep a study's result in the run's folder."""
    write_kept(run.path / FOLDER / f"{result.study}.scores.json", result)


def fitting(runs: Sequence[Run], progress: Progress) -> Iterator[StudyScore]:
    """Studies of these runs that rest on their evidence as it is now; of others a warning tells.

    Raises ``InputError`` where a file is damaged or of another layout.
    """
    for run in runs:
        for path in sorted((run.path / FOLDER).glob("*.scores.json")):
            again = f"rationale study score {run.name} ANSWERS"
            result = read_kept(path, StudyScore, "the result of a study", again)
            assert result is not None, "the file was listed"
            shown = run.evidence(result.split).get(result.specification)
            if shown is not None and digest(shown) == result.evidence:
                yield result
            else:
                progress.warn(
                    f"{run.name}: the study {result.study} showed other evidence than there is now, and is "
                    "left out."
                )


def _json(path: Path) -> Answers:
    try:
        return Answers.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"Expected answers but could not read them: {error}", where=str(path)) from error
    except ValidationError as error:
        raise _refused(error, path) from error


def _csv(path: Path) -> list[Answers]:
    lines = list(delimited(path))
    header = lines[0].cells if lines else ()
    if not set(CSV_COLUMNS) <= set(header):
        raise InputError(
            f"Expected the columns {', '.join(CSV_COLUMNS)} of a questionnaire's answers.", where=str(path)
        )
    rows = [dict(zip(header, line.cells, strict=True)) for line in lines[1:]]
    people: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        people.setdefault((row["study"], row["participant"]), []).append(row)
    try:
        return [
            Answers.model_validate({"study": study, "participant": participant, "answers": answers})
            for (study, participant), answers in people.items()
        ]
    except ValidationError as error:
        raise _refused(error, path) from error


def _refused(error: ValidationError, path: Path) -> InputError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the file"
    return InputError(
        f"Expected answers as the questionnaire writes them but of {place} this is said: {first['msg']}.",
        where=str(path),
        next_step="take the file as it was downloaded",
    )
