"""What another precision does to scores: a frozen value."""

from __future__ import annotations

from dataclasses import dataclass

WORDS = {"no": "single precision"}
"""How precisions are told; others by their own name."""


@dataclass(frozen=True)
class PrecisionEffect:
    """One run's main estimator beside the same in another precision, at one threshold.

    Shares are of the ``n`` pictures that both were computed of.
    """

    run: str
    specification: str
    """Name of the other evidence set."""
    precision: str
    """The other: ``no`` (single), ``bf16`` or ``fp16``."""
    reference: str
    """That of the scored evidence."""
    n: int
    quadrant: float
    """Pictures that are in another quadrant."""
    right: float
    """Pictures that are predicted rightly in one precision alone."""
    valid: float
    """Pictures whose evidence is valid in one precision alone."""

    def __str__(self) -> str:
        other, own = (WORDS.get(one, one) for one in (self.precision, self.reference))
        return (
            f"{self.run}: in {other}, {self.quadrant:.1%} of {self.n} pictures are in another quadrant than "
            f"in {own} (prediction {self.right:.1%}, evidence {self.valid:.1%})."
        )
