"""Align: people's answers + answers of runs or of a file → how far models go with people; no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contracts import Progress, Silent
from ..errors import InputError, did_you_mean
from ..measures.alignment import (
    FEWEST,
    REPLICATES,
    SHARES,
    Crowd,
    Samples,
    binary,
    difference,
    estimated,
    model_samples,
    people_samples,
    varying,
)
from ..measures.alignment_results import Alignment, Kind, Mixed, ModelAlignment, People
from ..measures.bootstrap import Resampling
from ..measures.estimates import Estimate
from ..measures.weighted import Floats
from ..reporting.layout_csv import written
from ..runs.atomic import write_text
from ..runs.folder import Run
from .alignment_files import Answered, answered, write_alignment
from .comparable import named, zero_shot
from .human_files import AnswersFile, Meaning, PeopleFile, found, read_answers, read_people

SCHEMA = 1
BRMS = ("Model", "Human", "Ind")
"""Columns of the export, as R scripts by brms take them."""


@dataclass(frozen=True)
class AlignRequest:
    """Whom to hold against whom."""

    human: Path
    """CSV of people's answers; see ``human_files.read_people``."""
    runs: tuple[Run, ...] = ()
    answers: Path | None = None
    """CSV of models' answers; see ``human_files.read_answers``."""
    columns: tuple[str, ...] | None = None
    """Models of ``answers`` to take; None takes all."""
    split: str | None = None
    """Of the runs; None takes the first run's first."""
    positive: str | None = None
    """The class or word that an answer of 1 means; None: the second of a run's two classes."""
    baseline: str | None = None
    """Model that the others are compared with; None: the only zero-shot run."""
    mixed: bool = False
    export: Path | None = None
    """Where pairs of answers go for brms."""
    replicates: int = REPLICATES
    seed: int = 0


@dataclass(frozen=True)
class _Model:
    """One model's answers to the common items."""

    name: str
    kind: Kind
    answers: Floats


@dataclass(frozen=True)
class _Aligned:
    """Everything about the items that people judged and all models have."""

    people: PeopleFile
    rows: Sequence[int]
    """Of the people's file."""
    truth: Floats | None
    models: tuple[_Model, ...]
    positive: str | None
    split: str | None
    evidence: Mapping[str, str]
    notes: tuple[str, ...]


def run(request: AlignRequest, progress: Progress | None = None) -> Alignment:
    """Hold models against people and keep the result in ``alignment/<split>.json`` of each run's folder.

    Raises ``InputError`` for files that cannot be read, items that do not match, and unknown names.
    """
    progress = progress or Silent()
    aligned = _aligned(request)
    if request.export is not None:
        _export(request.export, aligned)
    crowd = Crowd(
        aligned.people.responses[aligned.rows], aligned.truth, Resampling(request.replicates, request.seed)
    )
    baseline = _baseline(request, aligned)
    with progress.task("holding models against people", len(aligned.models) + 1) as advance:
        people = _people(aligned.people, crowd)
        advance(1, "people")
        samples = []
        for one in aligned.models:
            samples.append(model_samples(crowd, one.answers))
            advance(1, one.name)
    models = tuple(
        _model(one, own, crowd, _reference(one, baseline, aligned.models, samples), request.mixed)
        for one, own in zip(aligned.models, samples, strict=True)
    )
    result = Alignment(
        SCHEMA,
        request.human.name,
        aligned.split,
        aligned.positive,
        baseline,
        people,
        models,
        (*aligned.notes, *_undefined(people, models)),
        request.replicates,
        request.seed,
        dict(aligned.evidence),
    )
    for name, aligned_run in named(request.runs):
        write_alignment(aligned_run, name, result)
    return result


