"""Calibration errors: hand-checked values, edges of bins, reference values, and what must always hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.measures.calibration import (
    adaptive_ece,
    binned,
    ece,
    equal_mass,
    equal_width,
    expected_error,
    maximum_error,
    piece,
    proximity,
    rms_error,
    weighted_maximum_error,
)
from rationale_cli.measures.calibration_bootstrap import ERRORS, calibration_errors, paired_error, paired_mean
from rationale_cli.measures.calibration_scoring import reliability
from rationale_cli.measures.probabilities import Predicted, predicted

BOOLS = np.array([True, False])


def wide(confidence, right, bins):
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    return binned(confidence, right, equal_width(confidence, bins), bins)


def told(confidence: np.ndarray, right: np.ndarray) -> Predicted:
    return Predicted(right, confidence, np.log(confidence), (1 - confidence) ** 2)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 60))
    confidence = draw(st.lists(st.floats(0, 1), min_size=n, max_size=n))
    right = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return np.array(confidence), np.array(right)


def test_four_pictures_by_hand():
    confidence, right = [0.9, 0.8, 0.6, 0.3], [1, 0, 1, 0]
    found = wide(confidence, right, 2)
    assert expected_error(found) == pytest.approx(0.15)
    assert maximum_error(found) == pytest.approx(0.3)
    assert rms_error(found) == pytest.approx(0.1732051, abs=1e-7)
    assert expected_error(wide(confidence, right, 10)) == pytest.approx(0.40)


@pytest.mark.parametrize(
    ("confidence", "right", "expected", "elsewhere"),
    [
        # 1.0 belongs to the last bin: not to an eleventh (.525), and not to none while it still counts (.05).
        ([0.95, 1.0], [1, 0], 0.475, (0.525, 0.05)),
        # .5 belongs to the bin that it opens: with .55, and not with what lies below (.475).
        ([0.5, 0.55], [0, 1], 0.025, (0.475,)),
    ],
)
def test_edges_of_bins(confidence, right, expected, elsewhere):
    value = expected_error(wide(confidence, right, 10))
    assert value == pytest.approx(expected)
    assert all(abs(value - other) > 0.02 for other in elsewhere)


def test_every_multiple_of_a_bins_width_opens_its_bin():
    for bins in (2, 7, 10, 15, 29, 100):
        edges = np.arange(bins) / bins
        assert equal_width(edges, bins).tolist() == list(range(bins))
        assert equal_width(np.nextafter(edges[1:], 0), bins).tolist() == list(range(bins - 1))
        assert equal_width(np.array([1.0]), bins).tolist() == [bins - 1]


@given(pictures(), st.integers(1, 20))
def test_what_must_hold(data, bins):
    confidence, right = data
    found = wide(confidence, right, bins)
    error, rms, worst = expected_error(found), rms_error(found), maximum_error(found)
    gap = abs(confidence.mean() - right.mean())
    assert gap - 1e-12 <= error <= rms + 1e-12 <= worst + 2e-12 <= 1 + 3e-12
    assert weighted_maximum_error(found) <= error + 1e-12
    assert adaptive_ece(confidence, right, 1) == pytest.approx(gap)
    assert gap - 1e-12 <= adaptive_ece(confidence, right, bins) <= 1 + 1e-12
    order = np.random.default_rng(0).permutation(len(right))
    assert ece(confidence[order], right[order], bins) == pytest.approx(error)
    assert sum(one.n for one in reliability(found)) == len(right)


@given(st.floats(0, 1), st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 30))
def test_one_confidence_for_all(confidence, right, bins):
    same = np.full(len(right), confidence)
    assert ece(same, np.array(right), bins) == pytest.approx(abs(confidence - np.mean(right)))


@given(pictures(), st.integers(1, 12))
def test_bins_of_equal_mass_differ_by_one_picture(data, bins):
    counts = np.bincount(equal_mass(data[0], bins), minlength=bins)
    assert counts.max() - counts.min() <= 1


@given(pictures(), st.integers(1, 10))
def test_groups_by_proximity_only_add_to_the_error(data, bins):
    confidence, right = data
    near = np.linspace(0.2, 0.9, len(right))
    assert piece(confidence, right, near, bins) >= ece(confidence, right, bins) - 1e-12


def test_proximity_is_of_the_nearest():
    reference = np.array([[0.0, 0.0], [3.0, 4.0], [30.0, 40.0]])
    found = proximity(np.array([[0.0, 0.0]]), reference, neighbours=2)
    assert found == pytest.approx(np.exp(-2.5))
    assert proximity(np.array([[0.0, 0.0]]), reference[:1]) == pytest.approx(1.0)


def test_an_empty_set_has_no_error():
    found = wide([], [], 5)
    assert all(np.isnan(of(found)) for of in (expected_error, rms_error, maximum_error))


def test_the_fast_bootstrap_is_the_bootstrap():
    rng = np.random.default_rng(1)
    confidence = 0.2 + 0.8 * rng.beta(4, 1.3, 900)
    right = rng.random(900) < 0.85 * confidence
    other = np.clip(confidence + rng.normal(0, 0.08, 900), 0.01, 1)
    agreeing = np.where(rng.random(900) < 0.8, right, rng.random(900) < other)
    rows = rng.integers(0, 900, (1500, 900))
    drawn = [
        (ece(confidence[at], right[at]), ece(confidence[at], right[at]) - ece(other[at], agreeing[at]))
        for at in rows
    ]
    single, paired = np.std(drawn, axis=0)
    one = calibration_errors(told(confidence, right), ERRORS, 15, _how(4000))["ECE"]
    assert (one.high - one.low) / (2 * 1.96) == pytest.approx(single, rel=0.08)
    both = paired_error(told(confidence, right), told(other, agreeing), ERRORS[0], 15, _how(4000))
    assert (both.high - both.low) / (2 * 1.96) == pytest.approx(paired, rel=0.08)


def _how(replicates: int, seed: int = 0):
    from rationale_cli.measures.bootstrap import Resampling

    return Resampling(replicates, seed)


@pytest.mark.parametrize(("shrink", "least"), [(1.0, 0.9), (0.9, 0.88)])
def test_intervals_hold_the_truth(shrink, least):
    """Percentiles of replicates would hold it in none of the calibrated sets."""
    rng = np.random.default_rng(2)
    truth = (1 - shrink) * (0.15 + 0.85 * 4 / 5.2)
    held = 0
    for repetition in range(150):
        confidence = 0.15 + 0.85 * rng.beta(4, 1.2, 1000)
        right = rng.random(1000) < shrink * confidence
        found = calibration_errors(told(confidence, right), ERRORS[:1], 15, _how(400, repetition))["ECE"]
        held += found.low <= truth <= found.high
    assert held / 150 >= least


def test_calibrated_confidences_are_told_from_others():
    rng = np.random.default_rng(3)
    confidence = rng.beta(4, 1, 2000)
    calibrated = told(confidence, rng.random(2000) < confidence)
    sure = told(confidence, rng.random(2000) < 0.9 * confidence)
    found = [calibration_errors(one, ERRORS, 15, _how(1000)) for one in (calibrated, sure)]
    for kind in ERRORS:
        good, bad = (one[kind.name] for one in found)
        assert good.low == 0 and good.p > 0.05 and good.value == pytest.approx(good.expected, rel=0.6)
        assert bad.low > 0 and bad.p < 0.01


def test_pairs():
    rng = np.random.default_rng(4)
    confidence = rng.beta(4, 1, 600)
    right = rng.random(600) < confidence
    one, other = told(confidence, right), told(confidence**0.2, right)
    same = paired_error(one, one, ERRORS[0], 15, _how(500))
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    forth, back = (paired_error(*pair, ERRORS[0], 15, _how(500)) for pair in ((other, one), (one, other)))
    assert forth.difference == -back.difference > 0
    assert forth.low > 0 and forth.p < 0.001 and back.high < 0
    means = paired_mean(other.confidence, one.confidence)
    assert means.low < means.difference < means.high and means.p < 1e-6
    assert paired_mean(one.confidence, one.confidence).p == 1


def test_many_bins_fit_into_memory():
    rng = np.random.default_rng(5)
    one, other = (told(rng.random(4000) * 0.99 + 0.005, rng.choice(BOOLS, 4000)) for _ in range(2))
    found = paired_error(one, other, ERRORS[0], 100, _how(300))
    assert found.low < found.difference < found.high


def test_reference_values(shared: Path):
    golden = np.load(shared / "golden" / "prompt.npz")

    def value(name: str) -> float:
        return float(golden[f"cal.metric.{name}"])

    found = predicted(golden["cal.logits"], golden["cal.labels"])
    confidence, right = found.confidence, found.right
    for bins in (10, 15):
        of = wide(confidence, right, bins)
        assert expected_error(of) == pytest.approx(value(f"plain.ece{bins}"), abs=1e-12)
        assert maximum_error(of) == pytest.approx(value(f"plain.mce{bins}"), abs=1e-12)
        assert rms_error(of) == pytest.approx(value(f"plain.rmsce{bins}"), abs=1e-12)
        assert weighted_maximum_error(of) == pytest.approx(value(f"sustech.mce{bins}_weighted"), abs=1e-12)
        assert adaptive_ece(confidence, right, bins) == pytest.approx(value(f"plain.ace{bins}"), abs=1e-12)
        near = piece(confidence, right, golden["cal.proximity"], bins)
        assert near == pytest.approx(value(f"sustech.piece10x{bins}"), abs=1e-12)
    assert right.mean() == pytest.approx(value("acc"))
    assert confidence.mean() - right.mean() == pytest.approx(value("overconfidence"), abs=1e-12)
    assert -found.log_true.mean() == pytest.approx(value("nll"), abs=1e-12)
    assert found.brier.mean() == pytest.approx(value("brier_multiclass"), abs=1e-12)
