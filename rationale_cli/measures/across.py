"""Does a difference hold under every attribution, and do those that can be believed say so?

This is a look beside the verdict, which rests on one attribution's layers and scalars (``verdict``). An
attribution counts once, whatever it was computed by. Its weight is its measured faithfulness:

- by ``causal`` where that is known of both runs, else by insertion − deletion, of which the lower of the two
  replacements counts; of a run and its baseline the lower, for a difference needs both heatmaps;
- 0 where it is negative or unknown, and for a heatmap that survives shuffled weights;
- divided by the sum, so that weights are shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .across_results import AcrossAttributions, Basis, ByAttribution, Held, Part
from .bootstrap import Resampling, estimates
from .comparing import AUDIT_SHARE
from .comparison_results import Comparison, GridPoint
from .estimates import defined
from .faithfulness import CAUSAL, SetFaithfulness
from .measured import Explained, Measured
from .paired import EVIDENCE_METRICS, paired_measures
from .verdict import agrees, excludes_zero

INSERTION_DELETION: Basis = "insertion − deletion"
_FAITHFUL = ("faithful/blur", "faithful/mean")


def across(
    run: Measured, baseline: Measured | None, compared: Comparison | None, threshold: float, how: Resampling
) -> AcrossAttributions | None:
    """One run by each attribution that it, and its baseline, were explained by; None for fewer than two.

    Both hold the same pictures in the same order; ``compared`` is settled.
    """
    runs = (run,) if baseline is None else (run, baseline)
    names = [name for name in run.explained if _alike([one.explained.get(name) for one in runs])]
    if len(names) < 2 or not run.outcomes.annotated.any():
        return None
    fewer = replace(how, replicates=max(how.replicates // AUDIT_SHARE, 100))
    lacking = tuple(one.run for one in runs if not any(one.explained[name].faithful for name in names))
    basis = None if lacking else _basis(runs, names)
    drafts = [_line(name, runs, basis, compared, threshold, fewer) for name in names]
    lines = _weighed(drafts) if basis else tuple(drafts)
    held = [] if compared is None else [_held(metric, compared, lines) for metric in EVIDENCE_METRICS]
    known = tuple(one for one in held if one is not None)
    named = None if baseline is None else baseline.run
    return AcrossAttributions(run.run, named, threshold, basis, lacking, lines, known)


def _alike(found: Sequence[Explained | None]) -> bool:
    """Whether all were computed, with the same options."""
    return None not in found and len({one.options for one in found if one is not None}) == 1


def _basis(runs: Sequence[Measured], names: Sequence[str]) -> Basis:
    known = all(
        any(_score(one.explained[name].faithful, CAUSAL) is not None for name in names) for one in runs
    )
    return CAUSAL if known else INSERTION_DELETION


def _measures(basis: Basis) -> tuple[str, ...]:
    return (CAUSAL,) if basis == CAUSAL else _FAITHFUL


def _clear(one: SetFaithfulness | None, basis: Basis) -> bool:
    if one is None:
        return False
    found = [one.measures.get(name) for name in _measures(basis)]
    return all(each is not None and each.low is not None and each.low > 0 for each in found)


def _score(one: SetFaithfulness | None, basis: Basis) -> float | None:
    if one is None:
        return None
    wanted = _measures(basis)
    values = [one.measures[name].value for name in wanted if name in one.measures]
    known = [value for value in values if value is not None]
    return min(known) if len(known) == len(wanted) else None


def _line(
    name: str,
    runs: Sequence[Measured],
    basis: Basis | None,
    compared: Comparison | None,
    threshold: float,
    how: Resampling,
) -> ByAttribution:
    sets = [one.explained[name] for one in runs]
    codes = [one.estimator.outcomes.codes(threshold) for one in sets]
    score, remark = _judged([one.faithful for one in sets], basis) if basis else (None, "")
    found = estimates(codes[0], how)
    values = {metric: found[metric] for metric in EVIDENCE_METRICS}
    differences = {}
    if compared is not None and len(runs) == 2:
        estimator = sets[0].estimator
        for metric, one in paired_measures(codes[0], codes[1], how).items():
            main = compared.differences[metric].difference if metric in compared.differences else None
            differences[metric] = GridPoint(
                name,
                estimator.layers,
                estimator.scalar,
                threshold,
                defined(one.difference),
                defined(one.low),
                defined(one.high),
                defined(one.p),
                main is not None and agrees(main, one.difference, one.low, one.high),
            )
    clear = basis is not None and all(_clear(one.faithful, basis) for one in sets)
    return ByAttribution(name, score, None, remark, clear, values, differences)


def _judged(found: Sequence[SetFaithfulness | None], basis: Basis) -> tuple[float | None, str]:
    """The lower score, and why it does not count."""
    scores = [_score(one, basis) for one in found]
    known = [score for score in scores if score is not None]
    if None in found:
        return None, "its faithfulness was not measured"
    lowest = min(known) if len(known) == len(scores) else None
    if any(one is not None and one.insensitive for one in found):
        return lowest, "survives shuffled weights"
    if lowest is None:
        return None, f"{basis} is undefined"
    return lowest, "" if lowest > 0 else f"{basis} is not above 0"


def _weighed(lines: Sequence[ByAttribution]) -> tuple[ByAttribution, ...]:
    weights = [0.0 if one.remark or one.score is None else one.score for one in lines]
    total = sum(weights)
    shares = [weight / total for weight in weights] if total > 0 else weights
    return tuple(replace(one, weight=share) for one, share in zip(lines, shares, strict=True))


def _held(metric: str, compared: Comparison, lines: Sequence[ByAttribution]) -> Held | None:
    main = compared.differences.get(metric)
    if main is None:
        return None
    parts: dict[str, list[ByAttribution]] = {"rise": [], "fall": [], "unclear": []}
    for one in lines:
        parts[_direction(one.differences[metric])].append(one)
    return Held(metric, main.difference, main.significant, *(_part(group) for group in parts.values()))


def _direction(point: GridPoint) -> str:
    if point.difference is None or point.low is None or point.high is None:
        return "unclear"
    if not excludes_zero(point.low, point.high):
        return "unclear"
    return "rise" if point.low > 0 else "fall"


def _part(lines: Sequence[ByAttribution]) -> Part:
    weights = [one.weight for one in lines if one.weight is not None]
    return Part(len(lines), sum(weights) if len(weights) == len(lines) else None)
