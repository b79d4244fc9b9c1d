"""The 1,000 classes of ILSVRC 2012: synsets in the order of their labels, and what they are called."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

from ._official import RootOptions

Names = Literal["clip", "reference"]
"""CLIP's curated names, or the first synonym of WordNet."""

Duplicates = Literal["apart", "keep"]
"""What happens where two classes have one name."""

_APART: dict[str, dict[str, str]] = {
    "clip": {"n04008634": "projectile", "n04355933": "sunglass"},
    "reference": {"n02012849": "crane bird", "n03126707": "construction crane", "n03710721": "tank suit"},
}
"""Names of their own for classes that share one: other synonyms, or CLIP's where there is none."""


class ImageNetOptions(RootOptions):
    """Options of every data set with the classes of ImageNet."""

    names: Names = "clip"
    """Names of the classes: CLIP's curated ones, or the reference's (the first synonym of each synset)."""
    duplicates: Duplicates = "apart"
    """Tell apart the classes that share a name, or keep the ties as released (with a warning)."""


class ImageNetClass(NamedTuple):
    """One class."""

    synset: str
    curated: str
    """CLIP's name."""
    synonyms: str
    """Of WordNet, joined by ", "."""


@cache
def classes() -> tuple[ImageNetClass, ...]:
    """All classes; a class's place is its label."""
    text = files(__package__).joinpath("imagenet_classes.tsv").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return tuple(ImageNetClass(*line.split("\t")) for line in lines)


@cache
def labels() -> dict[str, int]:
    """Synset → label."""
    return {one.synset: label for label, one in enumerate(classes())}


def classnames(
    names: Names, duplicates: Duplicates, among: Sequence[ImageNetClass] | None = None
) -> tuple[str, ...]:
    """What classes are called, by default all of them.

    In the reference's names "crane" and "maillot" occur twice, in CLIP's "missile" and "sunglasses":
    identical prompts, which no zero-shot classifier can decide between. Kept, they are told by a warning.
    """
    own = {} if duplicates == "keep" else _APART[names]
    plain = tuple(
        own.get(one.synset, one.curated if names == "clip" else one.synonyms.split(", ", maxsplit=1)[0])
        for one in among or classes()
    )
    twice = [f"{name!r}" for name, count in Counter(plain).items() if count > 1]
    if twice:
        warnings.warn(
            f"{' and '.join(twice)} name two classes each: zero-shot cannot tell them apart",
            stacklevel=2,
        )
    return plain
