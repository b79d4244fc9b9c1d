"""What calibration yields: frozen values that table, report and ``scores.json`` share.

Fractions, not per cent; log-likelihoods in nats. An undefined number is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .estimates import Estimate

AS_PREDICTED = "as predicted"
"""Name of the classifier's own probabilities, beside which those of post-hoc methods stand."""

NOT_STORED, NOT_OF_ALL = "they are not stored", "they are not stored of every picture"
"""Why there is no proximity of pictures, where ``rationale explain`` can add it."""

COMPARED = ("overconfidence", "ECE", "adaptive_ECE", "NLL", "Brier")
"""Measures of calibration that are compared between runs."""

WRONG, UNJUSTIFIED = "wrong", "wrong or by invalid evidence"
"""What a risk counts as loss: a wrong answer, or all but a right one that rests on valid evidence."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Pictures of similar confidence."""

    low: float
    high: float
    n: int
    confidence: float | None
    """Mean."""
    accuracy: Estimate
    """With Wilson's interval."""


@dataclass(frozen=True)
class Recalibration:
    """How confidences were changed after the fact."""

    method: str
    """``temperature``, ``histogram``, ``isotonic`` or ``dac``."""
    split: str
    """Split that it was fitted on."""
    n: int
    """Pictures that it was fitted on."""
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Proximity:
    """The base pictures that proximities are to, or why there are no proximities."""

    neighbours: int | None
    """How many of the nearest count."""
    split: str | None
    part: str | None
    """``held out`` or ``trained on``."""
    pictures: int | None
    lacking: str | None
    """A reason; None where there are proximities."""


@dataclass(frozen=True)
class Calibration:
    """One set of probabilities of one run on one split."""

    name: str
    """``as predicted``, or the post-hoc method."""
    made: Recalibration | None
    n: int
    metrics: dict[str, Estimate]
    """accuracy, confidence (mean), overconfidence (mean confidence − accuracy), ECE, adaptive_ECE, RMS_CE,
    MCE (largest gap), MCE_weighted (largest n_b/n · gap), NLL, Brier (0 to 2);
    PIECE where proximities are known."""
    expected_ece: float | None
    """Mean ECE that as many pictures with these confidences show when every confidence is right."""
    p_calibrated: float | None
    """How often such pictures show this ECE or a larger one."""
    reliability: tuple[ReliabilityBin, ...]
    expected_piece: float | None = None
    """Mean PIECE of such pictures: over ten times as many bins chance shows much more."""


@dataclass(frozen=True)
class EvidenceCalibration:
    """Pictures whose evidence is valid, or invalid."""

    evidence: str
    """``valid`` or ``invalid``."""
    n: int
    metrics: dict[str, Estimate]
    """accuracy, confidence, overconfidence, ECE."""


@dataclass(frozen=True)
class ConfidentWrongReason:
    """Right and confident, but by invalid evidence: what neither accuracy nor confidence can warn of."""

    confidence: float
    """At least."""
    rate: Estimate
    """Of the annotated pictures; with Wilson's interval."""
    of_confident_right: Estimate
    """Of the right answers that are as confident."""


@dataclass(frozen=True)
class Abstention:
    """Answers are kept in the order of a score, and the others left to somebody else."""

    by: str
    """``confidence``, ``focus`` (1 − entropy of the heatmap), ``top`` (its mass on the top tenth of the
    patches), or ``confidence and focus``, ``confidence and top`` (mean of the ranks)."""
    risk: str
    """``wrong`` (all pictures) or ``wrong or by invalid evidence`` (the annotated)."""
    area: Estimate
    """AURC: mean risk over all coverages."""
    beyond_confidence: Estimate | None
    """This area minus that of the confidence, on the same pictures."""
    curve: tuple[float, ...]
    """Risk at a coverage of 1 %, 2 % … 100 %."""


@dataclass(frozen=True)
class CalibrationScore:
    """Calibration of one run on one split, and how it goes with evidence at one threshold."""

    bins: int
    predictions: tuple[Calibration, ...]
    """As predicted, then by post-hoc methods."""
    evidence: tuple[EvidenceCalibration, ...]
    """Valid and invalid; none where nothing is annotated."""
    overconfidence_by_evidence: Estimate | None
    """Overconfidence where evidence is invalid minus that where it is valid."""
    confident: ConfidentWrongReason | None
    abstention: tuple[Abstention, ...]
    heatmaps: str | None
    """Evidence set whose heatmaps say when to abstain: of the predicted class, since nobody knows the
    annotated one beforehand. None where there is no such set."""
    proximity: Proximity | None = None
