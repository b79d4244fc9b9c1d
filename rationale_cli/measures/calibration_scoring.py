"""Everything that is told of one run's calibration at one threshold of evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .bootstrap import LEVEL, Resampling
from .calibration import (
    BINS,
    Binned,
    binned,
    equal_width,
    maximum_error,
    weighted_maximum_error,
)
from .calibration_bootstrap import ERRORS, calibration_errors, mean_interval, piece_error
from .calibration_results import (
    UNJUSTIFIED,
    WRONG,
    Abstention,
    Calibration,
    CalibrationScore,
    ConfidentWrongReason,
    EvidenceCalibration,
    ReliabilityBin,
)
from .estimates import Estimate, defined
from .intervals import Interval, mover, wilson
from .measured import Measured, Predictions
from .probabilities import Predicted
from .selective import RiskCoverage, risk_coverage, together

Floats = npt.NDArray[np.float64]

CONFIDENT = 0.9
"""Confidence from which on a wrong reason is told apart."""


@dataclass(frozen=True)
class CalibrationSettings:
    """How calibration is measured."""

    bins: int = BINS
    confident: float = CONFIDENT


def score_calibration(
    measured: Measured, threshold: float, settings: CalibrationSettings, how: Resampling
) -> CalibrationScore | None:
    """Calibration of a run, with and without valid evidence; None where its probabilities are not known."""
    if not measured.predictions:
        return None
    own = next(iter(measured.predictions.values())).predicted
    outcomes = measured.outcomes
    known, valid = outcomes.annotated, outcomes.valid(threshold)
    parts = {"valid": known & valid, "invalid": known & ~valid} if known.any() else {}
    evidence = tuple(
        _evidence(name, own.at(rows), settings.bins, _within(how, rows)) for name, rows in parts.items()
    )
    return CalibrationScore(
        bins=settings.bins,
        predictions=tuple(
            calibration(name, one, settings.bins, how) for name, one in measured.predictions.items()
        ),
        evidence=evidence,
        overconfidence_by_evidence=_contrast(*evidence) if evidence else None,
        confident=_confident(own, known, valid, settings.confident) if known.any() else None,
        abstention=tuple(_abstention(measured, own, known, valid)),
        heatmaps=measured.heatmaps.name if measured.heatmaps else None,
        proximity=measured.proximity,
    )


def calibration(name: str, one: Predictions, bins: int, how: Resampling) -> Calibration:
    """Every measure of one set of n > 0 probabilities."""
    told = one.predicted
    found = binned(told.confidence, told.right, equal_width(told.confidence, bins), bins)
    n = len(told.right)
    errors = calibration_errors(told, ERRORS, bins, how)
    metrics = _basic(told) | {
        name: Estimate(error.value, error.low, error.high, n) for name, error in errors.items()
    }
    metrics["MCE"] = Estimate(maximum_error(found), None, None, n)
    metrics["MCE_weighted"] = Estimate(weighted_maximum_error(found), None, None, n)
    metrics["NLL"], metrics["Brier"] = _mean(-told.log_true), _mean(told.brier)
    piece = None if one.near is None else piece_error(told, one.near, bins, how)
    if piece is not None:
        metrics["PIECE"] = Estimate(piece.value, piece.low, piece.high, n)
    return Calibration(
        name,
        one.made,
        n,
        metrics,
        defined(errors["ECE"].expected),
        defined(errors["ECE"].p),
        reliability(found),
        None if piece is None else defined(piece.expected),
    )


def reliability(found: Binned) -> tuple[ReliabilityBin, ...]:
    """Bins of equal width as a reliability diagram shows them."""
    bins = len(found.n)
    result = []
    for place, n in enumerate(found.n.tolist()):
        accuracy = float(found.accuracy[place])
        low, high = wilson(round(accuracy * n), n, LEVEL) if n else Interval(np.nan, np.nan)
        result.append(
            ReliabilityBin(
                place / bins,
                (place + 1) / bins,
                n,
                defined(found.confidence[place]),
                Estimate(defined(accuracy), defined(low), defined(high), n),
            )
        )
    return tuple(result)


def _basic(told: Predicted) -> dict[str, Estimate]:
    n = len(told.right)
    hits = int(told.right.sum())
    low, high = wilson(hits, n, LEVEL)
    return {
        "accuracy": Estimate(hits / n if n else None, defined(low), defined(high), n),
        "confidence": _mean(told.confidence),
        "overconfidence": _mean(told.confidence - told.right),
    }


def _evidence(name: str, told: Predicted, bins: int, how: Resampling) -> EvidenceCalibration:
    n = len(told.right)
    error = Estimate(None, None, None, 0)
    if n:
        found = calibration_errors(told, ERRORS[:1], bins, how)["ECE"]
        error = Estimate(found.value, found.low, found.high, n)
    return EvidenceCalibration(name, n, _basic(told) | {"ECE": error})


def _contrast(valid: EvidenceCalibration, invalid: EvidenceCalibration) -> Estimate | None:
    """Overconfidence by invalid minus by valid evidence: different pictures, so independent."""
    sides = []
    for one in (invalid.metrics["overconfidence"], valid.metrics["overconfidence"]):
        if one.value is None or one.low is None or one.high is None:
            return None
        sides.append((one.value, Interval(one.low, one.high)))
    found = mover(sides[0], sides[1], LEVEL)
    return Estimate(found.difference, defined(found.low), defined(found.high), valid.n + invalid.n)


def _confident(
    told: Predicted, known: npt.NDArray[np.bool_], valid: npt.NDArray[np.bool_], least: float
) -> ConfidentWrongReason:
    sure = known & told.right & (told.confidence >= least)
    hits = int(np.sum(sure & ~valid))

    def share(n: int) -> Estimate:
        low, high = wilson(hits, n, LEVEL)
        return Estimate(hits / n if n else None, defined(low), defined(high), n)

    return ConfidentWrongReason(least, share(int(known.sum())), share(int(sure.sum())))


def _abstention(
    measured: Measured, told: Predicted, known: npt.NDArray[np.bool_], valid: npt.NDArray[np.bool_]
) -> list[Abstention]:
    scores = {"confidence": told.confidence}
    if measured.heatmaps is not None:
        for name in ("focus", "top"):
            scores[name] = getattr(measured.heatmaps.concentration, name)
            scores[f"confidence and {name}"] = together(told.confidence, scores[name])
    everything = np.ones(len(told.right), bool)
    losses = {WRONG: (everything, ~told.right), UNJUSTIFIED: (known, ~(told.right & valid))}
    result = []
    for risk, (rows, loss) in losses.items():
        if not rows.any():
            continue
        curves = {name: risk_coverage(score[rows], loss[rows]) for name, score in scores.items()}
        result += [_curve(name, risk, one, curves["confidence"]) for name, one in curves.items()]
    return result


def _curve(name: str, risk: str, one: RiskCoverage, confidence: RiskCoverage) -> Abstention:
    n = len(one.influence)
    beyond = None
    if one is not confidence:
        beyond = _shifted(one.area - confidence.area, one.influence - confidence.influence)
    area = _shifted(one.area, one.influence)
    low = None if area.low is None else max(0.0, area.low)
    high = None if area.high is None else min(1.0, area.high)
    return Abstention(name, risk, Estimate(area.value, low, high, n), beyond, tuple(one.risk.tolist()))


def _shifted(value: float, influence: Floats) -> Estimate:
    low, high = mean_interval(influence + value)
    return Estimate(value, defined(low), defined(high), len(influence))


def _mean(values: Floats) -> Estimate:
    if not len(values) or np.isnan(values).any():
        return Estimate(None, None, None, 0)
    low, high = mean_interval(values)
    return Estimate(defined(values.mean()), defined(low), defined(high), len(values))


def _within(how: Resampling, rows: npt.NDArray[np.bool_]) -> Resampling:
    return how if how.strata is None else Resampling(how.replicates, how.seed, how.strata[rows])
