"""Can a published triple of accuracy, PT and IR be true at all? (protocol §1)"""

from __future__ import annotations

from typing import NamedTuple


class Triple(NamedTuple):
    """What a triple says once it is taken apart; fractions of all pictures."""

    RR: float
    RW: float
    WR: float
    WW: float
    V: float
    """Valid-evidence rate."""
    lift: float
    """IR/Acc = PT/V."""
    consistent: bool


def audit(accuracy: float, trust: float, reliability: float, *, rounding: float = 5e-5) -> Triple:
    """Recover the quadrants from accuracy, PT (``trust``) and IR (``reliability``), all fractions.

    RR = Acc·PT, V = RR/IR, WR = V − RR; the triple is consistent when 0 ≤ WR ≤ 1 − Acc, each number
    taken as rounded by up to ``rounding`` (5e-5: per cent with two decimals). Raises ``ValueError`` for
    numbers outside [0, 1] and where accuracy or IR is 0, from which nothing can be recovered.

    >>> triple = audit(0.6330, 0.8705, 0.6633)  # CLIP-ViT-B/16, zero-shot, ImageNet: Table 4
    >>> triple.consistent, round(triple.V, 3), round(triple.lift, 3)
    (True, 0.831, 1.048)
    """
    for value in (accuracy, trust, reliability):
        if not 0 <= value <= 1:
            raise ValueError(f"Expected fractions between 0 and 1 but got {value}")
    if accuracy == 0 or reliability == 0:
        raise ValueError("Expected accuracy and IR above 0 but got 0: the quadrants cannot be recovered")
    rr = accuracy * trust
    rate = rr / reliability
    wr = rate - rr
    lowest = _wrong_valid(accuracy - rounding, trust - rounding, reliability + rounding)
    highest = _wrong_valid(accuracy + rounding, trust + rounding, reliability - rounding)
    consistent = highest >= 0 and lowest <= 1 - accuracy + rounding
    return Triple(rr, accuracy - rr, wr, 1 - accuracy - wr, rate, reliability / accuracy, consistent)


def _wrong_valid(accuracy: float, trust: float, reliability: float) -> float:
    """WR = Acc·PT·(1/IR − 1): rising in Acc and PT, falling in IR."""
    return accuracy * trust * (1 / reliability - 1) if reliability > 0 else float("inf")
