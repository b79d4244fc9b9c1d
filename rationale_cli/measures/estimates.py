"""What all results of scoring are made of: a number with its interval, names of measures and verdicts.

Fractions, not per cent. An undefined number (an empty denominator) is ``None``, never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

QUALITIES = ("accuracy", "V", "PT", "IR", "lift")
"""The measures that are compared between runs (protocol §1)."""

METRICS = (*QUALITIES, "phi")
"""Every measure of a run."""

WORST_GROUP = "worst_group"
"""The lowest accuracy of a group, where the data know groups (``measures.contexts``)."""

LEAST_OF_GROUP = 10
"""Pictures that a group needs for its accuracy to be told."""

WITNESSES = ("object", "background", "box", "exact")
"""Altered pictures: object alone, background alone, background with the box removed, exact background."""

Verdict = Literal[
    "robust", "estimator-dependent", "not audited", "significant", "not significant", "undefined"
]
"""``significant`` is said of what needs no explainer (accuracy, witnesses); see ``measures.verdict``."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Pictures it rests on: the denominator, or the annotated pictures where it is no proportion."""


def defined(value: Any) -> float | None:
    """A number as a float, or None for None, NaN and infinity.

    >>> defined(float("nan")) is None, defined(0.5)
    (True, 0.5)
    """
    if value is None or not math.isfinite(value):
        return None
    return float(value)
