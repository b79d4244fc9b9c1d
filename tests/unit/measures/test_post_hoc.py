"""Probabilities in double precision, and calibration after the fact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rationale_cli.measures import probabilities
from rationale_cli.measures.calibration import adaptive_ece, ece
from rationale_cli.measures.post_hoc import (
    TEMPERATURES,
    dac_factors,
    fit_histogram,
    fit_isotonic,
    fit_temperature,
)
from rationale_cli.measures.probabilities import predicted

LOGITS = arrays(
    np.float32, st.tuples(st.integers(1, 12), st.integers(2, 6)), elements=st.floats(-1e4, 1e4, width=32)
)


def sample(n: int = 400, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return 3 * rng.standard_normal((n, classes)) + 4 * np.eye(classes)[labels], labels


@given(LOGITS, st.floats(-1e3, 1e3))
def test_probabilities(logits, shift):
    labels = np.arange(len(logits)) % logits.shape[1]
    found = predicted(logits, labels)
    assert np.all(np.isfinite(found.log_true)) and np.all(found.log_true <= 0)
    assert np.all((found.confidence >= 1 / logits.shape[1] - 1e-12) & (found.confidence <= 1))
    assert np.all((found.brier >= 0) & (found.brier <= 2))
    moved = predicted(logits.astype(np.float64) + shift, labels, logits.argmax(axis=1))
    np.testing.assert_allclose(moved.log_true, found.log_true, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved.confidence, found.confidence, atol=1e-9)


def test_what_rounds_to_one_in_single_precision_keeps_its_doubt():
    found = predicted(np.array([[25.0, 0.0]], np.float32), np.array([1]))
    assert np.float32(found.confidence[0]) == 1 != found.confidence[0]
    assert found.log_true[0] == pytest.approx(-25, abs=1e-9)
    assert found.brier[0] == pytest.approx(2 * found.confidence[0] ** 2)


def test_a_chunk_at_a_time(monkeypatch):
    logits, labels = sample(50)
    whole = predicted(logits, labels)
    monkeypatch.setattr(probabilities, "_CHUNK", 35)
    parts = predicted(logits, labels)
    np.testing.assert_array_equal(parts.log_true, whole.log_true)
    np.testing.assert_array_equal(parts.brier, whole.brier)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 20))
def test_temperature_follows_the_scale(factor):
    logits, labels = sample(120)
    assert fit_temperature(factor * logits, labels) == pytest.approx(
        factor * fit_temperature(logits, labels), rel=1e-5
    )


def test_temperature_is_where_the_likelihood_is_largest():
    logits, labels = sample(300)
    best = fit_temperature(logits, labels)
    losses = [-predicted(logits, labels, None, best * step).log_true.mean() for step in (0.97, 1.0, 1.03)]
    assert losses[1] == min(losses)


def test_temperatures_of_answers_that_are_all_right_or_all_wrong():
    logits, _ = sample(40)
    assert fit_temperature(logits, logits.argmax(axis=1)) == TEMPERATURES[0]
    assert fit_temperature(logits, logits.argmin(axis=1)) == TEMPERATURES[1]


def test_a_calibrated_scale_is_found_again():
    rng = np.random.default_rng(1)
    logits = 2 * rng.standard_normal((20_000, 4))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random((20_000, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    assert fit_temperature(2.5 * logits, labels) == pytest.approx(2.5, rel=0.03)


def test_histogram_gives_each_bin_its_accuracy():
    logits, labels = sample(600)
    told = predicted(logits, labels)
    found = fit_histogram(told.confidence, told.right, 8)
    mapped = found(told.confidence)
    assert len(found.value) == len(found.at) + 1 == 8
    assert adaptive_ece(told.confidence, told.right, 8) > 0.01
    for value in found.value:
        assert told.right[mapped == value].mean() == pytest.approx(value)


def test_equal_confidences_share_a_bin():
    confidence = np.array([0.2, 1.0, 1.0, 1.0, 1.0, 1.0])
    right = np.array([False, True, True, False, True, True])
    found = fit_histogram(confidence, right, 4)
    assert found(confidence).tolist() == [0.0, 0.8, 0.8, 0.8, 0.8, 0.8]
    flat = fit_histogram(np.ones(4), right[:4], 4)
    assert flat(np.array([0.3, 1.0])).tolist() == [0.5, 0.5]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_isotonic_rises_and_keeps_the_mean(pairs):
    confidence, right = np.array([one for one, _ in pairs]), np.array([flag for _, flag in pairs])
    mapped = fit_isotonic(confidence, right)(np.sort(confidence))
    assert np.all(np.diff(mapped) >= -1e-12)
    assert np.all((mapped >= -1e-12) & (mapped <= 1 + 1e-12))
    assert mapped.mean() == pytest.approx(right.mean())


def test_isotonic_outside_what_it_saw():
    found = fit_isotonic(np.array([0.4, 0.5, 0.6]), np.array([False, True, True]))
    assert found(np.array([0.0, 0.45, 1.0])).tolist() == pytest.approx([0.0, 0.5, 1.0])


def unit(rng, n: int, width: int = 8) -> np.ndarray:
    found = rng.standard_normal((n, width))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_dac_of_what_did_not_move():
    classes = unit(np.random.default_rng(0), 9)
    same = (classes[:6], classes)
    assert dac_factors(same, same) == pytest.approx(np.ones(9))


def test_dac_trusts_less_what_moved_away():
    rng = np.random.default_rng(1)
    classes = unit(rng, 7)
    base = classes[:5]
    closer = np.concatenate(
        [base, 0.7 * classes[5:6] + 0.3 * base.mean(axis=0), -classes[6:] - base.sum(axis=0)]
    )
    factors = dac_factors((base, classes), (base, closer))
    assert factors[:5] == pytest.approx(np.ones(5))
    assert factors[5] > 1 > factors[6] > 0


def test_reference_values(shared: Path):
    golden = np.load(shared / "golden" / "prompt.npz")
    logits, labels = golden["cal.logits"], golden["cal.labels"]
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(float(golden["cal.metric.ts.T"]), rel=1e-6)
    scaled = predicted(logits, labels, None, temperature)
    assert -scaled.log_true.mean() == pytest.approx(float(golden["cal.metric.ts.nll"]), abs=1e-9)
    assert ece(scaled.confidence, scaled.right, 15) == pytest.approx(
        float(golden["cal.metric.ts.ece15"]), abs=1e-6
    )
    # The better likelihood has the worse error here: both numbers must be told.
    assert ece(predicted(logits, labels).confidence, scaled.right, 15) < float(golden["cal.metric.ts.ece15"])
    factors = dac_factors(
        (golden["cal.dac.bz"], golden["cal.dac.cz"]), (golden["cal.dac.bt"], golden["cal.dac.ct"])
    )
    np.testing.assert_allclose(factors, golden["cal.dac.class_confidence_K5"], atol=1e-12)
    given_logits = golden["cal.dac.logits_in"]
    changed = given_logits * factors[given_logits.argmax(axis=1)][:, None]
    np.testing.assert_allclose(changed, golden["cal.dac.logits_out"], rtol=1e-6)
    np.testing.assert_array_equal(changed.argmax(axis=1), given_logits.argmax(axis=1))
