"""Variance of seeds and of pictures, against resampling and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rationale_cli.measures.estimates import QUALITIES
from rationale_cli.measures.quadrants import count, ratios
from rationale_cli.measures.seeds import combine, influences, values

CODES = np.repeat(np.arange(6), [60, 25, 12, 20, 4, 3])


def test_values_are_the_ratios() -> None:
    expected = ratios(count(CODES))
    assert values(CODES) == {metric: pytest.approx(float(getattr(expected, metric))) for metric in QUALITIES}


def test_influences_are_what_leaving_a_picture_out_does() -> None:
    n = len(CODES)
    full, influence = values(CODES), influences(CODES)
    for picture in (0, 70, 90, 110, 122, 124 - 1):
        without = values(np.delete(CODES, picture))
        for metric in QUALITIES:
            jackknife = (n - 1) * (full[metric] - without[metric])
            assert influence[metric][picture] == pytest.approx(jackknife, abs=0.05), metric


def test_influences_give_the_bootstrap_variance() -> None:
    rng = np.random.default_rng(0)
    n = len(CODES)
    drawn = ratios(np.array([count(CODES[rng.integers(0, n, n)]) for _ in range(5000)]))
    for metric in QUALITIES:
        ours = math.sqrt(np.var(influences(CODES)[metric]) / n)
        assert ours == pytest.approx(float(getattr(drawn, metric).std()), rel=0.06)
        assert influences(CODES)[metric].mean() == pytest.approx(0, abs=1e-9)


def test_undefined_measures_have_no_influence() -> None:
    wrong = np.repeat([2, 3], [5, 5])
    assert np.isnan(influences(wrong)["PT"]).all()
    assert math.isnan(values(wrong)["PT"])


def test_seeds_and_pictures_add_up() -> None:
    influence = np.random.default_rng(0).normal(size=400)
    influence -= influence.mean()
    one = combine([0.5], influence)
    assert math.isnan(one.sd)
    several = combine([0.40, 0.50, 0.60], influence)
    assert several.mean == pytest.approx(0.5)
    assert several.sd == pytest.approx(0.1)
    error = math.sqrt(0.1**2 / 3 + np.var(influence) / 400)
    assert several.high - several.mean > 1.96 * error
    assert several.high - several.mean > one.high - one.mean


def test_no_variance_at_all() -> None:
    still = combine([1.0, 1.0], np.zeros(10))
    assert (still.low, still.high) == (1.0, 1.0)
    assert math.isnan(still.p)


def test_intervals_over_seeds_cover() -> None:
    """Runs with a seed effect on pictures with a picture effect: the mean's interval holds the truth."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        difficulty = rng.normal(size=300)
        seeds = rng.normal(scale=0.25, size=4)
        runs = [np.where(difficulty + rng.normal(size=300) + seed > 0, 0, 2) for seed in seeds]
        influence = np.mean([influences(codes)["accuracy"] for codes in runs], axis=0)
        found = combine([values(codes)["accuracy"] for codes in runs], influence)
        held += found.low <= 0.5 <= found.high
    assert 0.91 <= held / 400 <= 0.995
