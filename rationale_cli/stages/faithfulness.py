"""Faithfulness: stored heatmaps + model + pictures → whether the heatmaps are to be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..contracts import Attribution, Classifier, Progress, Scalar, Silent, Specification
from ..engine.batches import Pictures, chunks, limited, loader
from ..engine.build import Built, accelerator, build, place, restore_checkpoint
from ..engine.conditions import Condition, conditions, further_conditions
from ..engine.configure import choose
from ..engine.faithfulness import (
    Columns,
    Explainer,
    Shown,
    agreements,
    causal,
    perturbed,
    plausible,
    removals,
    stable,
)
from ..engine.request import requested
from ..engine.retarget import classifier_for
from ..errors import InputError
from ..measures.estimates import Estimate
from ..measures.faithfulness import (
    CAUSAL,
    Faithfulness,
    SetFaithfulness,
    Survival,
    agreement,
    association,
    mean,
    survival,
)
from ..recipe import Draft, from_mapping
from ..registry import Registry
from ..runs.evidence import OK, EvidenceSet
from ..runs.folder import Run
from ..toolkit.perturbation import Removals, Replacement
from .audit_files import digest
from .faithfulness_files import write_faithfulness

_BATCH = 32
AGAIN = 24
"""Pictures at most, evenly spread, that are explained again: altered, for another class, by shuffled models.
Six times the cost of their heatmaps; a mean rank correlation needs no more of them."""


@dataclass(frozen=True)
class FaithfulnessRequest:
    """Which run and split, and how closely to look."""

    run: Run
    registry: Registry
    split: str | None = None
    """With how its pictures were shown; None takes the run's first."""
    limit: int = 100
    """Pictures at most, evenly spread over the split."""
    steps: int = 10
    """Points of a curve of deletion or insertion."""


@dataclass(frozen=True)
class _Work:
    """What all batches share."""

    classifier: Classifier
    pictures: Pictures
    sets: Mapping[str, EvidenceSet]
    explainers: Mapping[str, Explainer]
    rows: Sequence[int]
    """Of the sets' tables."""
    again: Sequence[int]
    """Those of them that are explained again."""
    device: torch.device
    classes: int
    steps: int


def run(request: FaithfulnessRequest, progress: Progress | None = None) -> Faithfulness:
    """Measure every evidence set of a split and write ``faithfulness/<split>.json`` in the run folder.

    Raises ``InputError`` for a run without evidence there and for data that changed since.
    """
    progress = progress or Silent()
    split, sets = _sets(request)
    work = _work(request, split, sets)
    with torch.inference_mode(False):
        effects, columns, alike = _measured(work, request.run.name, split, progress)
    result = _result(request, split, work, effects, columns, alike)
    write_faithfulness(request.run, result)
    return result


def _sets(request: FaithfulnessRequest) -> tuple[str, dict[str, EvidenceSet]]:
    run = request.run
    splits = run.splits()
    split = request.split or next(iter(splits), None)
    if split is None or split not in splits:
        known = ", ".join(splits) or "none"
        raise InputError(
            f"Expected evidence of run {run.name!r} on {request.split or 'some split'} but there is none. "
            f"Known: {known}.",
            where=str(run.path),
            next_step=f"rationale explain {run.name}",
        )
    sets = run.evidence(split)
    first = next(iter(sets.values()))
    kept = {name: one for name, one in sets.items() if np.array_equal(one.table.id, first.table.id)}
    return split, kept


def _work(request: FaithfulnessRequest, split: str, sets: Mapping[str, EvidenceSet]) -> _Work:
    configuration = requested(request.run, request.registry).configuration
    built = build(configuration)
    condition = _condition(request.run, built, split)
    restore_checkpoint(request.run, built.classifier)
    device = accelerator("no").device
    place(built.classifier, device)
    task = condition.task(built.dataset.task)
    classifier = classifier_for(built, task)
    place(classifier, device)
    cast(nn.Module, classifier).eval()
    first = next(iter(sets.values()))
    if condition.dataset.fingerprint != first.spec.fingerprint:
        raise InputError(
            "Expected the data that this run was explained on but they changed since.",
            where=request.run.name,
            next_step="restore the data, or explain again",
        )
    rows = limited(len(first.table), request.limit)
    again = [rows[place] for place in limited(len(rows), AGAIN)]
    explainers = {name: _explainer(one, request.registry) for name, one in sets.items()}
    pictures = condition.pictures(built)
    classes = len(task.classnames)
    return _Work(classifier, pictures, sets, explainers, rows, again, device, classes, request.steps)


def _condition(run: Run, built: Built, split: str) -> Condition:
    tuned = run.configuration
    known = conditions(built.configuration, tuned, built) + further_conditions(built.configuration, tuned)
    for one in known:
        if one.label == split:
            return one
    told = ", ".join(one.label for one in known)
    raise InputError(
        f"Expected a split that the run's own settings show but got {split!r}. Known: {told}.",
        where=str(run.path),
        next_step="choose one of these with --split",
    )