def _aligned(request: AlignRequest) -> _Aligned:
    split = _split(request)
    views = {name: answered(one, str(split)) for name, one in named(request.runs)}
    meaning = _meaning(request, views)
    people = read_people(request.human, meaning)
    file = None if request.answers is None else read_answers(request.answers, meaning, request.columns)
    items = _items(people, file, request)
    sources = {name: tuple(map(str, one.table.id)) for name, one in views.items()}
    if file is not None:
        sources[Path(str(request.answers)).name] = file.items
    places = {name: found(items, ids) for name, ids in sources.items()}
    rows = [row for row, item in enumerate(items) if all(item in one for one in places.values())]
    _enough(items, rows, sources)
    at = {name: np.array([one[items[row]] for row in rows]) for name, one in places.items()}
    models, truth = _of_runs(views, at, meaning)
    notes = _partial(items, rows)
    if file is not None:
        chosen = at[Path(str(request.answers)).name]
        own, more = _of_file(file, chosen, binary(people.responses), request.columns)
        models, notes = [*models, *own], [*notes, *more]
        truth = truth if file.truth is None else file.truth[chosen]
    if not models:
        raise InputError("Expected answers of at least one model but got none.", where=str(request.answers))
    return _Aligned(
        people,
        rows,
        truth,
        tuple(models),
        meaning.positive,
        split,
        {name: one.digest for name, one in views.items()},
        tuple(notes),
    )


def _split(request: AlignRequest) -> str | None:
    if not request.runs or request.split is not None:
        return request.split
    first = request.runs[0]
    splits = first.splits()
    if not splits:
        raise InputError(
            f"Expected a run with predictions but {first.name!r} has none.",
            where=str(first.path),
            next_step=f"rationale explain {first.name}",
        )
    return splits[0]


def _meaning(request: AlignRequest, views: Mapping[str, Answered]) -> Meaning:
    classes = {one.classnames for one in views.values()}
    if len(classes) > 1:
        raise InputError("Expected runs with the same classes but got several lists of classes.")
    names = next(iter(classes), ())
    if request.positive is None and len(names) == 2:
        return Meaning(names[1], names)
    if names and request.positive not in names:
        told = "" if request.positive is None else f" {did_you_mean(request.positive, names)}"
        raise InputError(
            f"Expected the class that people were asked about but got {request.positive!r}.{told}",
            next_step="--positive CLASS says which class an answer of 1 means",
        )
    return Meaning(request.positive, names)


def _items(people: PeopleFile, file: AnswersFile | None, request: AlignRequest) -> tuple[str, ...]:
    """Names of the people's rows; where they have none, those of the answers in the same order."""
    if people.items is not None:
        return people.items
    if file is None:
        raise InputError(
            "Expected names of items but rows are only numbered.",
            where=str(request.human),
            next_step="put the items' names into the first column, or name them by the rows of an --answers "
            "file in the same order",
        )
    if len(file.items) != len(people.responses):
        raise InputError(
            f"Expected as many rows of answers as people judged items, {len(people.responses)}, but got "
            f"{len(file.items)}.",
            where=str(request.answers),
            next_step="give the people's rows the items' names",
        )
    return file.items


def _enough(items: Sequence[str], rows: Sequence[int], sources: Mapping[str, Sequence[str]]) -> None:
    if len(rows) >= FEWEST:
        return
    told = "; ".join(f"{name} has {', '.join(ids[:3])} …" for name, ids in sources.items())
    raise InputError(
        f"Expected at least {FEWEST} items that people judged and every model answered but got {len(rows)}.",
        where=f"people judged {', '.join(items[:3])} …; {told}",
        next_step="name items as the run's pictures are called, with or without folder and ending",
    )


def _partial(items: Sequence[str], rows: Sequence[int]) -> list[str]:
    left = sorted(set(range(len(items))) - set(rows))
    if not left:
        return []
    example = ", ".join(items[row] for row in left[:3])
    return [f"{len(left)} of {len(items)} judged items lack a model's answer and are left out: {example} …"]


def _of_runs(
    views: Mapping[str, Answered], at: Mapping[str, np.ndarray], meaning: Meaning
) -> tuple[list[_Model], Floats | None]:
    models, truth = [], None
    for name, view in views.items():
        positive = view.classnames.index(str(meaning.positive))
        rows = at[name]
        models.append(_Model(name, "answer", (view.table.prediction[rows] == positive).astype(np.float64)))
        scores = view.scores(positive)[rows]
        if np.isfinite(scores).all():
            models.append(_Model(name, "score", scores))
        truth = (view.table.label[rows] == positive).astype(np.float64)
    return models, truth


