import numpy as np
import pytest
from scipy import stats

from rationale_cli.measures.faithfulness import agreement, association, mean, survival


def test_means_leave_out_what_is_not_known() -> None:
    found = mean(np.array([0.2, np.nan, 0.4, 0.9]))
    assert (found.value, found.n) == (pytest.approx(0.5), 3)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.5 < found.high
    assert mean(np.array([np.nan])).value is None


def test_shares_that_are_all_alike_have_an_interval() -> None:
    found = mean(np.ones(10))
    assert found.high == 1
    assert found.low == pytest.approx(0.722, abs=0.001)


def test_association_is_spearmans() -> None:
    rng = np.random.default_rng(3)
    one = rng.random(60)
    other = one + rng.normal(0, 0.3, 60)
    one[0] = np.nan
    found = association(one, other)
    assert found.value == pytest.approx(stats.spearmanr(one[1:], other[1:]).statistic)
    assert found.n == 59
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.value < found.high < 1


def test_without_variation_there_is_no_association() -> None:
    assert association(np.ones(20), np.arange(20.0)).value is None
    assert association(np.arange(3.0), np.arange(3.0)).value is None


def test_survival_is_compared_between_valid_and_invalid() -> None:
    right = np.array([1, 1, 1, 1, 1, 1, 0, 0], bool)
    valid = np.array([1, 1, 1, 1, 0, 0, 1, 0], bool)
    stays = np.array([1, 0, 0, 0, 1, 1, 1, 1], bool)
    found = survival("gaa", "box", right, valid, stays)
    assert (found.valid.value, found.valid.n) == (0.25, 4)
    assert (found.invalid.value, found.invalid.n) == (1.0, 2)
    assert found.difference.value == pytest.approx(0.75)
    assert found.difference.low is not None
    assert found.difference.low < 0.75


def test_without_invalid_evidence_nothing_is_compared() -> None:
    every = np.ones(4, bool)
    assert survival("gaa", "box", every, every, every).difference.value is None


def test_agreement_is_symmetric() -> None:
    found = agreement(("a", "b"), {("a", "b"): np.array([0.5, np.nan, 0.1])})
    assert found.values == ((1.0, pytest.approx(0.3)), (pytest.approx(0.3), 1.0))
