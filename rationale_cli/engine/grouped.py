"""Groups of pictures: a class, and what its objects stand on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..contracts import Split
from ..errors import InputError


@dataclass(frozen=True)
class Groups:
    """The groups of some pictures of a split, numbered by class and name."""

    sizes: Mapping[str, int]
    """Group → pictures, in the order of the numbers."""
    of: Mapping[str, int]
    """Identifier → number."""


def grouped(split: Split, indices: Sequence[int], classnames: Sequence[str]) -> Groups | None:
    """Those of ``indices``; None where the split does not know its contexts. No picture is opened."""
    contexts: Sequence[str] | None = getattr(split, "contexts", None)
    if contexts is None:
        return None
    labels: Sequence[int] = split.labels  # type: ignore[attr-defined]  # a split with contexts has labels
    ids = split.ids
    pairs = {ids[index]: (labels[index], contexts[index]) for index in indices}
    counts = sorted(Counter(pairs.values()).items())
    numbers = {pair: number for number, (pair, _) in enumerate(counts)}
    sizes = {f"{classnames[label]}-{context}": count for (label, context), count in counts}
    return Groups(sizes, {identifier: numbers[pair] for identifier, pair in pairs.items()})


def required_groups(split: Split, indices: Sequence[int], classnames: Sequence[str], name: str) -> Groups:
    """The same of the split called ``name``. Raises ``InputError`` where it does not know its contexts."""
    found = grouped(split, indices, classnames)
    if found is None:
        raise InputError(
            "Expected data that know what their objects stand on, for the regularizer's groups, but the "
            f"split {name!r} does not.",
            next_step="use data with groups, for example scenes or waterbirds, or take a regularizer that "
            "needs none, for example gaa-mass or evidence-anchor",
        )
    return found
