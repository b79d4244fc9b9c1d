"""Study, the way back: people's answers + a run's evidence → what they make of RMA ≥ τ, PT and IR."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..measures.alignment import estimated
from ..measures.bootstrap import Resampling, estimates
from ..measures.estimates import Estimate
from ..measures.human_evidence import (
    NO,
    QUADRANTS,
    UNSURE,
    YES,
    Judged,
    among_samples,
    evidence_samples,
    threshold_samples,
)
from ..measures.scoring import proportion
from ..measures.study_results import Excluded, StudyScore, StudyStratum
from ..reporting.gallery import rows_of
from ..runs.evidence import NO_EVIDENCE, OK, EvidenceSet
from ..runs.folder import Run
from .audit_files import digest
from .study_files import SCHEMA, Answers, Key, quadrants, read_answers, read_key, write_scores

REPLICATES = 2000
PASS = 0.75
"""Share of the attention checks that a person must pass."""
FEW = 5
"""Decided pictures of a quadrant below which resampling them tells too little."""
_CODES = {"yes": YES, "no": NO, "unsure": UNSURE}


@dataclass(frozen=True)
class StudyScoreRequest:
    """Whose answers to score."""

    run: Run
    answers: tuple[Path, ...]
    passing: float = PASS
    replicates: int = REPLICATES
    seed: int = 0


def run(request: StudyScoreRequest) -> StudyScore:
    """Score a study and keep the result beside its key.

    Raises ``InputError`` for answers that cannot be read or belong to another study, for evidence that is not
    what was shown, and where nobody's answers are left.
    """
    everybody = read_answers(request.answers)
    key = read_key(request.run, everybody[0].study)
    evidence = _evidence(request.run, key)
    for one in everybody:
        _check(one, key)
    counted, excluded = _attentive(everybody, key, request.passing)
    judged = _judged(evidence, key, counted, Resampling(request.replicates, request.seed))
    n = int(np.isfinite(judged.votes[0]).sum())
    said: Counter[str] = Counter(
        one.response for person in counted for one in person.answers if one.item in key.items
    )
    result = StudyScore(
        SCHEMA,
        key.study,
        request.run.name,
        key.split,
        key.specification,
        key.threshold,
        key.show,
        len(counted),
        tuple(excluded),
        dict(said),
        {name: estimated(values, n) for name, values in among_samples(judged).items()},
        {name: estimated(values, n) for name, values in threshold_samples(judged).items()},
        {name: estimated(values, n) for name, values in evidence_samples(judged).items()},
        _by_rma(evidence, key, judged.how),
        tuple(_strata(judged)),
        tuple(_notes(judged, counted, key, evidence)),
        request.replicates,
        request.seed,
        key.evidence,
    )
    write_scores(request.run, result)
    return result


def _evidence(run: Run, key: Key) -> EvidenceSet:
    found = run.evidence(key.split).get(key.specification)
    if found is None or digest(found) != key.evidence:
        raise InputError(
            f"Expected the evidence {key.specification!r} on {key.split!r} that people were shown but "
            f"{'there is none' if found is None else 'it is another one now'}.",
            where=str(run.path),
            next_step="score the answers with the run folder as it was at the export, or ask anew",
        )
    return found


def _check(one: Answers, key: Key) -> None:
    times = Counter(answer.item for answer in one.answers)
    for item, number in times.items():
        if item not in key.items and item not in key.checks:
            raise InputError(
                f"Expected answers to the study's own items but {one.participant!r} has {item!r}."
            )
        if number > 1:
            raise InputError(f"Expected one answer an item but {one.participant!r} has {number} to {item!r}.")


def _attentive(
    everybody: Sequence[Answers], key: Key, passing: float
) -> tuple[list[Answers], list[Excluded]]:
    counted, excluded = [], []
    for one in everybody:
        given = {item: one.by_item[item] for item in key.checks if item in one.by_item}
        passed = sum(answer == key.checks[item] for item, answer in given.items())
        if key.checks and not given:
            excluded.append(Excluded(one.participant, "answered no attention check"))
        elif passed < passing * len(given):
            excluded.append(Excluded(one.participant, f"passed {passed} of {len(given)} attention checks"))
        else:
            counted.append(one)
    if not counted:
        told = "; ".join(f"{one.person} {one.reason}" for one in excluded)
        raise InputError(
            f"Expected somebody's answers to count but nobody's do: {told}.",
            next_step="--pass lowers the share of attention checks that must be passed",
        )
    return counted, excluded


def _judged(evidence: EvidenceSet, key: Key, counted: Sequence[Answers], how: Resampling) -> Judged:
    table = evidence.table
    rows = rows_of(table, list(key.items.values()))
    by_item = [one.by_item for one in counted]
    answers = np.array(
        [[_CODES[one[item]] if item in one else np.nan for one in by_item] for item in key.items]
    )
    quadrant = quadrants(table, key.threshold)
    shown, blank = (
        np.bincount(quadrant[table.status == status], minlength=len(QUADRANTS))
        for status in (OK, NO_EVIDENCE)
    )
    return Judged(answers, quadrant[rows], table.rma[rows], shown, blank, how)


def _by_rma(evidence: EvidenceSet, key: Key, how: Resampling) -> dict[str, Estimate]:
    found = estimates(quadrants(evidence.table, key.threshold), how)
    return {name: found[name] for name in ("V", "PT", "IR")}


def _strata(judged: Judged) -> Iterator[StudyStratum]:
    for place, name in enumerate(QUADRANTS):
        votes = judged.votes[0, judged.quadrant == place]
        decided = votes[np.isfinite(votes)]
        share = proportion(int(decided.sum()), len(decided))
        yield StudyStratum(name, int(judged.sizes[place]), len(votes), len(decided), share)


def _notes(judged: Judged, counted: Sequence[Answers], key: Key, evidence: EvidenceSet) -> Iterator[str]:
    asked = len(key.items) + len(key.checks)
    if partial := [one.participant for one in counted if len(one.answers) < asked]:
        yield f"Not finished, counted as far as they went: {', '.join(partial)}."
    if split := int(np.isnan(judged.votes[0]).sum()):
        yield f"{split} of {len(key.items)} pictures are split evenly or undecided and count nowhere."
    valid = zip(QUADRANTS, judged.valid[0], strict=True)
    if lacking := [name for name, number in valid if np.isnan(number)]:
        yield f"No picture of {', '.join(lacking)} was decided: nothing can be said of the whole split."
    few = [
        name
        for name, number, size in zip(QUADRANTS, judged.decided[0], judged.sizes, strict=True)
        if size and 0 < number < FEW
    ]
    if few:
        yield f"Fewer than {FEW} decided pictures stand for {', '.join(few)}: intervals are too narrow."
    if not key.checks:
        yield "There were no attention checks: everybody counts."
    if len(counted) < 2:
        yield "One person alone says nothing of how far people agree."
    if evidence.spec.target == "prediction":
        yield "People were asked of the predicted class, which may be wrong in itself."