def _explainer(one: EvidenceSet, registry: Registry) -> Explainer:
    spec = one.spec
    told = {f"attribution.{key}": value for key, value in spec.options.items()}
    draft = Draft(from_mapping({"attribution": spec.attribution, **told}, "spec.yaml"))
    chosen = choose("attribution", draft, registry)
    plain = Specification()
    asked = Specification(spec.layers or plain.layers, cast(Scalar, spec.scalar or plain.scalar))
    return Explainer(cast(Attribution, chosen.build()), asked)


Measured = tuple[Columns, dict[str, Columns], dict[tuple[str, str], npt.NDArray[np.float64]]]


def _measured(work: _Work, name: str, split: str, progress: Progress) -> Measured:
    """Effects of exchange, the columns of each set, and the agreement of every two."""
    effects: list[Columns] = []
    columns: dict[str, list[Columns]] = {one: [] for one in work.sets}
    alike: list[dict[tuple[str, str], npt.NDArray[np.float64]]] = []
    table = next(iter(work.sets.values())).table
    place_of = {identifier: place for place, identifier in enumerate(work.pictures.split.ids)}
    places = [place_of[str(table.id[row])] for row in work.rows]
    plans = chunks(places, _BATCH)
    with progress.task(f"testing the heatmaps of {name} on {split}", len(plans) * len(work.sets)) as advance:
        start = 0
        for batch in loader(work.pictures, plans, 0):
            batch.complain()
            rows = list(work.rows[start : start + len(batch.ids)])
            start += len(rows)
            shown = Shown.of(batch, work.pictures.preprocessing, work.device)
            taken = removals(work.classifier, shown)
            effects.append(causal(work.classifier, shown))
            maps = {one: _heatmaps(work.sets[one], rows, work.device) for one in work.sets}
            for one in work.sets:
                columns[one].append(_of_set(work, one, shown, taken, maps[one], rows))
                advance(1, one)
            alike.append(dict(agreements(maps)))
    joined = {one: _joined(parts) for one, parts in columns.items()}
    return (
        _joined(effects) if all(effects) else {},
        joined,
        {pair: np.concatenate([part[pair] for part in alike]) for pair in alike[0]},
    )


def _of_set(
    work: _Work,
    name: str,
    shown: Shown,
    taken: Mapping[Replacement, Removals],
    relevance: torch.Tensor,
    rows: Sequence[int],
) -> Columns:
    one = work.sets[name]
    targets = shown.labels
    if one.spec.target == "prediction":
        targets = torch.from_numpy(one.table.prediction[rows]).long().to(work.device)
    found = {**perturbed(taken, relevance, targets, work.steps), **plausible(shown, relevance)}
    few = torch.tensor([place for place, row in enumerate(rows) if row in work.again], device=work.device)
    if len(few):
        again = shown.images[few], relevance[few], targets[few]
        found |= stable(work.classifier, *again, work.explainers[name], work.classes)
    return found


def _heatmaps(one: EvidenceSet, rows: Sequence[int], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.asarray(one.heatmaps()[rows], dtype=np.float32)).to(device)


def _joined(parts: Sequence[Columns]) -> Columns:
    """Columns of all parts, of as many pictures as have them."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: np.concatenate([part[name] for part in parts if name in part]) for name in names}


def _result(
    request: FaithfulnessRequest,
    split: str,
    work: _Work,
    effects: Columns,
    columns: Mapping[str, Columns],
    alike: Mapping[tuple[str, str], npt.NDArray[np.float64]],
) -> Faithfulness:
    share = effects.get("share")
    sets = []
    for name, own in columns.items():
        one = work.sets[name]
        measures: dict[str, Estimate] = {measure: mean(values) for measure, values in own.items()}
        if share is not None:
            measures[CAUSAL] = association(own["energy"], share)
        sets.append(SetFaithfulness(name, one.spec.control, measures, digest(one)))
    return Faithfulness(
        request.run.name,
        split,
        len(work.rows),
        work.steps,
        tuple(sets),
        agreement(list(columns), alike),
        tuple(_survivals(request.run, split, work.sets)),
        None if share is None else mean(share),
    )


def _survivals(run: Run, split: str, sets: Mapping[str, EvidenceSet]) -> Iterator[Survival]:
    """Of all pictures of the split, from what is stored; valid by RMA ≥ 0.5 (protocol §1)."""
    table = run.witness(split)
    if table is None:
        return
    for name, one in sets.items():
        if one.spec.control or not np.array_equal(one.table.id, table.id):
            continue
        for kind in ("exact", "box"):
            seen = getattr(table, kind)
            known = (one.table.status == OK) & (seen >= 0)
            if known.any():
                label = one.table.label[known]
                right, valid = one.table.prediction[known] == label, one.table.rma[known] >= 0.5
                yield survival(name, kind, right, valid, seen[known] == label)
