"""What is found of transfer: a matrix of models and evaluation sets, and what each kind of transfer gains.

Fractions, not per cent. An undefined number (an empty denominator) is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .estimates import Estimate, Verdict

BALANCED = "balanced_accuracy"
MEASURES = ("accuracy", BALANCED, "PT", "V")
"""What every cell holds; the first decides whether something transfers."""

SAME = "same"
"""The kind of evaluation sets that are like the pictures a model was tuned on."""

KindVerdict = Literal["helps", "transfers", "transfers in part", "does not transfer", "hurts", "mixed",
                      "not decided"]  # fmt: skip
"""``helps`` is said of ``SAME`` only; see ``measures.transfer``."""

Conclusion = Literal[
    "helps within, transfers",
    "helps within, transfers in part",
    "helps within, does not transfer",
    "hurts within",
    "not decided",
]


@dataclass(frozen=True)
class TransferColumn:
    """An evaluation set."""

    name: str
    dataset: str
    """Qualified name of the plugin."""
    factors: Mapping[str, str]
    """What its pictures are like, as the dataset declares it; empty where it declares nothing."""
    chance: float
    """Accuracy of guessing."""


@dataclass(frozen=True)
class TransferChange:
    """Tuned minus un-tuned on the same pictures, a mean over the seeds."""

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    """Adjusted over all cells of the matrix, measure by measure."""
    verdict: Verdict
    """Where heatmaps enter at most ``not audited``: one estimator has looked at it."""


@dataclass(frozen=True)
class TransferCell:
    """One row on one evaluation set."""

    column: int
    """Place of the column."""
    kind: str | None
    """``same``, or the factors that differ, joined by ``+``; None for the un-tuned model, and where nothing
    is declared."""
    runs: tuple[str, ...]
    """Several where they differ in the seed only."""
    metrics: Mapping[str, Estimate]
    changes: Mapping[str, TransferChange]
    """Empty for the un-tuned model, and where there is none to compare with."""


@dataclass(frozen=True)
class TransferRow:
    """A model as it came, or tuned on one training set in one way."""

    model: str
    method: str
    """With the regularizers; ``zs`` for the un-tuned model."""
    tuned_on: str
    """What the training pictures are like; empty for the un-tuned model."""
    cells: tuple[TransferCell, ...]


@dataclass(frozen=True)
class KindGain:
    """One measure over all cells of one kind: the mean change."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    """Adjusted over the kinds."""


@dataclass(frozen=True)
class KindSummary:
    """One kind of transfer."""

    kind: str
    rows: int
    cells: int
    pictures: int
    """Different ones."""
    up: int
    down: int
    """Cells whose accuracy rose, and fell, significantly after Holm over the kind's cells."""
    gains: Mapping[str, KindGain]
    """By measure."""
    share: Estimate | None
    """Of the gain within that is found here; None for ``same`` itself, and where there was none within."""
    verdict: KindVerdict


@dataclass(frozen=True)
class TransferSummary:
    """What comes of all rows, or of those of one model and method."""

    model: str | None
    """None for all rows together."""
    method: str | None
    kinds: tuple[KindSummary, ...]
    conclusion: Conclusion


@dataclass(frozen=True)
class Transfer:
    """The matrix and what it says."""

    specification: str
    """Of the evidence."""
    rma: str
    threshold: float
    margin: float
    """Share of the gain within below which a gain elsewhere counts as none."""
    columns: tuple[TransferColumn, ...]
    rows: tuple[TransferRow, ...]
    summaries: tuple[TransferSummary, ...]
    notes: tuple[str, ...] = ()
