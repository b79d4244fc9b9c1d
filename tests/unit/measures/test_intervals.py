"""Closed-form intervals against scipy and published examples."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rationale_cli.measures.intervals import (
    agresti_min,
    clopper_pearson,
    mover,
    newcombe,
    quantile,
    two_sided,
    wilson,
)

HITS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(HITS, st.sampled_from([0.8, 0.95, 0.99]))
def test_proportions_agree_with_scipy(pair: tuple[int, int], level: float) -> None:
    test = stats.binomtest(*pair)
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = test.proportion_ci(level, method=method)
        assert ours(*pair, level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_nothing_observed_is_undefined() -> None:
    for interval in (wilson, clopper_pearson):
        assert all(math.isnan(limit) for limit in interval(0, 0))


def test_normal_tails() -> None:
    assert quantile(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert two_sided(-quantile(0.95)) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe 1998, Table II, method 10
        ((56, 48), (70, 80), 0.0524, 0.3339),
        ((9, 3), (10, 10), 0.1705, 0.8090),
        ((10, 0), (10, 20), 0.6791, 1.0000),
        ((10, 0), (10, 10), 0.6075, 1.0000),
    ],
)
def test_newcombe_published(hits: tuple[int, int], n: tuple[int, int], low: float, high: float) -> None:
    result = newcombe(hits, n)
    assert (result.low, result.high) == pytest.approx((low, high), abs=1e-4)


@given(HITS, HITS)
def test_newcombe_turns_with_its_arguments(first: tuple[int, int], second: tuple[int, int]) -> None:
    one = newcombe((first[0], second[0]), (first[1], second[1]))
    other = newcombe((second[0], first[0]), (second[1], first[1]))
    assert (one.low, one.high, one.p) == pytest.approx((-other.high, -other.low, other.p))


@given(HITS, HITS)
def test_p_and_interval_agree(first: tuple[int, int], second: tuple[int, int]) -> None:
    result = newcombe((first[0], second[0]), (first[1], second[1]))
    assert result.low <= result.difference <= result.high
    assert (result.p < 0.05) == (result.low > 0 or result.high < 0)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 200))
def test_agresti_min_never_stands_still(gained: int, lost: int, rest: int) -> None:
    n = gained + lost + rest
    if n == 0:
        return
    result = agresti_min(gained, lost, n)
    assert result.low < result.high
    assert result.difference == pytest.approx((gained - lost) / n)
    assert (result.p < 0.05) == (result.low > 0 or result.high < 0)
    back = agresti_min(lost, gained, n)
    assert (result.low, result.high) == pytest.approx((-back.high, -back.low))


def test_an_undefined_side_makes_the_contrast_undefined() -> None:
    result = mover((0.5, wilson(0, 0)), (0.2, wilson(2, 10)))
    assert math.isnan(result.p)
