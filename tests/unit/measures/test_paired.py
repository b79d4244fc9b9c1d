"""Paired differences against a bootstrap that draws pictures."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.paired import (
    EVIDENCE_METRICS,
    excess_over_control,
    p_value,
    paired_measures,
    paired_proportion,
)
from rationale_cli.measures.quadrants import cells, count, ratios

FEW = Resampling(replicates=200, seed=1)
MANY = Resampling(replicates=20_000)
N = 160


def runs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cells of two runs on the same pictures, right and valid together more often than not."""
    rng = np.random.default_rng(seed)
    ease, clarity = rng.normal(size=(2, N))
    known = rng.random(N) > 0.05
    return tuple(
        cells(ease + rng.normal(size=N) > shift, clarity + rng.normal(size=N) > -shift, known)
        for shift in (-0.8, 0.0)
    )


def test_differences_are_those_of_drawn_pairs() -> None:
    first, second = runs()
    rng = np.random.default_rng(5)
    places = rng.integers(0, N, (20_000, N))
    one, two = (
        np.stack([np.sum(codes[places] == cell, axis=1) for cell in range(6)], 1) for codes in (first, second)
    )
    ours = paired_measures(first, second, MANY)
    for metric in EVIDENCE_METRICS:
        samples = getattr(ratios(one), metric) - getattr(ratios(two), metric)
        expected = np.quantile(samples, [0.025, 0.975])
        assert (ours[metric].low, ours[metric].high) == pytest.approx(tuple(expected), abs=0.012)
        observed = getattr(ratios(count(first)), metric) - getattr(ratios(count(second)), metric)
        assert ours[metric].difference == pytest.approx(float(observed))
        assert ours[metric].detectable == pytest.approx(2.802 * samples.std(), rel=0.05)
        assert ours[metric].p == pytest.approx(p_value(samples, float(observed)), abs=0.02)


def test_pairs_are_sharper_than_strangers() -> None:
    """The pictures that both find hard cancel out: that is what pairing is for."""
    first, second = runs()
    mixed = np.random.default_rng(0).permutation(second)
    together = paired_measures(first, second, MANY)["V"]
    apart = paired_measures(first, mixed, MANY)["V"]
    assert together.high - together.low < 0.9 * (apart.high - apart.low)


@given(hnp.arrays(np.int64, (2, 30), elements=st.integers(0, 5)))
@settings(max_examples=60, deadline=None)
def test_a_difference_turns_with_its_sides(codes: np.ndarray) -> None:
    there, back = paired_measures(codes[0], codes[1], FEW), paired_measures(codes[1], codes[0], FEW)
    for metric in EVIDENCE_METRICS:
        assert there[metric].difference == pytest.approx(-back[metric].difference, nan_ok=True)
        assert math.isnan(there[metric].p) or not math.isnan(there[metric].difference)


@given(hnp.arrays(np.int64, (30,), elements=st.integers(0, 5)))
@settings(max_examples=60, deadline=None)
def test_a_run_does_not_differ_from_itself(codes: np.ndarray) -> None:
    for one in paired_measures(codes, codes, FEW).values():
        if not math.isnan(one.difference):
            assert one.difference == 0
            assert math.isnan(one.p) or (one.p == 1 and one.low <= 0 <= one.high)


def test_a_measure_at_its_limit_takes_the_closed_form() -> None:
    full = np.repeat([0, 3], [30, 10])  # PT 100 %
    less = np.repeat([0, 1, 3], [22, 8, 10])
    found = paired_measures(full, less, FEW)["PT"]
    assert found.test == "closed form"
    assert found.low < found.difference < found.high
    assert found.high > 8 / 30
    same = paired_measures(full, full, FEW)["PT"]
    assert same.low < 0 < same.high


def test_validity_that_only_grew_keeps_a_spread() -> None:
    first, second = np.repeat([0, 1], [12, 28]), np.repeat([0, 1], [10, 30])
    found = paired_measures(first, second, FEW)["V"]
    assert found.low < 0 < found.difference


def test_undefined_measures_have_no_difference() -> None:
    nothing_right, some = np.repeat([2, 3], [5, 5]), np.repeat([0, 1, 3], [4, 3, 3])
    found = paired_measures(nothing_right, some, FEW)
    assert math.isnan(found["PT"].difference)
    assert math.isnan(found["PT"].p)
    assert found["V"].difference == pytest.approx(0.1)


@given(hnp.arrays(np.bool_, (2, 40)))
@settings(max_examples=60, deadline=None)
def test_accuracy_is_mcnemar(right: np.ndarray) -> None:
    gained, lost = int(np.sum(right[0] & ~right[1])), int(np.sum(~right[0] & right[1]))
    found = paired_proportion(right[0], right[1], FEW)
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert found.p == pytest.approx(expected)
    assert found.difference == pytest.approx(right[0].mean() - right[1].mean())
    assert found.low < found.high


def test_p_values_reach_below_the_number_of_replicates() -> None:
    samples = np.random.default_rng(0).normal(0.5, 0.05, 1000)
    assert 0 < p_value(samples, 0.5) < 1e-9
    assert p_value(np.full(200, np.nan), 0.1) != p_value(samples, 0.5)
    assert math.isnan(p_value(np.full(200, np.nan), 0.1))


def test_p_values_are_uniform_without_a_difference() -> None:
    rng = np.random.default_rng(11)
    p = []
    for _ in range(300):
        right, evidence = rng.random((2, 200)) < 0.6, rng.random((2, 200)) < 0.5
        known = np.ones(200, bool)
        first, second = (cells(right[k], evidence[k], known) for k in (0, 1))
        p.append(paired_measures(first, second, Resampling(400))["PT"].p)
    assert 3 <= sum(value < 0.05 for value in p) <= 28


def test_a_control_that_shows_the_same_leaves_nothing() -> None:
    first, second = runs()
    found = excess_over_control((first, second), (first, second), FEW)
    for one in found.values():
        assert (one.excess, one.low, one.high) == (0, 0, 0)


def test_excess_is_the_difference_of_differences() -> None:
    (first, second), (third, fourth) = runs(0), runs(1)
    known = first < 4
    controls = tuple(
        cells(np.isin(a, (0, 1, 4)), np.isin(b, (0, 2)), known) for a, b in ((first, third), (second, fourth))
    )
    found = excess_over_control((first, second), controls, MANY)
    for metric in EVIDENCE_METRICS:
        a, b, c, d = (float(getattr(ratios(count(one)), metric)) for one in (first, second, *controls))
        assert found[metric].difference == pytest.approx(c - d)
        assert found[metric].excess == pytest.approx((a - b) - (c - d))
        assert found[metric].low < found[metric].excess < found[metric].high
