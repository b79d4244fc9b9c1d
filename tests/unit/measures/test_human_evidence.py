"""People's validity, held against counting when everybody is asked of everything."""

from __future__ import annotations

from dataclasses import replace

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.human_evidence import (
    NO,
    UNSURE,
    YES,
    Judged,
    among_samples,
    evidence_samples,
    threshold_samples,
)

HOW = Resampling(50, 2)


def judged(seed: int = 0, n: int = 80, people: int = 5, asked: float = 1.0) -> tuple[Judged, np.ndarray]:
    """A run whose people call pictures valid by RMA ≥ 0.3 with noise; also which pictures are right."""
    rng = np.random.default_rng(seed)
    rma, right = rng.random(n), rng.random(n) < 0.6
    quadrant = 2 * ~right + ~(rma >= 0.5)
    seen = rma[:, None] + 0.2 * rng.normal(size=(n, people))
    answers = np.where(rng.random((n, people)) < 0.1, UNSURE, np.where(seen > 0.3, YES, NO))
    sizes = np.bincount(quadrant, minlength=4)
    chosen = rng.random(n) < asked
    blank = np.zeros(4, np.int64)
    return Judged(answers[chosen], quadrant[chosen], rma[chosen], sizes, blank, HOW), right[chosen]


def majority(one: Judged) -> np.ndarray:
    return np.sum(one.answers == YES, axis=1) - np.sum(one.answers == NO, axis=1)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_who_is_asked_of_everything_tells_the_split(seed: int) -> None:
    one, right = judged(seed, people=5)
    margin = majority(one)
    decided = margin != 0
    one = replace(
        one,
        answers=one.answers[decided],
        quadrant=one.quadrant[decided],
        rma=one.rma[decided],
        sizes=np.bincount(one.quadrant[decided], minlength=4),
    )
    valid, right, rma = margin[decided] > 0, right[decided], one.rma
    found = {name: values[0] for name, values in evidence_samples(one).items()}
    assert found["V"] == pytest.approx(valid.mean())
    assert found["PT"] == pytest.approx(valid[right].mean())
    assert found["IR"] == pytest.approx(right[valid].mean())
    against = {name: values[0] for name, values in threshold_samples(one).items()}
    assert against["accuracy"] == pytest.approx(np.mean(valid == (rma >= 0.5)))
    greater = stats.mannwhitneyu(rma[valid], rma[~valid]).statistic
    assert against["auc"] == pytest.approx(greater / (valid.sum() * (~valid).sum()))

    def gain(tau: float) -> float:
        return float(np.mean(rma[valid] >= tau) + np.mean(rma[~valid] < tau))

    assert gain(against["threshold"]) == pytest.approx(max(gain(tau) for tau in (*rma, 1.1)))


def test_kappa_by_its_definition() -> None:
    one, _ = judged(3)
    valid, by_rma = np.nan_to_num(one.votes[0]) > 0, one.rma >= 0.5
    known = np.isfinite(one.votes[0])
    one = replace(
        one,
        answers=one.answers[known],
        quadrant=one.quadrant[known],
        rma=one.rma[known],
        sizes=np.bincount(one.quadrant[known], minlength=4),
    )
    table = np.array(
        [[np.sum((valid == a) & (by_rma == b) & known) for b in (True, False)] for a in (True, False)]
    )
    share = table / table.sum()
    chance = (share.sum(axis=0) * share.sum(axis=1)).sum()
    expected = (np.trace(share) - chance) / (1 - chance)
    assert threshold_samples(one)["kappa"][0] == pytest.approx(expected)


def test_a_sample_by_quadrant_counts_by_its_size() -> None:
    """Half of the people's valid pictures lie in a quadrant of which one in ten was asked."""
    quadrant = np.repeat([0, 1], 5)
    answers = np.where(np.arange(10)[:, None] % 5 < np.where(quadrant == 0, 5, 2)[:, None], YES, NO)
    one = Judged(answers, quadrant, np.linspace(1, 0, 10), np.array([10, 50, 0, 0]), np.zeros(4, int), HOW)
    found = evidence_samples(one)
    assert found["PT"][0] == pytest.approx((10 + 50 * 2 / 5) / 60)
    assert threshold_samples(one)["accuracy"][0] == pytest.approx((10 + 50 * 3 / 5) / 60)
    with_blank = replace(one, invalid=np.array([0, 40, 0, 0]))
    assert evidence_samples(with_blank)["PT"][0] == pytest.approx(30 / 100)


def test_alpha_is_the_library_s() -> None:
    one, _ = judged(1)
    found = among_samples(one)
    decided = np.where(one.answers == UNSURE, np.nan, one.answers).T
    assert found["alpha"][0] == pytest.approx(krippendorff.alpha(decided, level_of_measurement="nominal"))
    assert found["alpha_unsure"][0] == pytest.approx(
        krippendorff.alpha(one.answers.T, level_of_measurement="nominal")
    )
    assert found["alpha"][1:].std() > 0


def test_people_who_all_say_yes_have_no_alpha() -> None:
    one, _ = judged()
    same = replace(one, answers=np.ones_like(one.answers))
    found = among_samples(same)
    assert np.isnan(found["alpha"]).all()
    assert found["agreement"][0] == 1
    against = threshold_samples(same)
    assert np.isnan(against["auc"]).all() and np.isnan(against["threshold"]).all()


def test_a_quadrant_nobody_decided_leaves_the_split_undefined() -> None:
    one, _ = judged()
    answers = np.where((one.quadrant == 2)[:, None], UNSURE, one.answers)
    found = evidence_samples(replace(one, answers=answers))
    assert np.isnan(found["PT"][0]) and np.isnan(found["V"][0])


def test_resampled_people_widen_what_they_say() -> None:
    one, _ = judged(people=3)
    many = replace(one, answers=np.tile(one.answers, 20))
    few, sure = (evidence_samples(each)["V"][1:].std() for each in (one, many))
    assert few > sure > 0
