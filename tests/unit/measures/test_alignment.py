"""Agreement with people, held against plain loops by scipy."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import optimize, special, stats

from rationale_cli.errors import InputError
from rationale_cli.measures.alignment import (
    Crowd,
    difference,
    estimated,
    model_samples,
    people_samples,
    pseudo_r,
    varying,
)
from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.mixed import mixed
from rationale_cli.measures.weighted import mean_defined, pearson, resampled, shares, spearman

HOW = Resampling(100, 3)
N, PEOPLE = 40, 9


@pytest.fixture(scope="module")
def responses() -> np.ndarray:
    """Binary answers that share a leaning by item; some are missing, and the last person says 1 always."""
    rng = np.random.default_rng(0)
    leaning = rng.random((N, 1))
    answers = (0.6 * leaning + 0.4 * rng.random((N, PEOPLE)) > 0.5).astype(float)
    answers[rng.random((N, PEOPLE)) < 0.1] = np.nan
    answers[:, -1] = 1.0
    return answers


@pytest.fixture(scope="module")
def model() -> np.ndarray:
    answers = np.random.default_rng(1).integers(0, 2, N).astype(float)
    answers[5] = np.nan
    return answers


def test_weights_begin_with_the_items_themselves() -> None:
    weights = resampled(7, Resampling(50, 1))
    assert weights.shape == (51, 7)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 7).all()


@settings(max_examples=40)
@given(
    hnp.arrays(np.float64, (8, 2), elements=st.integers(-4, 4).map(float)),
    hnp.arrays(np.int64, 8, elements=st.integers(0, 3)),
)
def test_weights_are_repetitions(values: np.ndarray, times: np.ndarray) -> None:
    x, y = values.T
    again = np.repeat(np.arange(8), times)
    weights = times[None].astype(float)
    defined = len(again) and np.ptp(x[again]) > 0 and np.ptp(y[again]) > 0
    expected = stats.pearsonr(x[again], y[again])[0] if defined else np.nan
    ranked = stats.spearmanr(x[again], y[again])[0] if defined else np.nan
    assert pearson(weights, x[:, None], y[:, None])[0, 0] == pytest.approx(expected, nan_ok=True, abs=1e-7)
    assert spearman(weights, x, y)[0] == pytest.approx(ranked, nan_ok=True, abs=1e-7)


def test_people_by_loops(responses: np.ndarray) -> None:
    truth = np.random.default_rng(2).integers(0, 2, N).astype(float)
    found = {name: one[0] for name, one in people_samples(Crowd(responses, truth, HOW)).items()}
    known = np.isfinite(responses)
    means = np.nanmean(responses, axis=1)
    right = [np.mean(responses[known[:, p], p] == truth[known[:, p]]) for p in range(PEOPLE)]
    decided = means != 0.5
    assert found["accuracy"] == pytest.approx(np.mean(right))
    assert found["majority"] == pytest.approx(np.mean((means > 0.5)[decided] == truth[decided]))
    assert found["truth"] == pytest.approx(np.corrcoef(means, truth)[0, 1])
    alike, one_out = [], []
    for p in range(PEOPLE):
        rest = np.delete(responses, p, axis=1)
        usable = known[:, p] & np.isfinite(rest).any(axis=1)
        own, others = responses[usable, p], rest[usable]
        alike.append(
            np.mean([np.mean(row[np.isfinite(row)] == a) for row, a in zip(others, own, strict=True)])
        )
        if np.ptp(own):
            one_out.append(np.corrcoef(own, np.nanmean(others, axis=1))[0, 1])
    assert found["agreement"] == pytest.approx(np.mean(alike))
    assert found["one_out"] == pytest.approx(np.mean(one_out))
    assert varying(responses) == PEOPLE - 1


def test_model_by_loops(responses: np.ndarray, model: np.ndarray) -> None:
    crowd = Crowd(responses, None, HOW)
    found = {name: one[0] for name, one in model_samples(crowd, model).items()}
    answered = np.isfinite(model)
    means = np.nanmean(responses, axis=1)
    agree, within, pairs = [], [], []
    for p in range(PEOPLE):
        known = answered & np.isfinite(responses[:, p])
        agree.append(np.mean(model[known] == responses[known, p]))
        pairs += zip(model[known], responses[known, p], strict=True)
        if np.ptp(responses[known, p]):
            within.append(np.corrcoef(model[known], responses[known, p])[0, 1])
    assert found["agreement"] == pytest.approx(np.mean(agree))
    assert found["within"] == pytest.approx(np.mean(within))
    assert found["pearson"] == pytest.approx(np.corrcoef(model[answered], means[answered])[0, 1])
    assert found["spearman"] == pytest.approx(stats.spearmanr(model[answered], means[answered])[0])
    assert found["pooled"] == pytest.approx(stats.spearmanr(*zip(*pairs, strict=True))[0])
    assert found["normalised"] == pytest.approx(found["pearson"] / np.sqrt(crowd.reliability[0]))
    assert "accuracy" not in found


def test_replicates_are_resampled_items(responses: np.ndarray, model: np.ndarray) -> None:
    crowd = Crowd(responses, None, HOW)
    again = np.repeat(np.arange(N), crowd.weights[1].astype(int))
    other = Crowd(responses[again], None, HOW)
    found, expected = model_samples(crowd, model), model_samples(other, model[again])
    for name in ("agreement", "majority", "pearson", "spearman", "within", "pseudo_r", "pooled"):
        assert found[name][1] == pytest.approx(expected[name][0])


def test_the_closed_form_is_that_of_the_logit(responses: np.ndarray, model: np.ndarray) -> None:
    """√R² of a fitted logit of the model's answers on people's, pooled."""
    known = np.isfinite(responses) & np.isfinite(model)[:, None]
    x = responses[known]
    y = np.broadcast_to(model[:, None], responses.shape)[known]
    beta = optimize.minimize(
        lambda b: np.logaddexp(0, b[0] + b[1] * x).sum() - y @ (b[0] + b[1] * x), [0, 0]
    ).x
    fitted = special.expit(beta[0] + beta[1] * x)
    expected = np.sign(beta[1]) * np.sqrt(fitted.var() / (fitted.var() + (y - fitted).var()))
    weights = resampled(N, HOW)
    assert pseudo_r(weights, model, responses)[0] == pytest.approx(expected, abs=1e-5)
    # Ratings on two values take the fitted logit, and must give the same.
    rated = pseudo_r(weights, model, 10 + 80 * responses)
    assert rated[0] == pytest.approx(expected, abs=1e-5)
    assert np.isnan(rated[1:]).all()


def test_graded_answers_take_a_line(responses: np.ndarray) -> None:
    scores = np.random.default_rng(5).random(N)
    known = np.isfinite(responses)
    repeated = np.broadcast_to(scores[:, None], responses.shape)[known]
    found = pseudo_r(resampled(N, HOW), scores, responses)
    assert found[0] == pytest.approx(np.corrcoef(repeated, responses[known])[0, 1])
    assert np.isfinite(found).all()


def test_a_constant_model_has_no_correlation(responses: np.ndarray) -> None:
    found = model_samples(Crowd(responses, None, HOW), np.ones(N))
    for name in ("pearson", "spearman", "within", "pooled", "pseudo_r", "normalised"):
        assert estimated(found[name], N).value is None
    assert estimated(found["agreement"], N, share=True).value is not None


def test_the_mean_judgment_reaches_the_ceiling() -> None:
    rng = np.random.default_rng(4)
    leaning = rng.random((60, 1))
    crowd = Crowd((rng.random((60, 30)) < leaning).astype(float), None, HOW)
    reliability = crowd.reliability[0]
    assert 0.8 < reliability < 1
    by_leaning = model_samples(crowd, leaning[:, 0])
    assert by_leaning["normalised"][0] == pytest.approx(1, abs=0.05)
    assert difference(by_leaning["pearson"], by_leaning["pearson"], 60).high == 0


def test_one_person_has_no_ceiling() -> None:
    alone = np.random.default_rng(0).integers(0, 2, (20, 1)).astype(float)
    found = people_samples(Crowd(alone, None, HOW))
    assert all(np.isnan(found[name]).all() for name in ("agreement", "one_out", "reliability"))


def test_a_share_that_no_replicate_moves_has_an_interval() -> None:
    assert estimated(np.ones(101), 10, share=True).low == pytest.approx(0.7225, abs=1e-4)
    assert estimated(np.ones(101), 10).low == 1


def test_means_leave_out_what_is_undefined() -> None:
    assert mean_defined(np.array([[1.0, np.nan], [2.0, 4.0]])).tolist() == [1.0, 3.0]
    assert shares(np.ones((1, 2)), np.array([[1.0, np.nan], [0.0, np.nan]]))[0, 0] == 0.5


def test_a_mixed_model_is_near_the_pooled_one() -> None:
    pytest.importorskip("statsmodels")
    rng = np.random.default_rng(8)
    people = (rng.random((20, 6)) < 0.5).astype(float)
    answers = (people.mean(axis=1) > 0.5).astype(float)
    fit = mixed(answers, people)
    pooled = pseudo_r(resampled(20, HOW), answers, people)[0]
    assert fit.slope == pytest.approx(pooled, abs=0.02)
    assert fit.pseudo_r == pytest.approx(pooled, abs=0.05)
    assert fit.low < fit.slope < fit.high
    assert mixed(np.ones(20), people).slope is None


def test_without_statsmodels_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    with pytest.raises(InputError, match="not installed"):
        mixed(np.ones(4), np.ones((4, 2)))
