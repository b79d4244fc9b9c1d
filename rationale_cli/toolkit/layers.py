"""Which attention layers an explanation covers: the words of ``--layers``."""

from __future__ import annotations

import re

from ..contracts import Family
from ..errors import InputError

_RANGE = re.compile(r"\s*(\d+)\s*\.\.\s*(\d+)\s*")
_WORDS = ("last", "all", "reference")


def parse(layers: str) -> tuple[int, int] | None:
    """``a..b`` → (a, b); None for ``last``, ``all`` and ``reference``.

    Raises ``InputError`` for anything else. Needs no model, so that a recipe is checked before any work.
    """
    if layers in _WORDS:
        return None
    match = _RANGE.fullmatch(layers)
    if match is None:
        raise InputError(
            f"Expected layers as last, all, reference or a..b but got {layers!r}.",
            next_step="write for example '7..12' for blocks 7 to 12, counted from 1, both included",
        )
    first, last = int(match[1]), int(match[2])
    if not 1 <= first <= last:
        raise InputError(f"Expected layers a..b with 1 ≤ a ≤ b but got {layers!r}.")
    return first, last


def resolve(layers: str, depth: int, family: Family) -> tuple[int, int]:
    """First and last explained block, counted from 1, of a tower with ``depth`` of them.

    ``reference`` is what the paper's released code does: the last block for text classifiers, all blocks
    for linear heads. Raises ``InputError`` for a malformed or too long range.

    >>> resolve("all", 12, "text"), resolve("reference", 12, "text"), resolve("3..4", 12, "linear")
    ((1, 12), (12, 12), (3, 4))
    """
    asked = parse(layers)
    if asked is None:
        everything = layers == "all" or (layers == "reference" and family == "linear")
        return (1 if everything else depth), depth
    if asked[1] > depth:
        raise InputError(
            f"Expected layers within 1..{depth} but got {layers!r}.",
            next_step=f"this model has {depth} attention layers",
        )
    return asked
