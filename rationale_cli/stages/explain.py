"""Explain: run folder + dataset → evidence in the run folder."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator

from ..contracts import Classifier, Progress, Silent, Task
from ..engine.attributions import refusal
from ..engine.batches import Batch, Pictures, chunks, limited, loader
from ..engine.build import Built, accelerator, autocast, build, place, restore_checkpoint
from ..engine.compiled import compiled
from ..engine.conditions import Condition, conditions, further_conditions
from ..engine.estimators import Wanted, plan
from ..engine.gallery import choose, write_gallery
from ..engine.infer import Pass, infer
from ..engine.proximity import BasePictures
from ..engine.request import ExplainRequest
from ..engine.retarget import UnknownClassesError, classifier_for
from ..errors import InputError
from ..recipe import ExplainOptions
from ..runs.atomic import write_text
from ..runs.evidence import EvidenceSet, EvidenceSpec
from ..runs.folder import ASIDE, Run
from ..runs.parts import Parts, write_contexts, write_set, write_witness
from ..runs.predictions import PredictionSet, write_predictions

_LOGITS_BYTES = 64 << 20
"""Logits of a split that are kept unless it is said that they shall not be."""


@dataclass(frozen=True)
class ExplainResult:
    """What was written, by split and how its pictures were shown, and what had been there."""

    run: Run
    written: Mapping[str, tuple[str, ...]]
    kept: Mapping[str, tuple[str, ...]]
    skipped: Mapping[str, tuple[str, ...]]
    """Identifiers of unreadable pictures by split."""


@dataclass(frozen=True)
class _Work:
    """All that the passes over the splits share."""

    run: Run
    built: Built
    wanted: tuple[Wanted, ...]
    options: ExplainOptions
    machine: Accelerator
    near: BasePictures
    aside: bool
    """See ``ExplainRequest``."""
    classifiers: dict[Task, Classifier] = field(default_factory=dict)
    """By the classes to tell apart: their names are encoded once, however many conditions share them."""

    def classifier(self, task: Task) -> Classifier:
        """The run's, for these classes, on its device. Raises what ``classifier_for`` does."""
        if task not in self.classifiers:
            self.classifiers[task] = classifier_for(self.built, task)
            place(self.classifiers[task], self.machine.device)
        return self.classifiers[task]


def run(request: ExplainRequest, progress: Progress | None = None) -> ExplainResult:
    """Predict and explain every picture of every condition; what is there already is kept.

    Raises ``InputError`` for a run that is not finished, for evidence of the same name but another
    making, and for unreadable pictures unless they are to be skipped.
    """
    progress = progress or Silent()
    wanted = plan(request.attributions, request.options, request.registry)
    machine = accelerator("no")
    built = build(request.configuration)
    if request.own:
        _same_data(request.run, built)
    shown = _conditions(request, built)
    restore_checkpoint(request.run, built.classifier)
    place(built.classifier, machine.device)
    wanted = _usable(request, wanted, built.classifier, progress) if request.every else wanted
    near = BasePictures(request.run, built, machine, progress)
    work = _Work(request.run, built, wanted, request.options, machine, near, request.aside)
    written, kept, skipped = {}, {}, {}
    for condition in shown:
        label = condition.label
        try:
            written[label], kept[label], skipped[label] = _explain(work, condition, progress)
        except UnknownClassesError as error:
            if request.options.splits or not request.own:
                raise
            progress.warn(f"{label} is left out: {error.what}")
    return ExplainResult(request.run, written, kept, skipped)


def _usable(
    request: ExplainRequest, wanted: tuple[Wanted, ...], classifier: Classifier, progress: Progress
) -> tuple[Wanted, ...]:
    """All but those that refuse the model, each with a warning."""
    for note in request.notes:
        progress.warn(note)
    refused: dict[str, str | None] = {}
    for one in wanted:
        if one.chosen.name not in refused:
            refused[one.chosen.name] = refusal(one, classifier)
            if refused[one.chosen.name]:
                progress.warn(f"{one.chosen.bare} is left out: {refused[one.chosen.name]}")
    return tuple(one for one in wanted if refused[one.chosen.name] is None)


