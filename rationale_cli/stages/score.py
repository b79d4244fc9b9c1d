"""Score: evidence in run folders → quadrants, measures, comparisons and verdicts; no model, no torch.

result = score.run(score.ScoreRequest(tuple(list_runs(Path("runs"))), mismatch="separate"))
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .. import __version__
from ..contracts import Progress, Silent
from ..errors import InputError
from ..measures.across import across
from ..measures.across_results import AcrossAttributions
from ..measures.base_new import BASE, NEW, base_new
from ..measures.base_new_results import BaseNewMeans
from ..measures.bootstrap import LEVEL, Resampling
from ..measures.calibration import BINS
from ..measures.calibration_comparing import compare_calibration, settle_calibration
from ..measures.calibration_scoring import CONFIDENT, CalibrationSettings, score_calibration
from ..measures.cells import seed_cells
from ..measures.comparing import compare, explainer_free, settle
from ..measures.comparison_results import Comparison
from ..measures.curves import THRESHOLDS
from ..measures.precision import precision_effects
from ..measures.regularized import joined_halves, regularizer_effects
from ..measures.results import ScoreResult, ScoreTable, to_json
from ..measures.scoring import score_run
from ..measures.sweep import Sweep, settle_sweeps, sweep_pair, sweep_run
from ..measures.verdict import ALPHA
from ..runs.atomic import write_text
from ..runs.folder import Run
from .comparable import Mismatch, Source, baseline_of, groups, sources, zero_shot
from .measuring import RmaKind, common_ids, left_out, measure
from .shifts import Group, shifts

SCHEMA = 1
FILE = "scores.json"
MOST_BINS = 100


@dataclass(frozen=True)
class ScoreRequest:
    """What to score, and how."""

    runs: tuple[Run, ...]
    thresholds: tuple[float, ...] = (0.5,)
    """RMA at or above is valid evidence; the first is the main one."""
    baseline: str | None = None
    """Name of the run that all others are compared with; None: the zero-shot run of the same model."""
    specification: str | None = None
    """Name of the evidence set; None: ``gaa-last-dot``, or the first explanation that there is."""
    rma: RmaKind = "normalised"
    replicates: int = 10_000
    seed: int = 0
    resample: Literal["images", "class"] = "images"
    """Bootstrap over all pictures, or within classes."""
    bins: int = BINS
    """Bins of the calibration errors."""
    confident: float = CONFIDENT
    """Confidence from which on a right answer for the wrong reason is told apart."""
    mismatch: Mismatch = "refuse"
    """Runs that cannot be compared: ``refuse`` them, ``separate`` them into tables of their own, or ``allow``
    the comparison on common pictures with a warning."""


@dataclass(frozen=True)
class Prepared:
    """Evidence that was read once, for ``score`` and ``curves``."""

    request: ScoreRequest
    groups: tuple[Group, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Scored:
    """Scores, and the evidence that they were computed from."""

    prepared: Prepared
    result: ScoreResult


def run(request: ScoreRequest, progress: Progress | None = None) -> ScoreResult:
    """Score runs and leave ``scores.json`` in each run folder.

    Raises ``InputError`` where there is no evidence, or runs cannot be compared (see ``ScoreRequest``).
    """
    return recorded(request, progress).result


def recorded(request: ScoreRequest, progress: Progress | None = None) -> Scored:
    """The same, with the evidence for whoever goes on with it. Raises as ``run`` does."""
    progress = progress or Silent()
    prepared = prepare(request, progress)
    result = score(prepared, progress)
    for name, one in _folders(prepared, request.runs).items():
        write_text(one.path / FILE, json.dumps(to_json(_of_run(result, name)), ensure_ascii=False, indent=1))
    return Scored(prepared, result)


def prepare(request: ScoreRequest, progress: Progress | None = None) -> Prepared:
    """Read the evidence, group what can be compared, align it. Warnings go to ``progress`` too."""
    progress = progress or Silent()
    _check(request)
    found, warnings = sources(request.runs, request.specification, request.mismatch)
    members, more = groups(found, request.mismatch, request.baseline)
    prepared = Prepared(
        request, tuple(_group(one, request) for one in members), tuple(dict.fromkeys(warnings + more))
    )
    for warning in prepared.warnings:
        progress.warn(warning)
    return prepared


def score(prepared: Prepared, progress: Progress | None = None) -> ScoreResult:
    """Compute every table, one a group and threshold, and shifts between splits."""
    progress = progress or Silent()
    request = prepared.request
    thresholds = tuple(dict.fromkeys(request.thresholds))
    steps = sum(len(group.measured) + len(group.pairs) for group in prepared.groups) * len(thresholds)
    tables = []
    with progress.task("scoring", steps) as advance:
        for group in prepared.groups:
            for threshold in thresholds:
                tables.append(_table(group, threshold, request))
                advance(len(group.measured) + len(group.pairs), group.spec.split)
    settings = {
        "version": __version__,
        "thresholds": list(thresholds),
        "baseline": request.baseline,
        "specification": request.specification,
        "rma": request.rma,
        "replicates": request.replicates,
        "seed": request.seed,
        "resample": request.resample,
        "bins": request.bins,
        "confident": request.confident,
        "mismatch": request.mismatch,
        "level": LEVEL,
        "alpha": ALPHA,
    }
    return ScoreResult(
        SCHEMA,
        settings,
        tuple(tables),
        shifts(prepared.groups),
        prepared.warnings,
        base_new(tables),
        _joined(prepared.groups, thresholds[0], request.bins),
    )


def curves(prepared: Prepared, progress: Progress | None = None) -> tuple[Sweep, ...]:
    """The score of each group at 101 thresholds, in the order of the groups."""
    progress = progress or Silent()
    with progress.task("scoring at every threshold", len(prepared.groups)) as advance:
        sweeps = []
        for group in prepared.groups:
            sweeps.append(_sweep(group, prepared.request))
            advance(1, group.spec.split)
    return tuple(sweeps)


def _check(request: ScoreRequest) -> None:
    for threshold in request.thresholds:
        if not 0 <= threshold <= 1:
            raise InputError(f"Expected a threshold between 0 and 1 but got {threshold}.")
    if not request.thresholds:
        raise InputError("Expected at least one threshold but got none.")
    if request.replicates < 100:
        raise InputError(f"Expected at least 100 replicates but got {request.replicates}.")
    if not 2 <= request.bins <= MOST_BINS:
        raise InputError(f"Expected 2 to {MOST_BINS} bins but got {request.bins}.")
    if not 0 <= request.confident <= 1:
        raise InputError(f"Expected a confidence between 0 and 1 but got {request.confident}.")
    names = [one.name for one in request.runs]
    if request.baseline is not None and request.baseline not in names:
        raise InputError(
            f"Expected the baseline among the runs but got {request.baseline!r}. Known: {', '.join(names)}."
        )


def _group(members: Sequence[Source], request: ScoreRequest) -> Group:
    ids = common_ids(members)
    if not len(ids):
        raise InputError(
            "Expected pictures that all runs have but there are none: "
            f"{', '.join(one.name for one in members)} on {members[0].split!r}.",
        )
    places = {one.name: place for place, one in enumerate(members)}
    baselines = [baseline_of(one, members, request.baseline) for one in members]
    pairs = tuple(
        (places[one.name], places[other.name])
        for one, other in zip(members, baselines, strict=True)
        if other is not None
    )
    measured = tuple(measure(one, ids, request.rma) for one in members)
    notes = tuple(_notes(members, len(ids), request))
    return Group(members[0].main.spec, measured, pairs, notes, tuple(members))


def _notes(members: Sequence[Source], n: int, request: ScoreRequest) -> list[str]:
    notes = []
    for one in members:
        if n < len(one.main.table):
            notes.append(f"{one.name}: {n} of its {len(one.main.table)} pictures are in all compared runs.")
        if partial := left_out(one, common_ids(members)):
            notes.append(
                f"{one.name}: {', '.join(partial)} cover other pictures and are left out of the audit."
            )
    if members[0].main.spec.layers == "reference":
        notes.append(
            "Layers `reference`: zero-shot heatmaps by the last layer, others by all. These are two "
            "estimators; their difference says nothing of the models."
        )
    if len({one.main.spec.precision for one in members}) > 1:
        notes.append("The runs were explained in different precisions.")
    shots = [one.name for one in members if zero_shot(one.run)]
    models = {str(one.run.configuration["model"]) for one in members if zero_shot(one.run)}
    if request.baseline is None and len(shots) > len(models):
        notes.append(f"Several zero-shot runs ({', '.join(shots)}): the last of each model is its baseline.")
    return notes


def _table(group: Group, threshold: float, request: ScoreRequest) -> ScoreTable:
    how = _resampling(group, request)
    spec, measured = group.spec, group.measured
    comparisons = settle([compare(measured[a], measured[b], threshold, how) for a, b in group.pairs])
    calibration = CalibrationSettings(request.bins, request.confident)
    precisions = tuple(effect for one in measured for effect in precision_effects(one, threshold))
    found = [
        replace(one, calibration=compare_calibration(measured[a], measured[b], request.bins, how))
        for one, (a, b) in zip(comparisons, group.pairs, strict=True)
    ]
    settled = settle_calibration(found)
    return ScoreTable(
        dataset=spec.dataset,
        fingerprint=spec.fingerprint,
        split=spec.split,
        specification=spec.name,
        attribution=spec.attribution,
        layers=spec.layers,
        scalar=spec.scalar,
        target=spec.target,
        rma=request.rma,
        threshold=threshold,
        chance=1 / len(spec.classnames),
        rows=tuple(
            replace(
                score_run(one, threshold, how),
                calibration=score_calibration(one, threshold, calibration, how),
            )
            for one in measured
        ),
        cells=seed_cells(measured, settled, threshold, request.bins),
        comparisons=settled,
        notes=(*group.notes, *map(str, precisions)),
        precisions=precisions,
        effects=regularizer_effects(measured, threshold, request.bins),
        across=_across(group, settled, threshold, how),
    )


def _across(
    group: Group, settled: Sequence[Comparison], threshold: float, how: Resampling
) -> tuple[AcrossAttributions, ...]:
    """Every run by all its attributions, beside the baseline that it is compared with."""
    compared = dict(zip((a for a, _ in group.pairs), zip(group.pairs, settled, strict=True), strict=True))
    found = []
    for place, one in enumerate(group.measured):
        pair, comparison = compared.get(place, (None, None))
        other = None if pair is None else group.measured[pair[1]]
        found.append(across(one, other, comparison, threshold, how))
    return tuple(one for one in found if one is not None)


def _joined(groups: Sequence[Group], threshold: float, bins: int) -> tuple[BaseNewMeans, ...]:
    """Both halves of each split, of the first group of each."""
    found: dict[tuple[str, str, str], Group] = {}
    for group in groups:
        found.setdefault((group.spec.dataset, group.spec.name, group.spec.split), group)
    return tuple(
        BaseNewMeans(
            dataset,
            split.removesuffix(BASE),
            name,
            joined_halves(group.measured, other.measured, threshold, bins),
        )
        for (dataset, name, split), group in found.items()
        if split.endswith(BASE) and (other := found.get((dataset, name, split.removesuffix(BASE) + NEW)))
    )


def _resampling(group: Group, request: ScoreRequest) -> Resampling:
    strata = group.measured[0].outcomes.label if request.resample == "class" else None
    return Resampling(request.replicates, request.seed, strata)


def _sweep(group: Group, request: ScoreRequest) -> Sweep:
    how = _resampling(group, request)
    measured, spec = group.measured, group.spec
    pairs = [(measured[a], measured[b]) for a, b in group.pairs]
    fixed = [
        one.p
        for run, baseline in pairs
        for one in explainer_free(run, baseline, how).values()
        if one.p is not None
    ]
    found = [sweep_pair(one, other, how) for one, other in pairs]
    return Sweep(
        spec.dataset,
        spec.fingerprint,
        spec.split,
        spec.name,
        tuple(THRESHOLDS.tolist()),
        tuple(sweep_run(one.run, one.outcomes, how) for one in measured),
        settle_sweeps([(one.run, other.run) for one, other in pairs], found, fixed),
    )


def _folders(prepared: Prepared, runs: Sequence[Run]) -> dict[str, Run]:
    scored = {one.run for group in prepared.groups for one in group.measured}
    by_name = {one.name: one for one in runs} | {str(one.path): one for one in runs}
    return {name: by_name[name] for name in sorted(scored)}


def _of_run(result: ScoreResult, name: str) -> ScoreResult:
    """What a result says of one run."""
    tables = [
        replace(
            table,
            rows=tuple(row for row in table.rows if row.run == name),
            cells=tuple(cell for cell in table.cells if name in cell.runs),
            effects=tuple(one for one in table.effects if name in one.runs),
            precisions=tuple(one for one in table.precisions if one.run == name),
            across=tuple(one for one in table.across if one.run == name),
            comparisons=tuple(one for one in table.comparisons if one.run == name),
        )
        for table in result.tables
    ]
    return replace(
        result,
        tables=tuple(table for table in tables if table.rows),
        shifts=tuple(shift for shift in result.shifts if shift.run == name),
        halves=tuple(one for one in result.halves if one.run == name),
        joined=tuple(
            replace(one, rows=rows)
            for one in result.joined
            if (rows := tuple(row for row in one.rows if name in row.runs))
        ),
    )
