"""Which training pictures a regularizer may see the masks of: all, or a share, as where masks are costly."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..contracts import Split
from ..errors import InputError
from ..recipe import TrainOptions


def annotated(split: Split, indices: Sequence[int], options: TrainOptions) -> tuple[int, ...]:
    """Those of ``indices`` that ``train.mask_fraction`` takes, at least one, in order.

    Which, follows from ``train.shot_seed`` and the pictures' identifiers alone, so a smaller share is a part
    of a larger one. Raises ``InputError`` where none of them has a mask or boxes.
    """
    count = max(round(len(indices) * options.mask_fraction), 1)
    ids = split.ids
    drawn = sorted(indices, key=lambda index: _draw(ids[index], options.shot_seed))[:count]
    if not any(_has_evidence(split, index) for index in drawn):
        raise InputError(
            f"Expected masks or boxes for the regularizer but none of {len(drawn)} pictures of the split "
            f"{options.split!r} has any.",
            next_step="use data with masks or boxes, raise --mask-fraction, or take a regularizer that needs "
            "none, for example evidence-anchor",
        )
    return tuple(sorted(drawn))


def _draw(identifier: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{identifier}".encode()).digest()


def _has_evidence(split: Split, index: int) -> bool:
    """False for a picture that cannot be read: training tells of it."""
    try:
        return split[index].evidence is not None
    except InputError:
        return False
