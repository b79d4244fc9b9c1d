"""One run against its baseline under every specification: effects, decomposition, agreement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .audit_results import (
    AUDITED,
    DEFAULT,
    REFERENCE,
    Agreement,
    AuditedChoice,
    Change,
    Contribution,
    Decomposition,
    LevelEffect,
    PairAudit,
    Specified,
)
from .bootstrap import Resampling, percentile
from .comparing import effect_of
from .estimates import Verdict, defined
from .intervals import UNDEFINED, Interval, mover
from .multiverse import Choice, Coalition, Combination, coalitions, default_of, neighbours, shapley, shared
from .paired import CLOSED_FORM, Paired, joint_counts, paired_from, paired_proportion
from .quadrants import METRIC_INDEX, ratios, right_of
from .together import Codings, replicated_counts
from .verdict import agrees, excludes_zero

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]

REPLICATES = 2_000


class Sides(NamedTuple):
    """Cells of the same n pictures in run and baseline by one specification."""

    run: Codes
    baseline: Codes


class Judged(NamedTuple):
    """The verdict on one difference, and why."""

    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """All that an audit of one pair starts from."""

    run: str
    baseline: str
    split: str
    specification: str
    """Evidence set of the default."""
    evidence: str
    """Digest of what it rests on."""
    choices: tuple[Choice, ...]
    cells: Mapping[Combination, Sides]
    """The default among them, and all combinations between default and reference."""
    protocols: Mapping[str, Combination]
    """Named specifications; those outside ``cells`` are passed over."""
    verdicts: Mapping[str, Judged]
    """By measure."""
    not_varied: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Measured:
    """Differences by one specification: as observed, and in each replicate."""

    found: Mapping[str, Paired]
    replicates: Mapping[str, Floats]


def audit_pair(question: Question, how: Resampling) -> PairAudit:
    """Recompute one comparison under every specification.

    All replicates are drawn together (``measures.together``), so that differences between specifications
    are paired too. Each specification is computed once, however many say the same.
    """
    measured = _measure_all(question.cells, how)
    default = default_of(question.choices)
    specified = tuple(_specified(question, one, measured[one]) for one in question.cells)
    return PairAudit(
        run=question.run,
        baseline=question.baseline,
        split=question.split,
        specification=question.specification,
        evidence=question.evidence,
        n=len(question.cells[default].run),
        choices=tuple(
            AuditedChoice(one.name, one.levels, tuple(sorted(one.apart))) for one in question.choices
        ),
        default=specified[list(question.cells).index(default)],
        effects=tuple(_effects(question, measured)),
        decompositions=tuple(_decompositions(question, measured)),
        agreements=tuple(_agreement(question, measured, metric) for metric in AUDITED),
        specifications=specified,
        not_varied=question.not_varied,
        notes=question.notes,
    )


def _measure_all(cells: Mapping[Combination, Sides], how: Resampling) -> dict[Combination, _Measured]:
    places: dict[bytes, int] = {}
    columns: list[Codes] = []
    of_sides: dict[Combination, tuple[int, int]] = {}
    for combination, sides in cells.items():
        for one in sides:
            if one.tobytes() not in places:
                places[one.tobytes()] = len(columns)
                columns.append(one)
        of_sides[combination] = places[sides.run.tobytes()], places[sides.baseline.tobytes()]
    codings: Codings = np.stack(columns, axis=1)
    counts = replicated_counts(codings, how)
    known: dict[tuple[int, int], _Measured] = {}
    for combination, (run, baseline) in of_sides.items():
        if (run, baseline) not in known:
            known[run, baseline] = _measure(cells[combination], (counts[:, run], counts[:, baseline]), how)
    return {combination: known[pair] for combination, pair in of_sides.items()}


def _measure(sides: Sides, counts: tuple[npt.NDArray[np.float32], ...], how: Resampling) -> _Measured:
    samples = ratios(counts[0]), ratios(counts[1])
    found = {"accuracy": paired_proportion(right_of(sides.run), right_of(sides.baseline), how)}
    found |= paired_from(joint_counts(sides.run, sides.baseline), samples)
    replicates = {metric: samples[0][index] - samples[1][index] for metric, index in METRIC_INDEX.items()}
    return _Measured(found, {metric: replicates[metric] for metric in found})


def _specified(question: Question, combination: Combination, measured: _Measured) -> Specified:
    names = [DEFAULT] if combination == default_of(question.choices) else []
    names += [name for name, one in question.protocols.items() if one == combination]
    return Specified(
        combination,
        tuple(dict.fromkeys(names)),
        shared(question.choices, combination),
        {metric: effect_of(one) for metric, one in measured.found.items()},
    )


def _effects(question: Question, measured: Mapping[Combination, _Measured]) -> list[LevelEffect]:
    start = default_of(question.choices)
    usual = measured[start]
    effects = []
    for choice, level, combination in neighbours(question.choices, start):
        if combination not in measured:
            continue
        here = measured[combination]
        effects.append(
            LevelEffect(
                choice,
                level,
                {metric: effect_of(one) for metric, one in here.found.items()},
                {metric: _change(here, usual, metric) for metric in here.found},
                tuple(metric for metric in here.found if _turns(here.found[metric], usual.found[metric])),
            )
        )
    return effects


def _decompositions(question: Question, measured: Mapping[Combination, _Measured]) -> list[Decomposition]:
    start, end = default_of(question.choices), question.protocols.get(REFERENCE)
    if end is None or end == start or end not in measured:
        return []
    between = {
        members: measured[combination]
        for members, combination in coalitions(question.choices, start, end).items()
    }
    levels = {
        choice.name: (one, other) for choice, one, other in zip(question.choices, start, end, strict=True)
    }
    return [_decomposition(metric, between, levels) for metric in AUDITED]


def _decomposition(
    metric: str, between: Mapping[Coalition, _Measured], levels: Mapping[str, tuple[str, str]]
) -> Decomposition:
    nobody, everybody = min(between, key=len), max(between, key=len)
    members = [name for name in levels if name in everybody]
    split = shapley({key: one.found[metric].difference for key, one in between.items()}, members)
    drawn = shapley({key: one.replicates[metric] for key, one in between.items()}, members)
    # Where the bootstrap is not to be trusted in one corner, it is not in a sum over all of them.
    trusted = all(_trusted(one, metric) for one in between.values())
    contributions = []
    for member in members:
        limits = percentile(drawn[member]) if trusted else UNDEFINED
        contributions.append(
            Contribution(
                member,
                *levels[member],
                shapley=_written(float(split[member]), limits),
                first=_change(between[frozenset({member})], between[nobody], metric),
                last=_change(between[everybody], between[everybody - {member}], metric),
            )
        )
    return Decomposition(
        metric,
        effect_of(between[nobody].found[metric]),
        effect_of(between[everybody].found[metric]),
        _change(between[everybody], between[nobody], metric),
        tuple(contributions),
    )


def _agreement(question: Question, measured: Mapping[Combination, _Measured], metric: str) -> Agreement:
    usual = measured[default_of(question.choices)].found[metric].difference
    alike = [
        one
        for combination, one in measured.items()
        if shared(question.choices, combination) and not math.isnan(one.found[metric].difference)
    ]
    found = [one.found[metric] for one in alike]
    differences = np.array([one.difference for one in found])
    judged = question.verdicts[metric]
    return Agreement(
        metric=metric,
        specifications=len(found),
        same_sign=int(np.sum(np.sign(differences) == np.sign(usual))),
        significant=sum(agrees(usual, one.difference, one.low, one.high) for one in found),
        opposite=sum(
            excludes_zero(one.low, one.high) and not agrees(usual, one.difference, one.low, one.high)
            for one in found
        ),
        median=_median(alike, metric),
        least=defined(differences.min()) if found else None,
        greatest=defined(differences.max()) if found else None,
        verdict=judged.verdict,
        reasons=judged.reasons,
    )


def _median(alike: Sequence[_Measured], metric: str) -> Change:
    """The median difference; its interval is that of the medians of the replicates."""
    if not alike:
        return _written(math.nan, UNDEFINED)
    differences = np.array([one.found[metric].difference for one in alike])
    observed = float(np.median(differences))
    drawn = np.median([one.replicates[metric] for one in alike], axis=0)
    middle = np.argsort(np.abs(differences - observed))[:2]
    trusted = all(_trusted(alike[place], metric) for place in middle.tolist())
    return _written(observed, percentile(drawn) if trusted else UNDEFINED)


def _change(here: _Measured, there: _Measured, metric: str) -> Change:
    """One specification's difference minus another's.

    Where the bootstrap is not to be trusted in one of them, from the intervals of both: conservative.
    """
    one, other = here.found[metric], there.found[metric]
    value = one.difference - other.difference
    if here is there:
        return _written(value, Interval(value, value))
    if not (_trusted(here, metric) and _trusted(there, metric)):
        first, second = ((each.difference, Interval(each.low, each.high)) for each in (one, other))
        return _written(value, Interval(*mover(first, second)[1:3]))
    return _written(value, percentile(here.replicates[metric] - there.replicates[metric]))


def _trusted(measured: _Measured, metric: str) -> bool:
    """Whether the bootstrap says how a difference varies.

    It does not where a ratio is 0 or 1. V's own test goes by fewer pictures than that: those that differ.
    """
    one = measured.found[metric]
    if metric == "V":
        return 0 < one.value < 1 and 0 < one.baseline < 1
    return one.test != CLOSED_FORM


def _turns(here: Paired, usual: Paired) -> bool:
    return (
        excludes_zero(here.low, here.high)
        and excludes_zero(usual.low, usual.high)
        and not agrees(usual.difference, here.difference, here.low, here.high)
    )


def _written(value: float, limits: Interval) -> Change:
    return Change(defined(value), defined(limits.low), defined(limits.high))
