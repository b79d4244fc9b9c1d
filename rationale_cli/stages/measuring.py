"""From evidence on disk to what scoring takes: one run on one split, aligned picture by picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..hooks import bare_name
from ..measures.calibration_results import (
    AS_PREDICTED,
    NOT_OF_ALL,
    NOT_STORED,
    Proximity,
    Recalibration,
)
from ..measures.concentration import concentration
from ..measures.faithfulness import SetFaithfulness
from ..measures.measured import Estimator, Exchanged, Explained, Heatmaps, Measured, Predictions, Witness
from ..measures.probabilities import Predicted
from ..measures.quadrants import Outcomes
from ..measures.verdict import CONTROLS, LAYERS, SCALARS
from ..runs.evidence import NO_EVIDENCE, OK, STATUS_NAMES, WITNESSES, EvidenceSet, EvidenceTable, WitnessTable
from ..runs.folder import IMPORTED, INTERPOLATION, Run
from ..runs.predictions import PredictionSet
from .comparable import Source
from .faithfulness_files import read_faithfulness

RmaKind = Literal["normalised", "raw"]
Ids = npt.NDArray[np.object_]
Order = npt.NDArray[np.intp]
Grid = dict[tuple[str | None, str | None], Estimator]

_SEEDS = ("seed", "shot_seed")


def common_ids(members: Sequence[Source]) -> Ids:
    """Identifiers that all members have, in the first one's order."""
    ids = members[0].main.table.id
    for other in members[1:]:
        if not np.array_equal(ids, other.main.table.id):
            known = set(other.main.table.id)
            ids = np.array([one for one in ids if one in known], dtype=object)
    return ids


def measure(source: Source, ids: Ids, rma: RmaKind) -> Measured:
    """One run on one split in the order of ``ids``, all of which it has."""
    main, spec = source.main, source.main.spec
    order = _order(main.table.id, ids)
    assert order is not None, "ids are common to all members"
    estimator = _estimator(main, order, rma)
    configuration = source.run.configuration
    own = source.run.predictions(source.split)
    predictions = {} if own is None else _predictions(source, own, ids)
    return Measured(
        run=source.name,
        title=_title(source.run),
        model=configuration["model"]["use"],
        method=configuration["method"]["use"],
        seed=configuration.get("train", {}).get("seed"),
        shot_seed=configuration.get("train", {}).get("shot_seed"),
        configuration=_decisive(configuration),
        unregularized=_decisive({**configuration, "regularizer": None}),
        regularizers=tuple(bare_name(one["use"]) for one in configuration.get("regularizer") or ()),
        ids=ids,
        classnames=spec.classnames,
        attribution=bare_name(spec.attribution),
        main=estimator,
        grid=_grid(source, ids, rma) | _own(estimator),
        controls=_controls(source, estimator.outcomes, ids, rma),
        witness=_witness(source, ids),
        effects=_effects(source, ids),
        statuses=_statuses(main.table.status[order]),
        skipped=len(spec.skipped),
        predictions=predictions,
        heatmaps=_heatmaps(source, ids) if predictions else None,
        proximity=_proximity(own, predictions) if own and predictions else None,
        precision=spec.precision,
        precisions=_precisions(source, ids, rma),
        explained=_explained(source, ids, rma),
        contexts=_contexts(source, ids),
    )


def _title(run: Run) -> str:
    """The values that a grid gave this cell, or the method."""
    parts = [part.partition("=")[2] for part in str(run.manifest.get("label") or "").split(", ") if part]
    added = (bare_name(one["use"]) for one in run.configuration.get("regularizer") or ())
    return " · ".join(parts) or " + ".join((bare_name(run.configuration["method"]["use"]), *added))


def left_out(source: Source, ids: Ids) -> list[str]:
    """Evidence sets beside the main one that lack some of the pictures and cannot serve an audit."""
    return [name for name, one in source.sets.items() if _order(one.table.id, ids) is None]


def _estimator(one: EvidenceSet, order: Order, rma: RmaKind) -> Estimator:
    return Estimator(one.spec.name, one.spec.layers, one.spec.scalar, _outcomes(one.table, order, rma))


