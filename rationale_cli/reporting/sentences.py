"""One difference in one sentence, with no more certainty than its verdict carries."""

from __future__ import annotations

from dataclasses import dataclass

from ..measures.comparison_results import Comparison, Difference
from ..measures.estimates import Verdict
from ..measures.results import Shift
from ..measures.run_results import RunScore
from .numbers import RATIO, interval, number

ALONE = {
    "exact": "the exact background without the object",
    "background": "the background alone (mask filled)",
    "box": "the picture with the object's box removed",
}
"""Pictures without the object, the most telling first: only the first leaks neither shape nor place."""


@dataclass(frozen=True)
class Sentence:
    """One finding and the verdict that it carries."""

    text: str
    verdict: Verdict | None = None


def moved(one: Difference | None, sign: int) -> bool:
    """Whether a difference is significant and of that sign."""
    return one is not None and one.significant and one.difference is not None and one.difference * sign > 0


def witness_kind(comparison: Comparison) -> str | None:
    """The most telling picture without the object that both runs were shown."""
    return next((kind for kind in ALONE if f"witness:{kind}" in comparison.differences), None)


def uses_background(comparison: Comparison, row: RunScore) -> bool:
    """Whether accuracy without the object rose significantly, and its interval lies above guessing."""
    kind = witness_kind(comparison)
    if kind is None:
        return False
    own = row.witness[kind]
    above = own.accuracy.low is not None and own.accuracy.low > own.chance
    return above and moved(comparison.differences[f"witness:{kind}"], +1)


def of_accuracy(one: Difference) -> Sentence:
    """Accuracy needs no explainer: significant or not."""
    how = _went(one) if one.significant else "did not change significantly"
    return Sentence(f"Accuracy {how}: {_size(one)}.", one.verdict)


def of_witness(pair: Comparison, row: RunScore, kind: str) -> Sentence:
    """What the model does without the object; a use of the background is said only above guessing."""
    one = pair.differences[f"witness:{kind}"]
    chance = f"guessing: {number(row.witness[kind].chance)} %"
    if not moved(one, +1):
        how = "fell" if one.significant else "did not rise significantly"
        return Sentence(f"Accuracy on {ALONE[kind]} {how}: {_size(one)}; {chance}.", one.verdict)
    says = "So the model uses the background" if uses_background(pair, row) else "It is not above guessing"
    leak = " (a filled mask keeps the outline, so shape may add to this)" if kind == "background" else ""
    return Sentence(f"Accuracy on {ALONE[kind]} rose: {_size(one)}; {chance}. {says}{leak}.", one.verdict)


def of_shift(shift: Shift) -> Sentence:
    """Accuracy on another split, and against what the split does to the baseline."""
    text = (
        f"From {shift.reference} to {shift.split} accuracy {'fell' if shift.difference < 0 else 'rose'} by "
        f"{number(abs(shift.difference))} points {interval(shift.low, shift.high, signed=True)}"
    )
    beyond = shift.beyond_baseline
    if beyond is not None and beyond.value is not None:
        text += (
            f"; beyond the baseline's own change: {number(beyond.value, signed=True)} "
            f"{interval(beyond.low, beyond.high, signed=True)}"
        )
    return Sentence(f"{text}.", "significant")


def of_evidence(pair: Comparison, metric: str) -> Sentence:
    """PT or IR: a finding only where it is robust."""
    one = pair.differences[metric]
    if one.difference is None:
        return Sentence(f"{metric} cannot be compared: one of the two is undefined.", one.verdict)
    if not one.significant:
        return Sentence(f"{metric} did not change significantly: {_size(one)}.", one.verdict)
    said = [f"{metric} {_went(one)} by the default estimator: {_size(one)}."]
    if one.verdict == "robust":
        said.append("It holds for every estimator and threshold of the audit, and beyond the controls.")
    elif one.verdict == "estimator-dependent":
        said.append(f"{_failures(one)}: no finding about the model.")
    else:
        said.append("The audit is incomplete: no conclusion.")
    lift = pair.differences.get("lift")
    if metric == "IR" and lift is not None and lift.value is not None:
        said.append(f"IR follows accuracy where the lift is 1; here it is {number(lift.value, RATIO)}.")
    return Sentence(" ".join(said), one.verdict)


def _failures(one: Difference) -> str:
    grid = sum(not point.agrees for point in one.grid)
    controls = sum(point.agrees is False for point in one.controls)
    said = [f"{grid} of {len(one.grid)} specifications say otherwise"] if grid else []
    said += [f"{controls} of {len(one.controls)} controls show as much"] if controls else []
    return " and ".join(said)


def _went(one: Difference) -> str:
    return "rose" if (one.difference or 0) > 0 else "fell"


def _size(one: Difference) -> str:
    return (
        f"{number(one.baseline)} → {number(one.value)} %, {number(one.difference, signed=True)} points "
        f"{interval(one.low, one.high, signed=True)}"
    )
