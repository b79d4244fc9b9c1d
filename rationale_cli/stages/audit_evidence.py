"""All evidence that an audit of runs needs: what is lacking is explained, or held against other masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ..contracts import Dataset, Family, Preprocessing, Progress
from ..engine.build import build
from ..engine.conditions import own_labels
from ..engine.configuration import Chosen
from ..engine.estimators import plan
from ..engine.remeasure import Reading, Shape, remeasure
from ..engine.request import ExplainRequest, requested
from ..errors import InputError
from ..recipe import Given
from ..registry import Registry
from ..runs.evidence import NO_EVIDENCE, OK, EvidenceSet, RuleTable
from ..runs.folder import Run
from ..toolkit.geometry import bounding_boxes
from .audit_choices import BOX, SCALARS
from .explain import run as explain

ORIGIN = "rationale audit runs"


class Key(NamedTuple):
    """One evidence set of a run."""

    view: str
    target: str
    layers: str | None
    scalar: str | None


class Pass(NamedTuple):
    """One pass of a model over a split."""

    view: str
    options: Mapping[str, Any]
    """Of the view; empty for the run's own."""
    target: str
    controls: bool
    """Whether the estimators and controls of a verdict are wanted too."""


class Scores(NamedTuple):
    """What one evidence set says of each picture by one mask rule."""

    rma: npt.NDArray[np.float64]
    rma_raw: npt.NDArray[np.float64]
    area: npt.NDArray[np.float64]
    status: npt.NDArray[np.int8]


@dataclass(frozen=True)
class Explained:
    """One run on one split."""

    run: Run
    sets: Mapping[Key, EvidenceSet]

    @property
    def ids(self) -> npt.NDArray[np.object_]:
        """Of the pictures, the same in every set."""
        return next(iter(self.sets.values())).table.id


def family_of(run: Run, registry: Registry) -> Family:
    """Whether a run's classes come from texts or from a head."""
    told = run.manifest.get("family")
    return cast(Family, told) if told else build(requested(run, registry).configuration).classifier.family


def explained(
    run: Run,
    split: str,
    passes: Sequence[Pass],
    registry: Registry,
    like: EvidenceSet | None,
    progress: Progress,
) -> Explained:
    """Every set of these passes; a pass that lacks one is made, on the pictures of ``like``.

    Raises what ``stages.explain.run`` does, and ``InputError`` where the sets hold different pictures.
    """
    sets: dict[Key, EvidenceSet] = {}
    for one in passes:
        sets |= _of_pass(run, split, one, registry, like, progress)
        like = like or next(iter(sets.values()))
    found = Explained(run, sets)
    for one_set in sets.values():
        if not np.array_equal(one_set.table.id, found.ids):
            raise InputError(
                "Expected evidence on the same pictures but it is on others.",
                where=str(one_set.path),
                next_step="delete it: the audit makes it anew",
            )
    return found


def scored_by_rule(
    members: Sequence[Explained], rule: str, own: str, rules: Mapping[str, Chosen | None], progress: Progress
) -> list[dict[Key, Scores]]:
    """Every set of each member by one mask rule; masks are read where that was not done before."""
    if rule == own:
        return [{key: _stored(one) for key, one in member.sets.items()} for member in members]
    lacking = [one for member in members for one in member.sets.values() if one.by_rule(rule) is None]
    for alike in _by_view(lacking):
        _read_masks(alike, rule, rules, progress)
    return [{key: _kept(one, rule) for key, one in member.sets.items()} for member in members]


def _of_pass(
    run: Run, split: str, one: Pass, registry: Registry, like: EvidenceSet | None, progress: Progress
) -> dict[Key, EvidenceSet]:
    request = _request(run, split, one, registry, like)
    wanted = plan(request.attributions, request.options, registry)
    (label,) = own_labels(request.configuration, run.configuration, [split])
    folder = run.path / "evidence" / label
    names = [name for estimator in wanted for name in estimator.names()]
    if not all((folder / name / "spec.yaml").is_file() for name in names):
        explain(request, progress)
    main = wanted[0]
    return {
        Key(one.view, one.target, *asked): EvidenceSet.open(folder / name)
        for asked, name in zip(main.asked(), main.names(), strict=True)
    }