def _outcomes(table: EvidenceTable, order: Order, rma: RmaKind) -> Outcomes:
    status, label = table.status[order], table.label[order].astype(np.int64)
    mass = (table.rma if rma == "normalised" else table.rma_raw)[order]
    annotated = (status == OK) | (status == NO_EVIDENCE)
    return Outcomes(
        label=label,
        right=table.prediction[order] == label,
        annotated=annotated,
        rma=np.where(status == OK, mass, np.nan),
        area=np.where(annotated, table.area[order], np.nan),
    )


def _own(estimator: Estimator) -> Grid:
    if estimator.layers is None and estimator.scalar is None:
        return {}
    return {(estimator.layers, estimator.scalar): estimator}


def _grid(source: Source, ids: Ids, rma: RmaKind) -> Grid:
    main = source.main.spec
    found = {}
    for one in source.sets.values():
        spec = one.spec
        same = all(
            getattr(spec, key) == getattr(main, key)
            for key in ("attribution", "options", "target", "precision", "fingerprint")
        )
        order = _order(one.table.id, ids)
        within = spec.layers in (None, *LAYERS) and spec.scalar in (None, *SCALARS)
        if same and within and order is not None and (spec.layers or spec.scalar):
            found[spec.layers, spec.scalar] = _estimator(one, order, rma)
    return found


def _controls(source: Source, main: Outcomes, ids: Ids, rma: RmaKind) -> dict[str, Outcomes]:
    if not main.annotated.any():
        return {}
    found = {}
    for name in CONTROLS:
        one = _control(source, name)
        order = None if one is None else _order(one.table.id, ids)
        if one is not None and order is not None:
            found[name] = _outcomes(one.table, order, rma)
    # A uniform heatmap's relevant mass is the mask's area: no measurement needed, and none better.
    found["uniform"] = Outcomes(main.label, main.right, main.annotated, main.area, main.area)
    return {name: found[name] for name in CONTROLS if name in found}


def _control(source: Source, name: str) -> EvidenceSet | None:
    """The control of that name, by the main set's layers and scalar where there are several."""
    main = source.main.spec
    sets = [
        one
        for one in source.sets.values()
        if one.spec.control
        and bare_name(one.spec.attribution) == name
        and one.spec.fingerprint == main.fingerprint
        and one.spec.target == main.target
    ]
    sets = [one for one in sets if one.spec.precision == main.precision] or sets
    same = [one for one in sets if (one.spec.layers, one.spec.scalar) == (main.layers, main.scalar)]
    return next(iter(same or sets), None)


def _witness(source: Source, ids: Ids) -> dict[str, Witness]:
    table: WitnessTable | None = source.run.witness(source.split)
    order = None if table is None else _order(table.id, ids)
    if table is None or order is None:
        return {}
    found = {}
    for kind in WITNESSES:
        prediction = getattr(table, kind)[order]
        known = prediction >= 0
        if known.any():
            found[kind] = Witness(known & (prediction == table.label[order]), known)
    return found


def _effects(source: Source, ids: Ids) -> Exchanged | None:
    table: WitnessTable | None = source.run.witness(source.split)
    order = None if table is None else _order(table.id, ids)
    if table is None or order is None or np.isnan(table.object_effect[order]).all():
        return None
    return Exchanged(table.object_effect[order], table.background_effect[order])


def _contexts(source: Source, ids: Ids) -> Ids | None:
    table = source.run.contexts(source.split)
    order = None if table is None else _order(table.id, ids)
    return None if table is None or order is None else table.context[order]


def _predictions(source: Source, own: PredictionSet, ids: Ids) -> dict[str, Predictions]:
    found, near = {}, _near(own, ids)
    for name, one in {AS_PREDICTED: own, **source.run.calibrated(source.split)}.items():
        order = _order(one.table.id, ids)
        if order is not None:
            found[name] = _told(one, order, near)
    return found if AS_PREDICTED in found else {}


def _near(own: PredictionSet, ids: Ids) -> npt.NDArray[np.float64] | None:
    """Proximity of these pictures; None where it is not known of all of them."""
    order, stored = _order(own.table.id, ids), own.proximity()
    if order is None or stored is None or not np.isfinite(stored[order]).all():
        return None
    return stored[order]


def _proximity(own: PredictionSet, predictions: Mapping[str, Predictions]) -> Proximity:
    facts = own.near
    lacking = facts.get("lacking")
    if lacking is None and predictions[AS_PREDICTED].near is None:
        lacking = NOT_OF_ALL if facts else NOT_STORED
    return Proximity(
        facts.get("neighbours"), facts.get("split"), facts.get("part"), facts.get("pictures"), lacking
    )