def _of_file(
    file: AnswersFile, rows: np.ndarray, people_binary: bool, columns: Sequence[str] | None
) -> tuple[list[_Model], list[str]]:
    models, left = [], []
    for name, values in file.answers.items():
        answers = values[rows]
        known = answers[np.isfinite(answers)]
        if columns is None and people_binary and not ((known >= 0) & (known <= 1)).all():
            left.append(name)
        else:
            models.append(_Model(name, "answer" if binary(answers) else "score", answers))
    return models, [f"Left out, since they are no answers of 0 to 1: {', '.join(left)}."] if left else []


def _baseline(request: AlignRequest, aligned: _Aligned) -> str | None:
    names = dict.fromkeys(one.name for one in aligned.models)
    if request.baseline is not None:
        if request.baseline not in names:
            raise InputError(
                f"Expected the baseline among the models but got {request.baseline!r}. "
                f"{did_you_mean(request.baseline, names)}"
            )
        return request.baseline
    shots = [name for name, one in named(request.runs) if zero_shot(one)]
    return shots[0] if len(shots) == 1 and len(names) > 1 else None


def _reference(
    one: _Model, baseline: str | None, models: Sequence[_Model], samples: Sequence[Samples]
) -> Samples:
    """The baseline's own samples: scores against scores, answers against answers."""
    if one.name == baseline:
        return {}
    for other, own in zip(models, samples, strict=True):
        if other.name == baseline and other.kind == one.kind:
            return own
    return {}


def _people(file: PeopleFile, crowd: Crowd) -> People:
    n = len(crowd.responses)
    judged = np.isfinite(crowd.responses)
    return People(
        people=int(judged.any(axis=0).sum()),
        items=n,
        responses=int(judged.sum()),
        binary=crowd.binary,
        varying=varying(crowd.responses),
        measures=_estimated(people_samples(crowd), n),
        seconds=file.seconds,
    )


def _model(one: _Model, own: Samples, crowd: Crowd, reference: Samples, mixed: bool) -> ModelAlignment:
    known = one.answers[np.isfinite(one.answers)]
    n = len(known)
    return ModelAlignment(
        model=one.name,
        kind=one.kind,
        items=n,
        constant=bool(n and np.ptp(known) == 0),
        measures=_estimated(own, n),
        differences={
            name: difference(values, reference[name], n) for name, values in own.items() if name in reference
        },
        mixed=_mixed(one, crowd) if mixed else None,
    )


def _estimated(samples: Samples, n: int) -> dict[str, Estimate]:
    return {name: estimated(values, n, share=name in SHARES) for name, values in samples.items()}


def _mixed(one: _Model, crowd: Crowd) -> Mixed:
    from ..measures.mixed import mixed

    return mixed(one.answers, crowd.responses)


def _undefined(people: People, models: Sequence[ModelAlignment]) -> list[str]:
    """What cannot be said of models and people, and why."""
    notes = [
        f"{one.model} gave one answer to all {one.items} items: its correlations are undefined."
        for one in models
        if one.constant
    ]
    notes += [
        f"{one.model} did not answer {people.items - one.items} of the {people.items} items."
        for one in models
        if one.items < people.items
    ]
    if people.varying < people.people:
        notes.append(
            f"{people.people - people.varying} of {people.people} people gave one answer to every item; "
            "they have no correlation and are left out of means over people."
        )
    if not people.binary:
        notes.append("Responses are ratings: shares of right and of equal answers are not defined for them.")
    return notes


def _export(path: Path, aligned: _Aligned) -> None:
    answers = [one for one in aligned.models if one.kind == "answer"] or list(aligned.models)
    if len(answers) > 1:
        raise InputError(
            f"Expected one model to export but got {', '.join(one.name for one in answers)}.",
            next_step="name one RUN, or one of the --columns",
        )
    responses = aligned.people.responses[aligned.rows]
    lines = [
        (f"{answer:g}", f"{response:g}", person)
        for person, column in zip(aligned.people.people, responses.T, strict=True)
        for answer, response in zip(answers[0].answers, column, strict=True)
        if np.isfinite(answer) and np.isfinite(response)
    ]
    write_text(path, written(BRMS, lines))
