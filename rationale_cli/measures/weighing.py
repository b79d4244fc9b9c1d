"""From runs and their baselines, cell by cell, to claims with verdicts; see ``claims`` for the rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from . import pooled_audit
from .cases import Case, Ladder, Look, step
from .claims import (
    Claim,
    ClaimAudit,
    ClaimCell,
    Decision,
    Hypothesis,
    Side,
    Verdict,
    audited,
    decide,
    decide_order,
    sides,
    strength,
    worded,
)
from .comparing import compare
from .comparison_results import ControlPoint, Difference, GridPoint
from .effects import effects_of
from .estimates import QUALITIES, defined
from .paired import Paired, paired_measures, paired_proportion
from .pooling import NOTHING, Effect, Pooled, pool


class _Tested(NamedTuple):
    """One cell in one measure."""

    pooled: Pooled
    grid: Sequence[GridPoint] = ()
    controls: Sequence[ControlPoint] = ()


class _Weighed(NamedTuple):
    """One measure over all cells."""

    tested: list[_Tested]
    effects: list[Effect]
    pooled: Pooled


class _Ruling(NamedTuple):
    """What the rule makes of it."""

    decision: Decision
    sides: list[Side]
    adjusted: list[float]

    @property
    def final(self) -> bool:
        return self.decision in ("supported", "contradicted")


def weigh(
    hypotheses: Sequence[Hypothesis], cases: Sequence[Case], look: Look, *, sweep: bool = False
) -> list[Claim]:
    """Test claims on the same cells, of which there is at least one; ``sweep`` over other thresholds too."""
    metrics = tuple(dict.fromkeys(one.metric for one in hypotheses))
    weighed = _weighed(metrics, cases, look)
    rulings = {one.key: _ruled(one, weighed[one.metric]) for one in hypotheses}
    due = dict.fromkeys(one.metric for one in hypotheses if one.explained and rulings[one.key].final)
    audits = _audits({metric: weighed[metric] for metric in due}, cases, look)
    swept = [metric for metric in metrics if sweep and metric in ("PT", "IR", "lift")]
    points = pooled_audit.sweep(swept, cases, look)
    claims = []
    for one in hypotheses:
        ruling, tested = rulings[one.key], weighed[one.metric].tested
        audit = audits[one.metric] if one.metric in due and ruling.final else None
        cells = [_cell(*parts) for parts in zip(cases, tested, ruling.adjusted, ruling.sides, strict=True)]
        verdict = worded(ruling.decision, audit)
        found = pooled_audit.witness(one, cases, look)
        pooled = weighed[one.metric].pooled
        claims.append(
            _claim(one, verdict, pooled, cells, look, audit, witness=found, sweep=points.get(one.metric, ()))
        )
    return claims


def weigh_order(hypothesis: Hypothesis, ladders: Sequence[Ladder], look: Look) -> Claim:
    """Test an order of methods on at least one ladder that has them all."""
    metric, steps = hypothesis.metric, list(pairwise(hypothesis.order))
    links = [[step(ladder, *two) for ladder in ladders] for two in steps]
    weighed = [_weighed((metric,), cases, look)[metric] for cases in links]
    pooled = [one.pooled for one in weighed]
    decision = decide_order(pooled)
    found, adjusted = sides([one.value for one in pooled], [one.p for one in pooled], 1)
    cells = [_step_cell(ladders, *parts) for parts in zip(steps, pooled, adjusted, found, strict=True)]
    audit = None
    if hypothesis.explained and decision in ("supported", "contradicted"):
        # All links must hold for a support; for the contrary one that is surely reversed is enough.
        due = [place for place, side in enumerate(found) if decision == "supported" or side == "against"]
        audits = [_audits({metric: weighed[place]}, links[place], look)[metric] for place in due]
        choose = min if decision == "supported" else max
        audit = choose(audits, key=lambda one: strength(one.standing))
    weakest = min(pooled, key=lambda one: math.inf if math.isnan(one.value) else one.value)
    return _claim(hypothesis, worded(decision, audit), weakest, cells, look, audit)


def untested(hypothesis: Hypothesis, lacking: str, remedy: str) -> Claim:
    """A claim for which there is no cell: what is missing, and the command that makes it."""
    return _claim(hypothesis, "not tested", NOTHING, (), None, lacking=lacking, remedy=remedy)


def _ruled(one: Hypothesis, weighed: _Weighed) -> _Ruling:
    values = [tested.pooled.value for tested in weighed.tested]
    found, adjusted = sides(values, [tested.pooled.p for tested in weighed.tested], one.sign)
    decision = decide(values, found, weighed.pooled.low, weighed.pooled.high, one.sign)
    return _Ruling(decision, found, adjusted)


def _weighed(metrics: Sequence[str], cases: Sequence[Case], look: Look) -> dict[str, _Weighed]:
    effects = effects_of(metrics, cases, pooled_audit.seen, look.threshold)
    tables = [_table(metrics, case, look, whole=len(cases) == 1) for case in cases]
    result = {}
    for metric in metrics:
        tested = [
            table[metric] if metric in table else _Tested(pool([effect], look.universe))
            for table, effect in zip(tables, effects[metric], strict=True)
        ]
        pooled = pool(effects[metric], look.universe)
        if len(cases) == 1:
            # One cell is its own mean: the same numbers as in its table.
            pooled = tested[0].pooled._replace(pictures=pooled.pictures)
        result[metric] = _Weighed(tested, effects[metric], pooled)
    return result


def _table(metrics: Sequence[str], case: Case, look: Look, *, whole: bool) -> dict[str, _Tested]:
    """Tests of a cell with one seed, by the methods of its table; with an audit where it is the ``whole``."""
    wanted = [metric for metric in metrics if metric in QUALITIES]
    if len(case.pairs) > 1 or not wanted:
        return {}
    (pair,) = case.pairs
    run, baseline = pair.run, pair.baseline
    assert baseline is not None, "a difference needs a baseline"
    known = pair.comparison if pair.threshold == look.threshold else None
    if known is None and whole:
        known = compare(run, baseline, look.threshold, look.how)
    if known is not None:
        return {metric: _of_difference(known.differences.get(metric)) for metric in wanted}
    found: dict[str, Paired] = {}
    if wanted != ["accuracy"]:
        codes = [one.outcomes.codes(look.threshold) for one in (run, baseline)]
        found |= paired_measures(codes[0], codes[1], look.how)
    if "accuracy" in wanted:
        found["accuracy"] = paired_proportion(run.outcomes.right, baseline.outcomes.right, look.how)
    return {metric: _of_paired(found[metric]) for metric in wanted}


def _of_paired(one: Paired) -> _Tested:
    return _Tested(Pooled(one.difference, one.low, one.high, one.p, one.detectable, one.n, 1))


def _of_difference(one: Difference | None) -> _Tested:
    if one is None:
        return _Tested(NOTHING)
    numbers = (one.difference, one.low, one.high, one.p, one.detectable)
    value, low, high, p, detectable = (math.nan if number is None else number for number in numbers)
    return _Tested(Pooled(value, low, high, p, detectable, one.n, 1), one.grid, one.controls)


def _audits(weighed: Mapping[str, _Weighed], cases: Sequence[Case], look: Look) -> dict[str, ClaimAudit]:
    """By the table of the only cell, where it has one; else of the means."""
    result = {}
    if len(cases) == 1:
        missing, tested = pooled_audit.missing_in(cases), {key: one.tested[0] for key, one in weighed.items()}
        result = {
            metric: audited(one.grid, one.controls, missing) for metric, one in tested.items() if one.grid
        }
    means = {metric: one.pooled.value for metric, one in weighed.items() if metric not in result}
    effects = {metric: weighed[metric].effects for metric in means}
    return result | pooled_audit.audits(means, effects, cases, look)


def _cell(case: Case, tested: _Tested, p_holm: float, side: Side) -> ClaimCell:
    runs = tuple(pair.run.run for pair in case.pairs)
    baseline = case.pairs[0].baseline
    names = case.name, runs, () if baseline is None else (baseline.run,), case.dataset, case.split
    return ClaimCell(*names, *_numbers(tested.pooled), defined(p_holm), side)


def _step_cell(
    ladders: Sequence[Ladder], methods: tuple[str, str], pooled: Pooled, p_holm: float, side: Side
) -> ClaimCell:
    first = ladders[0]
    runs, others = (tuple(run.run for ladder in ladders for run in ladder.runs[method]) for method in methods)
    names = " > ".join(methods), runs, others, first.dataset, first.split
    return ClaimCell(*names, *_numbers(pooled), defined(p_holm), side)


def _numbers(one: Pooled) -> tuple[float | None, float | None, float | None, float | None]:
    return defined(one.value), defined(one.low), defined(one.high), defined(one.p)


def _claim(
    hypothesis: Hypothesis,
    verdict: Verdict,
    pooled: Pooled,
    cells: Sequence[ClaimCell],
    look: Look | None,
    audit: ClaimAudit | None = None,
    **more: Any,
) -> Claim:
    return Claim(
        hypothesis,
        verdict,
        look.threshold if look is not None and hypothesis.explained else None,
        *_numbers(pooled),
        defined(pooled.detectable),
        pooled.pictures,
        tuple(cells),
        audit,
        **more,
    )
