"""How runs go with people, kept in run folders for reports."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import special

from ..contracts import Progress
from ..errors import InputError
from ..measures.alignment_results import Alignment
from ..runs.evidence import EvidenceTable, PredictionTable
from ..runs.folder import Run
from ..runs.predictions import PredictionSet
from .kept import read_kept, write_kept

FOLDER = "alignment"


@dataclass(frozen=True)
class Answered:
    """What a run answered on one split."""

    table: PredictionTable | EvidenceTable
    predictions: PredictionSet | None
    """None for a run whose probabilities were not stored."""
    classnames: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What an alignment rests on."""
        told = hashlib.sha256("\0".join(map(str, self.table.id)).encode())
        for column in (self.table.prediction, self.table.confidence):
            told.update(np.ascontiguousarray(column).tobytes())
        return told.hexdigest()[:16]

    def scores(self, positive: int) -> npt.NDArray[np.float64]:
        """Probability of one class for each picture; NaN where it was not stored."""
        if self.predictions is not None and self.predictions.has_logits:
            return np.asarray(
                special.softmax(self.predictions.logits().astype(np.float64), axis=1)[:, positive]
            )
        confidence = self.table.confidence.astype(np.float64)
        other = 1 - confidence if len(self.classnames) == 2 else np.nan
        return np.where(self.table.prediction == positive, confidence, other)


def answered(run: Run, split: str) -> Answered:
    """The answers of a run. Raises ``InputError`` for a split that was not explained."""
    sets = run.evidence(split) if split in run.splits() else {}
    if not sets:
        known = ", ".join(run.splits()) or "none"
        raise InputError(
            f"Expected a split that was explained but {split!r} was not. Known: {known}.",
            where=str(run.path),
            next_step=f"rationale explain {run.name} --split {split}",
        )
    first = next(iter(sets.values()))
    predictions = run.predictions(split)
    table = first.table if predictions is None else predictions.table
    return Answered(table, predictions, first.spec.classnames)


def write_alignment(run: Run, name: str, result: Alignment) -> None:
    """Keep what a result says of one run, under its name in it, in the run's folder."""
    own = tuple(replace(one, model=run.name) for one in result.models if one.model == name)
    kept = replace(result, models=own, evidence={run.name: result.evidence[name]})
    write_kept(_file(run, str(result.split)), kept)


def fitting(runs: Sequence[Run], progress: Progress) -> list[Alignment]:
    """Alignments of these runs that rest on their answers as they are now; of others a warning tells.

    Raises ``InputError`` where a file is damaged or of another layout.
    """
    found = []
    for run in runs:
        for path in sorted((run.path / FOLDER).glob("*.json")):
            result = read_kept(path, Alignment, "how a run goes with people", f"rationale align {run.name}")
            assert result is not None, "the file was listed"
            split = str(result.split)
            if split in run.splits() and result.evidence.get(run.name) == answered(run, split).digest:
                found.append(result)
            else:
                progress.warn(
                    f"{run.name}: its alignment with people on {split} rests on other answers and is left "
                    f"out; `rationale align {run.name} --split {split}` makes it anew."
                )
    return _joined(found)


def _joined(found: Sequence[Alignment]) -> list[Alignment]:
    """Runs that were held against the same people's answers to the same items stand in one table."""
    joined: list[Alignment] = []
    for one in found:
        place = next((place for place, other in enumerate(joined) if _alike(one, other)), None)
        if place is None:
            joined.append(one)
            continue
        other = joined[place]
        joined[place] = replace(
            other,
            models=(*other.models, *one.models),
            notes=tuple(dict.fromkeys((*other.notes, *one.notes))),
            evidence=other.evidence | one.evidence,
        )
    return joined


def _alike(one: Alignment, other: Alignment) -> bool:
    return all(
        getattr(one, key) == getattr(other, key)
        for key in ("human", "split", "positive", "baseline", "people")
    )


def _file(run: Run, split: str) -> Path:
    return run.path / FOLDER / f"{split}.json"
