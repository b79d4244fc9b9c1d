"""Accuracy by what objects stand on: who reads the place fails where the place misleads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .estimates import LEAST_OF_GROUP, Estimate, defined
from .intervals import wilson
from .measured import Measured
from .quadrants import Flags
from .run_results import GroupScore

Floats = npt.NDArray[np.float64]


def group_scores(measured: Measured) -> tuple[GroupScore, ...]:
    """Accuracy of each group, the lowest first; none where contexts are not known.

    A group is a class and what it stands on, or what any class stands on where some group of the former kind
    has too few pictures (``LEAST_OF_GROUP``).
    """
    right = measured.outcomes.right
    found = [_score(name, right[members]) for name, members in _groups(measured).items()]
    return tuple(sorted(found, key=lambda one: (one.accuracy.value or 0.0, one.name)))


def worst_group(measured: Measured) -> tuple[float, Floats] | None:
    """The lowest accuracy of a group, with the influence of every picture on it (``measures.influence``)."""
    scores = group_scores(measured)
    if not scores:
        return None
    lowest = scores[0].accuracy.value
    assert lowest is not None
    members = _groups(measured)[scores[0].name]
    return lowest, np.where(members, measured.outcomes.right - lowest, 0.0) / members.mean()


def _groups(measured: Measured) -> dict[str, Flags]:
    contexts = measured.contexts
    if contexts is None:
        return {}
    label = measured.outcomes.label
    both = {
        f"{measured.classnames[number]}-{context}": (label == number) & (contexts == context)
        for number, context in sorted(set(zip(label.tolist(), contexts.tolist(), strict=True)))
    }
    if all(members.sum() >= LEAST_OF_GROUP for members in both.values()):
        return both
    alone = {context: np.asarray(contexts == context) for context in sorted(set(contexts.tolist()))}
    return {name: members for name, members in alone.items() if members.sum() >= LEAST_OF_GROUP}


def _score(name: str, right: Flags) -> GroupScore:
    hits, n = int(right.sum()), len(right)
    low, high = wilson(hits, n)
    return GroupScore(name, Estimate(hits / n, defined(low), defined(high), n))