def _request(run: Run, split: str, one: Pass, registry: Registry, like: EvidenceSet | None) -> ExplainRequest:
    settings: dict[str, Any] = {
        "explain.splits": [split],
        "explain.corrupt": [],
        "explain.layers": ["last", "all"],
        "explain.scalar": list(SCALARS),
        "explain.target": one.target,
        "explain.neighbours": 0,
        "explain.audit": one.controls,
        **({} if one.controls else {"explain.witness": False}),
        **{f"view.{key}": value for key, value in one.options.items()},
    }
    if like is not None:
        settings |= {
            "explain.limit": len(like.table) + len(like.spec.skipped),
            "explain.share": 1.0,
            "explain.skip_bad": bool(like.spec.skipped),
            "explain.precision": like.spec.precision,
            "explain.no_evidence": like.spec.no_evidence,
        }
    layer = {key: Given(value, ORIGIN) for key, value in settings.items()}
    request = requested(run, registry, layer)
    # A further dataset has tables of its own.
    return replace(request, configuration=replace(request.configuration, shift=None), aside=True)


def _stored(one: EvidenceSet) -> Scores:
    """As explained; where maps without contrast were counted valid, they are told apart again."""
    table = one.table
    scores = Scores(table.rma, table.rma_raw, table.area, table.status)
    if one.spec.no_evidence == "invalid":
        return scores
    pixels = one.heatmaps().reshape(len(table), -1)
    nothing = (table.status == OK) & ~(pixels.max(axis=1) > pixels.min(axis=1))
    rma, raw = (np.where(nothing, np.nan, values) for values in (table.rma, table.rma_raw))
    return Scores(rma, raw, table.area, np.where(nothing, NO_EVIDENCE, table.status).astype(np.int8))


def _kept(one: EvidenceSet, rule: str) -> Scores:
    table = one.by_rule(rule)
    assert table is not None, "it was written a moment ago"
    return Scores(table.rma, table.rma_raw, table.area, table.status)


def _by_view(sets: Sequence[EvidenceSet]) -> list[list[EvidenceSet]]:
    """Sets on the same pictures whose masks are the same: mean and standard deviation do not matter."""
    groups: dict[tuple[Any, ...], list[EvidenceSet]] = {}
    for one in sets:
        seen = one.spec.preprocessing
        ids = "\0".join(map(str, one.table.id))
        groups.setdefault((seen["size"], seen.get("resize"), seen.get("squash"), ids), []).append(one)
    return list(groups.values())


def _read_masks(
    sets: Sequence[EvidenceSet], rule: str, rules: Mapping[str, Chosen | None], progress: Progress
) -> None:
    chosen = rules[rule] or next(one for one in rules.values() if one is not None)
    shape: Shape = bounding_boxes if rule == BOX else _as_annotated
    dataset: Dataset = chosen.build()
    seen = sets[0].spec.preprocessing
    view = Preprocessing(
        size=seen["size"],
        mean=tuple(seen["mean"]),
        std=tuple(seen["std"]),
        interpolation=seen["interpolation"],
        resize=seen["resize"],
        squash=seen["squash"],
    )
    reading = Reading(dataset.split(sets[0].spec.shown["split"]), view, {rule: shape})
    with progress.task(f"reading masks, rule {rule}", len(sets[0].table)) as advance:
        tables: list[RuleTable] = remeasure(reading, sets, advance)[rule]
    for one, table in zip(sets, tables, strict=True):
        one.write_rule(rule, table)


def _as_annotated(masks: Any) -> Any:
    return masks
