"""Numbers as text: one rounding for the page and its script."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.reporting import numbers
from rationale_cli.reporting.numbers import PERCENT, RATIO, Unit, interval, number, shown, steps, unit_of


@given(st.floats(-3, 3), st.sampled_from([PERCENT, RATIO]))
def test_steps_lose_nothing_that_is_shown(value: float, unit: Unit) -> None:
    plain = f"{value * unit.factor:.{unit.decimals}f}"
    expected = plain.replace("-", "−") if float(plain) else plain.replace("-", "")
    assert shown(steps(value, unit), unit) == expected


@given(st.floats(0.001, 3))
def test_differences_carry_a_sign(value: float) -> None:
    assert number(value, signed=True) == f"+{number(value)}"
    assert number(-value, signed=True) == f"−{number(value)}"


def test_undefined_is_never_zero() -> None:
    assert number(None) == "–"
    assert number(0.0) == "0.0"
    assert interval(0.1, None) == ""


@pytest.mark.parametrize(("metric", "unit"), [("PT", PERCENT), ("witness:exact", PERCENT), ("lift", RATIO)])
def test_units(metric: str, unit: Unit) -> None:
    assert unit_of(metric) is unit


def test_examples_hold() -> None:
    assert doctest.testmod(numbers).failed == 0
