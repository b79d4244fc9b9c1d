"""Which words of the class texts carried the scores of a split: means over its pictures.

The class's name is one place in a text whatever the class, and a word that stands twice in a text is two. Of
a place that some texts lack (a word of one class's own text, say) the mean is over the pictures that have it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .estimates import Estimate
from .faithfulness import mean

CLASS_NAME = "‹class name›"
_STOPS = ".,;:!?"
"""Marks that stand at the end of a word."""


class Told(NamedTuple):
    """What was found of the words of one picture's class."""

    name: str
    """Of the class."""
    words: Sequence[tuple[str, float]]
    """Each with its share of the relevance of all words, in reading order."""
    without: Sequence[float] | None
    """What becomes of the logit where each is left out; None where texts are not written."""
    elsewhere: float
    """Share of the whole relevance that lies on no word."""


@dataclass(frozen=True)
class WordShare:
    """One place in the texts."""

    word: str
    share: Estimate
    without: Estimate | None


@dataclass(frozen=True)
class WordShares:
    """One run on one split; words in reading order."""

    run: str
    split: str
    n: int
    """Pictures measured."""
    fingerprint: str
    """Of the data; other data since, and it is of other pictures."""
    words: tuple[WordShare, ...]
    elsewhere: Estimate


def word_shares(run: str, split: str, fingerprint: str, found: Sequence[Told]) -> WordShares:
    """Means with percentile intervals over at least one picture."""
    shares: dict[tuple[str, int], list[float]] = defaultdict(list)
    changes: dict[tuple[str, int], list[float]] = defaultdict(list)
    for one in found:
        for places, values in ((shares, [share for _, share in one.words]), (changes, one.without or ())):
            own: dict[tuple[str, int], float] = defaultdict(float)
            for place, value in zip(_places(one), values, strict=False):
                own[place] += value
            for place, value in own.items():
                places[place].append(value)
    words = tuple(
        WordShare(word, _mean(values), _mean(changes[word, count]) if (word, count) in changes else None)
        for (word, count), values in shares.items()
    )
    return WordShares(run, split, len(found), fingerprint, words, _mean([one.elsewhere for one in found]))


def _places(one: Told) -> list[tuple[str, int]]:
    """Of each word: what stands there, and how many like it stand before it; the name is one place."""
    words, name = [word for word, _ in one.words], one.name.split()
    plain = [word.rstrip(_STOPS) for word in words]
    starts = [place for place in range(len(words)) if plain[place : place + len(name)] == name]
    inside = {place + step for place in starts[-1:] for step in range(len(name))}
    return [
        (CLASS_NAME, 0) if place in inside else (word, words[:place].count(word))
        for place, word in enumerate(words)
    ]


def _mean(values: Sequence[float]) -> Estimate:
    return mean(np.array(values, dtype=np.float64))