def _told(one: PredictionSet, order: Order, near: npt.NDArray[np.float64] | None) -> Predictions:
    table = one.table
    right = table.prediction[order] == table.label[order]
    made = None if one.fit is None else Recalibration(**one.fit)
    return Predictions(
        Predicted(right, table.confidence[order], table.log_true[order], table.brier[order]), made, near
    )


def _heatmaps(source: Source, ids: Ids) -> Heatmaps | None:
    """Concentration of the main estimator's heatmaps of the predicted class, where they were made.

    A heatmap of the annotated class would tell who knows the answer when to abstain.
    """
    main = source.main.spec
    for name, one in source.sets.items():
        same = replace(one.spec, name=main.name, target=main.target, skipped=main.skipped) == main
        order = _order(one.table.id, ids) if same and one.spec.target == "prediction" else None
        if order is not None:
            return Heatmaps(name, concentration(one.heatmaps()[order]))
    return None


def _precisions(source: Source, ids: Ids, rma: RmaKind) -> dict[str, Estimator]:
    """What else was explained as the main set was, but for the precision."""
    main, found = source.main.spec, {}
    for one in source.sets.values():
        alike = replace(main, name=one.spec.name, precision=one.spec.precision, skipped=one.spec.skipped)
        order = _order(one.table.id, ids) if one.spec == alike and one is not source.main else None
        if order is not None:
            found[one.spec.precision] = _estimator(one, order, rma)
    return found


def _explained(source: Source, ids: Ids, rma: RmaKind) -> dict[str, Explained]:
    """One set an attribution: the main one, and of others the nearest to it in layers and scalar."""
    main = source.main.spec
    wanted = main.layers, main.scalar
    chosen: dict[str, EvidenceSet] = {main.attribution: source.main}
    for one in source.sets.values():
        spec = one.spec
        same = all(getattr(spec, key) == getattr(main, key) for key in ("target", "precision", "fingerprint"))
        if spec.control or not same or _order(one.table.id, ids) is None:
            continue
        known = chosen.setdefault(spec.attribution, one)
        if known is not source.main and _shared(one, wanted) > _shared(known, wanted):
            chosen[spec.attribution] = one
    if len(chosen) < 2:
        return {}
    found = read_faithfulness(source.run, source.split)
    measured = {one.name: one for one in found.sets} if found else {}
    return {one.spec.name: _of_attribution(one, ids, rma, measured) for one in chosen.values()}


def _shared(one: EvidenceSet, wanted: tuple[str | None, str | None]) -> int:
    return sum(a == b for a, b in zip((one.spec.layers, one.spec.scalar), wanted, strict=True))


def _of_attribution(
    one: EvidenceSet, ids: Ids, rma: RmaKind, measured: Mapping[str, SetFaithfulness]
) -> Explained:
    order = _order(one.table.id, ids)
    assert order is not None, "sets that lack pictures were left out"
    options = json.dumps(one.spec.options, sort_keys=True, default=str)
    return Explained(_estimator(one, order, rma), options, measured.get(one.spec.name))


def _statuses(status: npt.NDArray[np.int8]) -> dict[str, int]:
    counts = np.bincount(status, minlength=len(STATUS_NAMES))
    return {name: int(number) for name, number in zip(STATUS_NAMES, counts, strict=True)}


def _order(have: Ids, ids: Ids) -> Order | None:
    """Positions of ``ids`` in ``have``; None where one is missing."""
    if np.array_equal(have, ids):
        return np.arange(len(ids))
    place = {one: index for index, one in enumerate(have)}
    if not all(one in place for one in ids):
        return None
    return np.array([place[one] for one in ids], dtype=np.intp)


def _decisive(configuration: Any) -> str:
    """What decides a run but for its seeds."""
    decisive = ("model", "method", "regularizer", "dataset", "train", INTERPOLATION, IMPORTED)
    sections = {key: configuration.get(key) for key in decisive}
    if interpolated := sections[INTERPOLATION]:
        sections[INTERPOLATION] = interpolated["alpha"]
    # Where no regularizer looks at masks, their share decides nothing.
    passed_over = _SEEDS if sections["regularizer"] else (*_SEEDS, "mask_fraction")
    train = {key: value for key, value in (sections["train"] or {}).items() if key not in passed_over}
    return json.dumps({**sections, "train": train}, sort_keys=True, default=str)
