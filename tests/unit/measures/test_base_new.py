"""Base and new classes side by side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.measures.base_new import harmonic
from rationale_cli.measures.estimates import Estimate

SHARES = st.floats(0.01, 1)


def accuracy(value: float | None, n: int = 400) -> Estimate:
    return Estimate(value, None, None, n)


@given(SHARES, SHARES)
def test_the_harmonic_mean_lies_between_and_below_the_arithmetic(a, b):
    found = harmonic(accuracy(a), accuracy(b)).value
    assert min(a, b) - 1e-9 <= found <= (a + b) / 2 + 1e-9
    assert found == pytest.approx(harmonic(accuracy(b), accuracy(a)).value)


def test_published_figures():
    """CoOp on eleven datasets: 82.69 and 63.22 give 71.66."""
    found = harmonic(accuracy(0.8269, 4000), accuracy(0.6322, 4000))
    assert found.value == pytest.approx(0.7166, abs=5e-5)
    assert 0.69 < found.low < found.value < found.high < 0.74


def test_nothing_right_in_one_half_is_zero_and_unknown_is_unknown():
    assert harmonic(accuracy(0.0), accuracy(0.9)).value == 0
    assert harmonic(accuracy(None), accuracy(0.9)).value is None


def test_more_pictures_narrow_the_interval():
    few, many = (harmonic(accuracy(0.8, n), accuracy(0.6, n)) for n in (50, 5000))
    assert many.high - many.low < (few.high - few.low) / 5
