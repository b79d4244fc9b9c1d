"""Association within classes, against published analyses and loops."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rationale_cli.measures.association import within_classes

BERKELEY = np.array(
    [
        [512, 313, 89, 19],
        [353, 207, 17, 8],
        [120, 205, 202, 391],
        [138, 279, 131, 244],
        [53, 138, 94, 299],
        [22, 351, 24, 317],
    ]
)
"""Admissions by sex and department (Bickel, Hammel & O'Connell 1975): the textbook case."""


def test_berkeley_admissions() -> None:
    result = within_classes(BERKELEY)
    odds = result.odds_ratio
    assert odds.value == pytest.approx(0.9046968, abs=1e-7)
    assert (odds.low, odds.high) == pytest.approx((0.7719074, 1.0603298), abs=1e-6)
    assert result.classes == 6
    assert result.p is not None
    assert 0.2 < result.p < 0.3


def test_one_class_is_the_test_of_one_table() -> None:
    table = np.array([[30, 10, 20, 40]])
    result = within_classes(table)
    plain = stats.chi2_contingency([[30, 10], [20, 40]], correction=False)
    # Mantel and Haenszel's variance has n − 1 where Pearson's has n.
    assert result.p == pytest.approx(stats.chi2.sf(plain.statistic * 99 / 100, 1))
    assert result.phi == pytest.approx(np.sqrt(plain.statistic / 100))
    assert result.odds_ratio.value == pytest.approx(6.0)


@given(hnp.arrays(np.int64, (4, 4), elements=st.integers(0, 12)))
def test_phi_is_the_correlation_of_centred_indicators(tables: np.ndarray) -> None:
    right, valid = [], []
    for rr, rw, wr, ww in tables.tolist():
        r = np.repeat([1.0, 1.0, 0.0, 0.0], [rr, rw, wr, ww])
        v = np.repeat([1.0, 0.0, 1.0, 0.0], [rr, rw, wr, ww])
        if len(r):
            right.extend(r - r.mean())
            valid.extend(v - v.mean())
    spread = np.dot(right, right) * np.dot(valid, valid)
    result = within_classes(tables)
    if spread < 1e-12:
        assert result.phi is None
    else:
        assert result.phi == pytest.approx(np.dot(right, valid) / np.sqrt(spread), abs=1e-9)


def test_association_that_is_a_matter_of_classes_vanishes() -> None:
    easy, hard = [81, 9, 9, 1], [1, 9, 9, 81]
    result = within_classes(np.array([easy, hard]))
    assert result.phi == pytest.approx(0)
    assert result.odds_ratio.value == pytest.approx(1)
    assert result.p == pytest.approx(1)


def test_classes_that_say_nothing() -> None:
    result = within_classes(np.array([[5, 0, 0, 0], [0, 3, 0, 2]]))
    assert (result.phi, result.odds_ratio.value, result.p, result.classes) == (None, None, None, 0)
