"""The audit of runs in words: what of a difference is protocol, and how many specifications agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ..measures.audit_results import Agreement, Change, Contribution, Decomposition, PairAudit
from ..measures.comparison_results import Effect
from .numbers import UNDEFINED, interval, number

SHOWN = ("PT", "IR", "V")

ABOUT = (
    ("layers", "explained blocks; reference: the last for text classifiers, all for linear heads"),
    ("scalar", "what is differentiated: dot feature · class vector, native the classifier's own logit"),
    ("target", "the class that is explained: the annotated or the predicted one"),
    ("mask", "which pixels belong to the object; box: the smallest box around it"),
    ("map", "the heatmap: min–max normalised, or the relevance as it is"),
    ("threshold", "evidence is valid when RMA reaches it"),
    ("no-evidence", "what a heatmap without contrast counts as"),
    ("view", "mean, deviation and resizing: the model's own, or ImageNet's as in the reference"),
)
"""What each choice decides."""


def findings(audit: PairAudit) -> list[str]:
    """What the audit says, in sentences: protocol first, agreement after."""
    split = [_split(audit, one) for one in audit.decompositions]
    return [*split, *(agreement(one) for one in audit.agreements)]


def _split(audit: PairAudit, one: Decomposition) -> str:
    name = f"{one.metric}({audit.run}) − {one.metric}({audit.baseline})"
    if one.reference.difference is None or one.default.difference is None:
        return f"{name} is undefined by one of the protocols."
    parts = [
        f"{part.choice} {number(part.shapley.value, signed=True)}" for part in by_size(one.contributions)
    ]
    told = "protocol" if not audit.not_varied else " and ".join(part.choice for part in one.contributions)
    return (
        f"{name} = {number(one.reference.difference, signed=True)} by the reference's {told} and "
        f"{number(one.default.difference, signed=True)} by one estimator for both: "
        f"{with_limits(one.protocol)} is protocol, of it {', '.join(parts)}."
    )


def remarks(audit: PairAudit) -> list[str]:
    """What was left out."""
    left = [f"Not varied: {', '.join(audit.not_varied)}."] if audit.not_varied else []
    if len(audit.specifications) < math.prod(len(choice.levels) for choice in audit.choices):
        left.append("Target and view are not combined with each other; --full does so, with one more pass.")
    return [*left, *audit.notes]


def agreement(one: Agreement) -> str:
    """How many specifications say the same of one difference."""
    if not one.specifications:
        return f"{one.metric}: no specification defines the difference."
    return (
        f"{one.metric}: {_share(one.significant, one.specifications)} specifications agree with the default "
        f"in sign and significance, {one.same_sign} in sign; {one.opposite} say the opposite. Median "
        f"{with_limits(one.median)}, from {number(one.least, signed=True)} to "
        f"{number(one.greatest, signed=True)}. Verdict: {one.verdict}."
    )


def by_size(contributions: Sequence[Contribution]) -> list[Contribution]:
    """The largest first; what is undefined last."""
    return sorted(
        contributions,
        key=lambda one: -1.0 if one.shapley.value is None else abs(one.shapley.value),
        reverse=True,
    )


def with_limits(one: Change | Effect, between: str = " ") -> str:
    """A difference in points with its interval, as far as it has one."""
    value = one.value if isinstance(one, Change) else one.difference
    return between.join(
        part for part in (number(value, signed=True), interval(one.low, one.high, signed=True)) if part
    )


def level(choice: str, name: str) -> str:
    """A level as it is shown: ``layers all``, ``τ 0.40``."""
    return f"τ {float(name):.2f}" if choice == "threshold" else f"{choice} {name}"


def choices_of(audit: PairAudit) -> Iterator[tuple[str, str]]:
    """The varied choices, and what each decides."""
    about = dict(ABOUT)
    for choice in audit.choices:
        yield choice.name, about.get(choice.name, "")


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else UNDEFINED
