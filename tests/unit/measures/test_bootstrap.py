"""The multinomial bootstrap against one that draws pictures."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rationale_cli.measures.bootstrap import Resampling, estimates, percentile, percentiles, resample
from rationale_cli.measures.intervals import wilson
from rationale_cli.measures.quadrants import count, ratios

FEW = Resampling(replicates=200, seed=1)
CODES = st.integers(1, 50).flatmap(
    lambda n: hnp.arrays(np.int64, (n,), elements=st.integers(0, 5)),
)


def codes_of(*cells: int) -> np.ndarray:
    return np.repeat(np.arange(6), [*cells, *[0] * (6 - len(cells))])


@given(CODES, CODES)
def test_every_replicate_has_all_pictures_and_only_patterns_that_occur(a: np.ndarray, b: np.ndarray) -> None:
    n = min(len(a), len(b))
    drawn = resample([a[:n], b[:n]], [6, 6], FEW)
    assert (drawn.draws.sum(axis=1) == n).all()
    assert {tuple(pattern) for pattern in drawn.patterns.tolist()} == set(
        zip(a[:n].tolist(), b[:n].tolist(), strict=True)
    )
    for index, codes in enumerate((a[:n], b[:n])):
        assert (drawn.counts(index).sum(axis=1) == n).all()
        assert set(np.flatnonzero(drawn.counts(index).any(axis=0))) <= set(codes.tolist())


def test_counts_are_distributed_as_with_drawn_pictures() -> None:
    rng = np.random.default_rng(0)
    codes = codes_of(30, 20, 15, 30, 3, 2)
    ours = resample([codes], [6], Resampling(20_000)).counts(0)
    theirs = np.array([count(codes[rng.integers(0, len(codes), len(codes))]) for _ in range(20_000)])
    share = count(codes) / len(codes)
    covariance = len(codes) * (np.diag(share) - np.outer(share, share))
    for drawn in (ours, theirs):
        assert drawn.mean(axis=0) == pytest.approx(count(codes), abs=0.15)
        assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.9)


def test_intervals_are_those_of_drawn_pictures() -> None:
    rng = np.random.default_rng(0)
    codes = codes_of(60, 25, 12, 20, 4, 3)
    ours = estimates(codes, Resampling(20_000))
    drawn = np.array([count(codes[rng.integers(0, len(codes), len(codes))]) for _ in range(20_000)])
    for metric, values in ratios(drawn)._asdict().items():
        expected = np.quantile(values, [0.025, 0.975])
        assert (ours[metric].low, ours[metric].high) == pytest.approx(expected.tolist(), abs=0.012), metric


def test_intervals_cover() -> None:
    """Of 300 samples from a known population some 95 % of the intervals hold the truth."""
    rng = np.random.default_rng(3)
    truth = np.array([0.35, 0.2, 0.15, 0.3, 0.0, 0.0])
    right_answer = ratios(truth)
    held = dict.fromkeys(("accuracy", "V", "PT", "IR", "lift", "phi"), 0)
    for trial in range(300):
        codes = np.repeat(np.arange(6), rng.multinomial(250, truth))
        for metric, one in estimates(codes, Resampling(500, trial)).items():
            held[metric] += one.low <= getattr(right_answer, metric) <= one.high
    assert all(270 <= hits <= 300 for hits in held.values()), held


def test_an_empty_cell_takes_wilson() -> None:
    found = estimates(codes_of(20, 0, 5, 15), FEW)
    assert (found["PT"].value, found["PT"].n) == (1.0, 20)
    assert (found["PT"].low, found["PT"].high) == pytest.approx(wilson(20, 20))
    assert found["IR"].low < found["IR"].value < found["IR"].high


def test_all_right_and_valid() -> None:
    found = estimates(codes_of(12), FEW)
    for metric in ("accuracy", "V", "PT", "IR"):
        assert (found[metric].low, found[metric].high) == pytest.approx(wilson(12, 12))
    assert found["lift"].value == 1.0
    assert found["lift"].low < 1 < found["lift"].high
    assert (found["phi"].value, found["phi"].low) == (None, None)


def test_a_lift_of_zero_has_an_interval() -> None:
    lift = estimates(codes_of(0, 10, 8, 4), FEW)["lift"]
    assert (lift.value, lift.low) == (0.0, 0.0)
    assert lift.high > 0


def test_undefined_is_none() -> None:
    found = estimates(codes_of(0, 0, 5, 5), FEW)
    assert (found["PT"].value, found["PT"].low, found["PT"].high, found["PT"].n) == (None, None, None, 0)
    nothing = estimates(codes_of(0, 0, 0, 0, 3, 4), FEW)
    assert nothing["accuracy"].value == pytest.approx(3 / 7)
    assert nothing["V"].value is None


@given(CODES)
@settings(max_examples=50)
def test_values_lie_in_their_intervals(codes: np.ndarray) -> None:
    for metric, one in estimates(codes, FEW).items():
        if one.value is None or one.low is None or metric in ("lift", "phi"):
            continue
        assert 0 <= one.low <= one.value <= one.high <= 1


def test_the_seed_decides() -> None:
    codes = codes_of(10, 10, 10, 10)
    assert estimates(codes, FEW) == estimates(codes, FEW)
    assert estimates(codes, FEW) != estimates(codes, Resampling(200, 2))


def test_drawing_within_classes_keeps_the_classes() -> None:
    codes = codes_of(20, 0, 0, 20)
    strata = np.repeat([4, 9], 20)
    within = estimates(codes, Resampling(500, 0, strata))
    # Each class is all right and valid, or all wrong and invalid: nothing is left to vary.
    assert (within["accuracy"].low, within["accuracy"].high) == pytest.approx(wilson(20, 40))
    drawn = resample([codes], [6], Resampling(50, 0, strata)).counts(0)
    assert (drawn == count(codes)).all()
    mixed = resample([codes], [6], Resampling(50, 0, np.tile([4, 9], 20))).counts(0)
    assert mixed[:, 0].std() > 1


@given(hnp.arrays(np.float64, (40, 3), elements=st.one_of(st.just(np.nan), st.floats(-1, 1))))
def test_percentiles_leave_undefined_replicates_out(samples: np.ndarray) -> None:
    low, high = percentiles(samples)
    for column in range(3):
        known = samples[~np.isnan(samples[:, column]), column]
        if len(known) < 20:
            assert np.isnan(low[column])
        else:
            expected = np.quantile(known, [0.025, 0.975])
            assert (low[column], high[column]) == pytest.approx(tuple(expected), abs=1e-12)
            assert percentile(samples[:, column]) == pytest.approx(tuple(expected), abs=1e-12)
