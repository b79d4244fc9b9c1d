"""Faithfulness: stored heatmaps + model + pictures → whether the heatmaps are to be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch

from ..contracts import Attribution, Progress, Scalar, Silent, Specification
from ..engine.batches import chunks, limited, loader
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
from .reopened import Reopened, explained_sets, reopened

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

    there: Reopened
    sets: Mapping[str, EvidenceSet]
    explainers: Mapping[str, Explainer]
    rows: Sequence[int]
    """Of the sets' tables."""
    again: Sequence[int]
    """Those of them that are explained again."""
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
    split, sets = explained_sets(request.run, request.split)
    first = next(iter(sets.values()))
    kept = {name: one for name, one in sets.items() if np.array_equal(one.table.id, first.table.id)}
    return split, kept


def _work(request: FaithfulnessRequest, split: str, sets: Mapping[str, EvidenceSet]) -> _Work:
    first = next(iter(sets.values()))
    there = reopened(request.run, request.registry, split, first.spec.fingerprint)
    rows = limited(len(first.table), request.limit)
    again = [rows[place] for place in limited(len(rows), AGAIN)]
    explainers = {name: _explainer(one, request.registry) for name, one in sets.items()}
    return _Work(there, sets, explainers, rows, again, request.steps)


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
    there = work.there
    plans = chunks(there.places([str(table.id[row]) for row in work.rows]), _BATCH)
    with progress.task(f"testing the heatmaps of {name} on {split}", len(plans) * len(work.sets)) as advance:
        start = 0
        for batch in loader(there.pictures, plans, 0):
            batch.complain()
            rows = list(work.rows[start : start + len(batch.ids)])
            start += len(rows)
            shown = Shown.of(batch, there.pictures.preprocessing, there.device)
            taken = removals(there.classifier, shown)
            effects.append(causal(there.classifier, shown))
            maps = {one: _heatmaps(work.sets[one], rows, there.device) for one in work.sets}
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
        targets = torch.from_numpy(one.table.prediction[rows]).long().to(work.there.device)
    found = {**perturbed(taken, relevance, targets, work.steps), **plausible(shown, relevance)}
    few = torch.tensor(
        [place for place, row in enumerate(rows) if row in work.again], device=shown.images.device
    )
    if len(few):
        again = shown.images[few], relevance[few], targets[few]
        found |= stable(work.there.classifier, *again, work.explainers[name], len(work.there.task.classnames))
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