def _conditions(request: ExplainRequest, built: Built) -> list[Condition]:
    configuration, tuned = request.configuration, request.run.configuration
    if not request.own:
        return further_conditions(configuration, tuned, request.options.splits)
    return conditions(configuration, tuned, built) + further_conditions(configuration, tuned)


def _same_data(run: Run, built: Built) -> None:
    recorded = run.manifest["provenance"]["data_fingerprint"]
    if built.dataset.fingerprint != recorded:
        raise InputError(
            "Expected the data that this run was tuned on but they changed since "
            f"(fingerprint {recorded}, now {built.dataset.fingerprint}).",
            where=run.name,
            next_step="restore the data, or tune again on the data as they are",
        )


def _explain(
    work: _Work, condition: Condition, progress: Progress
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    folder = work.run.path / "evidence" / condition.label
    _set_aside(work, condition, folder)
    task = condition.task(work.built.dataset.task)
    classifier = work.classifier(task)
    pictures = condition.pictures(work.built)
    options = work.options
    indices = limited(len(pictures), options.limit, options.share, options.batch_size)
    described = (one.specs(work.built, options, condition) for one in work.wanted)
    specs = {spec.name: spec for specs in described for spec in specs}
    ids = [pictures.split.ids[index] for index in indices]
    kept = _kept(folder, specs, ids)
    todo = [name for name in specs if name not in kept]
    needs_witness = options.witness and not (folder / "witness").is_dir()
    needs_prediction = not _predicted(work, folder, ids, kept)
    skipped: tuple[str, ...] = ()
    if todo or needs_witness or needs_prediction:
        logits = needs_prediction and _keeps_logits(options, len(indices), len(task.classnames))
        sets = [specs[name] for name in todo]
        near = needs_prediction and options.neighbours != 0
        job = _Job(
            folder,
            classifier,
            pictures,
            tuple(indices),
            sets,
            needs_witness,
            needs_prediction,
            logits,
            work.near.facts if near else {},
            own=not condition.further,
        )
        skipped = _pass(work, job, progress)
    work.machine.wait_for_everyone()
    return tuple(todo), tuple(kept), skipped


def _set_aside(work: _Work, condition: Condition, folder: Path) -> None:
    """Mark what only an audit asks for; what a user asks for is marked no longer."""
    if not work.machine.is_main_process:
        return
    if not work.aside:
        (folder / ASIDE).unlink(missing_ok=True)
    elif condition.altered and not folder.is_dir():
        write_text(folder / ASIDE, "")


@dataclass(frozen=True)
class _Job:
    """One pass over one split."""

    folder: Path
    classifier: Classifier
    pictures: Pictures
    indices: tuple[int, ...]
    todo: Sequence[EvidenceSpec]
    witness: bool
    prediction: bool
    logits: bool
    near: Mapping[str, Any]
    """See ``BasePictures.facts``; empty where proximity is not wanted."""
    own: bool
    """Whether base pictures may be among these."""

    def digest(self, options: ExplainOptions) -> str:
        """What two passes must share for one to go on with the other's parts."""
        text = "".join(spec.to_yaml() for spec in self.todo)
        facts: list[Any] = [self.indices, options.batch_size, options.skip_bad, self.witness, self.logits]
        facts.append(sorted(self.near.items()))
        return f"{zlib.crc32((text + repr(facts)).encode()):08x}"


def _pass(work: _Work, job: _Job, progress: Progress) -> tuple[str, ...]:
    batches = chunks(job.indices, work.options.batch_size)
    parts = Parts(job.folder / f".parts-{job.digest(work.options)}", len(batches))
    names = [spec.name for spec in job.todo]
    machine, options = work.machine, work.options
    estimators = [one.estimator(names) for one in work.wanted if set(one.names()) & set(names)]
    inference = Pass(
        job.classifier,
        estimators,
        job.pictures.preprocessing,
        options.no_evidence,
        job.witness,
        partial(autocast, options.precision, machine.device),
        machine.device,
        job.logits,
        work.near.base if job.near else None,
        job.own,
    )
    if options.compile and job.witness:
        compiled(job.classifier, min(options.batch_size, len(job.indices)), machine.device)
    mine = parts.missing()[machine.process_index :: machine.num_processes]
    machine.wait_for_everyone()
    with progress.task(f"explaining {work.run.name} on {job.folder.name}", len(mine)) as advance:
        source = loader(job.pictures, [batches[number] for number in mine], options.workers)
        readable = source if options.skip_bad else _all_readable(source)
        with parts.writing() as write:
            for number, columns in zip(mine, infer(inference, readable), strict=True):
                write(number, columns)
                advance(1, "")
    machine.wait_for_everyone()
    return _merge(job, parts) if machine.is_main_process else ()


def _all_readable(batches: Iterator[Batch]) -> Iterator[Batch]:
    for batch in batches:
        batch.complain()
        yield batch


def _merge(job: _Job, parts: Parts) -> tuple[str, ...]:
    columns = parts.read()
    skipped = tuple(str(one) for one in columns["skipped"])
    if "id" not in columns:
        raise InputError("Expected at least one readable picture but there is none.", where=str(job.folder))
    if job.witness:
        write_witness(job.folder, columns)
    if job.prediction:
        write_predictions(job.folder, columns, job.near)
    contexts: Sequence[str] | None = getattr(job.pictures.split, "contexts", None)
    if contexts is not None:
        write_contexts(job.folder, job.pictures.split.ids, contexts)
    for spec in job.todo:
        write_set(job.folder, replace(spec, skipped=skipped), columns)
    if job.todo and not (job.folder / "gallery").is_dir():
        table = EvidenceSet.open(job.folder / job.todo[0].name).table
        place_of = {identifier: index for index, identifier in enumerate(job.pictures.split.ids)}
        rows = [place_of[str(table.id[row])] for row in choose(table)]
        write_gallery(job.folder / "gallery", job.pictures, rows)
    parts.remove()
    return skipped


def _keeps_logits(options: ExplainOptions, pictures: int, classes: int) -> bool:
    return 4 * pictures * classes <= _LOGITS_BYTES if options.logits is None else options.logits


def _predicted(work: _Work, folder: Path, ids: Sequence[str], kept: Sequence[str]) -> bool:
    """Whether the probabilities of these pictures are there, with logits and proximity if asked for."""
    if not (folder / "prediction").is_dir():
        return False
    there = PredictionSet.open(folder / "prediction")
    unreadable = {one for name in kept for one in EvidenceSet.open(folder / name).spec.skipped}
    wanted = {one for one in ids if one not in unreadable}
    enough = there.has_logits or work.options.logits is not True
    return wanted <= set(map(str, there.table.id)) and enough and _near(work, there, wanted)


def _near(work: _Work, there: PredictionSet, wanted: Set[str]) -> bool:
    """Whether nothing is to be gained by another pass: base pictures may lack on this machine."""
    neighbours = work.options.neighbours
    if not neighbours:
        return True
    near = there.proximity()
    known = np.isfinite(near) if near is not None else np.zeros(len(there.table), bool)
    same = there.near.get("neighbours") == neighbours
    return (same and wanted <= set(map(str, there.table.id[known]))) or work.near.base is None


def _kept(folder: Path, specs: Mapping[str, EvidenceSpec], ids: Sequence[str]) -> list[str]:
    """Sets that are there already. Raises ``InputError`` where one of that name was made otherwise."""
    kept = []
    for name, spec in specs.items():
        if not (folder / name / "spec.yaml").is_file():
            continue
        there = EvidenceSet.open(folder / name)
        wanted = [identifier for identifier in ids if identifier not in there.spec.skipped]
        other = replace(there.spec, skipped=()).to_yaml() != spec.to_yaml()
        if other or [str(one) for one in there.table.id] != wanted:
            what = "settings" if other else "pictures"
            raise InputError(
                f"Expected evidence {name!r} made with these {what} but it was made with others.",
                where=str(folder / name),
                next_step="ask for the same settings and limit as then, or delete it to measure anew",
            )
        kept.append(name)
    return kept
