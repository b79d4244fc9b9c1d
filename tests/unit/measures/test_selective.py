"""Risk and coverage, and how concentrated heatmaps are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rationale_cli.measures import concentration as module
from rationale_cli.measures.concentration import concentration
from rationale_cli.measures.selective import risk_coverage, together

SCORED = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=1, max_size=30)


def columns(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in pairs]), np.array([loss for _, loss in pairs])


@settings(max_examples=25, deadline=None)
@given(SCORED)
def test_ties_count_as_answered_in_random_order(pairs):
    score, loss = columns(pairs)
    found = risk_coverage(score, loss)
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(400):
        order = rng.permutation(len(score))
        order = order[np.argsort(-score[order], kind="stable")]
        areas.append((loss[order].cumsum() / np.arange(1, len(loss) + 1)).mean())
    spread = np.std(areas) / np.sqrt(len(areas))
    assert abs(np.mean(areas) - found.area) <= 6 * spread + 1e-9
    assert found.risk[-1] == pytest.approx(loss.mean())
    assert found.influence.mean() == pytest.approx(0, abs=1e-9)


@given(SCORED)
def test_no_order_is_better_than_knowing(pairs):
    score, loss = columns(pairs)
    best, worst = (risk_coverage(sign * loss.astype(float), loss).area for sign in (-1, 1))
    assert best - 1e-12 <= risk_coverage(score, loss).area <= worst + 1e-12
    assert risk_coverage(np.zeros(len(loss)), loss).area == pytest.approx(loss.mean())


def test_the_influence_is_the_bootstraps():
    rng = np.random.default_rng(1)
    score = rng.random(700).round(2)
    loss = rng.random(700) > score
    found = risk_coverage(score, loss)
    rows = rng.integers(0, 700, (1200, 700))
    drawn = np.std([risk_coverage(score[at], loss[at]).area for at in rows])
    assert found.influence.std() / np.sqrt(700) == pytest.approx(drawn, rel=0.08)


def test_two_scores_together_do_not_depend_on_their_units():
    rng = np.random.default_rng(2)
    first, second = rng.random(50), rng.random(50)
    found = together(first, second)
    np.testing.assert_allclose(together(np.exp(5 * first), 100 * second), found)
    assert np.all((found > 0) & (found <= 1))
    np.testing.assert_array_equal(np.argsort(together(first, first)), np.argsort(first))


def test_concentration_rises_with_contrast(monkeypatch):
    rng = np.random.default_rng(3)
    heat = rng.random((9, 5, 5)).astype(np.float16)
    power = [concentration(heat.astype(float) ** k) for k in (1, 2, 4)]
    for name in ("focus", "top"):
        values = [getattr(one, name) for one in power]
        assert np.all(values[0] < values[1]) and np.all(values[1] < values[2])
        assert np.all((values[0] > 0) & (values[2] < 1))
    monkeypatch.setattr(module, "_CHUNK", 4)
    np.testing.assert_array_equal(concentration(heat).top, power[0].top)


def test_a_map_without_evidence_is_like_a_uniform_one():
    heat = np.zeros((3, 4, 5))
    heat[1] = 7
    heat[2, 0, 0] = np.nan
    found = concentration(heat)
    np.testing.assert_allclose(found.focus, 0, atol=1e-12)
    np.testing.assert_allclose(found.top, 2 / 20)
