"""Holm and McNemar against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rationale_cli.measures.multiple import holm, mcnemar

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def rejected_by_steps(p: list[float], alpha: float) -> list[bool]:
    """Holm's procedure as it is written: from the smallest on, until one is not rejected."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    result = [False] * len(p)
    for step, index in enumerate(order):
        if p[index] * (len(p) - step) > alpha:
            break
        result[index] = True
    return result


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_rejects_what_the_procedure_rejects(p: list[float], alpha: float) -> None:
    assert (holm(p) <= alpha).tolist() == rejected_by_steps(p, alpha)


@given(P_VALUES)
def test_holm_lies_between_the_p_value_and_bonferroni(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p) + 1e-12)).all()


def test_undefined_tests_do_not_count() -> None:
    adjusted = holm([0.02, math.nan, 0.04])
    assert adjusted[[0, 2]] == pytest.approx([0.04, 0.04])
    assert np.isnan(adjusted[1])
    assert np.isnan(holm([math.nan])).all()
    assert len(holm([])) == 0


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_exact_binomial_test(gained: int, lost: int) -> None:
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)
