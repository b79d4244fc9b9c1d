"""How a model's answers go with people's: accuracy, agreement, correlations, and the ceiling that people set.

n items, P people; responses n×P, NaN where a person did not judge an item. Every measure is computed under
the weights of ``measures.weighted``, (1+B)×n: the first of its 1+B values is the measure itself, the others
are its bootstrap replicates over items. Replicates are shared, so two models are compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, special, stats

from .bootstrap import Resampling, percentile
from .estimates import Estimate, defined
from .intervals import wilson
from .weighted import Floats, mean_defined, pearson, resampled, shares, spearman

Samples = Mapping[str, Floats]
"""Measure → 1+B values."""

SHARES = ("accuracy", "majority", "agreement")
"""Measures that are shares of items; all others are correlations."""
REPLICATES = 2000
HALVINGS = 200
"""Random halves of the people that the split-half reliability is averaged over."""
FEWEST = 3
"""Items below which no correlation says anything."""


@dataclass(frozen=True)
class Crowd:
    """People's answers to n items, and what is right where that is known."""

    responses: Floats
    truth: Floats | None
    how: Resampling

    @cached_property
    def weights(self) -> Floats:
        """(1+B)×n."""
        return resampled(len(self.responses), self.how)

    @cached_property
    def mean(self) -> Floats:
        """Mean judgment of each item."""
        return _row_means(self.responses)

    @cached_property
    def others(self) -> Floats:
        """n×P: mean judgment of all other people; NaN where a person or everybody else did not judge."""
        known = np.isfinite(self.responses)
        answered = np.where(known, self.responses, 0.0)
        rest = known.sum(axis=1, keepdims=True) - known
        sums = answered.sum(axis=1, keepdims=True) - answered
        return np.where(known & (rest > 0), sums / np.maximum(rest, 1), np.nan)

    @cached_property
    def binary(self) -> bool:
        """Whether all responses are 0 or 1."""
        return binary(self.responses)

    @cached_property
    def majority(self) -> Floats:
        """What most people answered; NaN where they are split evenly."""
        return np.where(self.mean == 0.5, np.nan, (self.mean > 0.5).astype(np.float64))

    @cached_property
    def reliability(self) -> Floats:
        """1+B values of the mean judgment's split-half reliability, stepped up by Spearman and Brown."""
        halves = np.random.default_rng(self.how.seed).permuted(
            np.tile(np.arange(self.responses.shape[1]) % 2, (HALVINGS, 1)), axis=1
        )
        first, second = (_half_means(self.responses, halves == side) for side in (0, 1))
        r = mean_defined(pearson(self.weights, first, second))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2 * r / (1 + r))


def people_samples(crowd: Crowd) -> Samples:
    """What people do, and how far they agree.

    - accuracy: mean over people of the share that a person answers rightly; majority: the share of items
      that most people answer rightly, evenly split ones left out;
    - agreement: how often two people give the same answer, mean over people;
    - truth: Pearson's r of mean judgment and truth;
    - one_out: mean over people of r between a person and the mean of all others;
    - reliability: of the mean judgment, by random halves with Spearman's and Brown's correction (1910).
    """
    weights, truth = crowd.weights, crowd.truth
    found = {}
    if crowd.binary and truth is not None and binary(truth):
        found["accuracy"] = mean_defined(shares(weights, _same(crowd.responses, truth[:, None])))
        found["majority"] = shares(weights, _same(crowd.majority, truth)[:, None])[:, 0]
    if crowd.binary:
        alike = 1 - np.abs(crowd.responses - crowd.others)
        found["agreement"] = mean_defined(shares(weights, alike))
    if truth is not None:
        found["truth"] = pearson(weights, crowd.mean[:, None], truth[:, None])[:, 0]
    found["one_out"] = mean_defined(pearson(weights, crowd.others, crowd.responses))
    found["reliability"] = crowd.reliability
    return found


def model_samples(crowd: Crowd, answers: Floats) -> Samples:
    """How n answers of a model (0, 1 or graded; NaN for none) go with people's.

    - accuracy; agreement: share of items answered as a person does, mean over people; majority: share
      answered as most people do (all three where answers are 0 or 1);
    - pearson, spearman: with the mean judgment; normalised: pearson over the root of the mean judgment's
      reliability, 1 for a model that goes with people as far as can be measured;
    - within: mean over people of r with that person; pooled: Spearman's ρ over all pairs of an item and a
      person, ranked once over all items;
    - pseudo_r: see ``pseudo_r``.
    """
    weights, truth, people = crowd.weights, crowd.truth, crowd.responses
    found = {}
    if binary(answers):
        if truth is not None and binary(truth):
            found["accuracy"] = shares(weights, _same(answers, truth)[:, None])[:, 0]
        if crowd.binary:
            found["agreement"] = mean_defined(shares(weights, _same(people, answers[:, None])))
            found["majority"] = shares(weights, _same(answers, crowd.majority)[:, None])[:, 0]
    found["pearson"] = pearson(weights, answers[:, None], crowd.mean[:, None])[:, 0]
    found["spearman"] = spearman(weights, answers, crowd.mean)
    found["within"] = mean_defined(pearson(weights, answers[:, None], people))
    found["pooled"] = _pooled(weights, *_pooled_ranks(answers, people))
    found["pseudo_r"] = pseudo_r(weights, answers, people)
    with np.errstate(invalid="ignore", divide="ignore"):
        found["normalised"] = np.where(
            crowd.reliability > 0, found["pearson"] / np.sqrt(np.abs(crowd.reliability)), np.nan
        )
    return found


def pseudo_r(weights: Floats, answers: Floats, people: Floats) -> Floats:
    """sign(β)·√R² of a regression of n answers on n×P responses pooled, R² = var_fit/(var_fit + var_res).

    The simple counterpart of Bayesian R² (Gelman et al. 2019) of a mixed model. A model's answers of 0 and 1
    take a logit, graded ones a straight line. With responses of 0 and 1 the logit fits both conditional means
    exactly, so that √R² is |φ|, and with a line it is |r|: 1+B values. With ratings and a logit there is no
    closed form, and no interval: replicates are NaN.
    """
    if binary(answers) and not binary(people):
        return np.concatenate([[_logit_r(answers, people)], np.full(len(weights) - 1, np.nan)])
    return _pooled(weights, answers, people)


def estimated(samples: Floats, n: int, *, share: bool = False) -> Estimate:
    """A measure with its 95 % percentile interval over replicates of n items.

    Of a ``share`` of 0 or 1, which no replicate moves, the interval is Wilson's.
    """
    limits = percentile(samples[1:])
    if share and limits.low == limits.high == samples[0] in (0, 1):
        limits = wilson(round(samples[0] * n), n)
    return Estimate(defined(samples[0]), defined(limits.low), defined(limits.high), n)


def difference(samples: Floats, baseline: Floats, n: int) -> Estimate:
    """A measure less the baseline's on the same replicates of items."""
    return estimated(samples - baseline, n)


def binary(values: Floats) -> bool:
    """Whether all that is known is 0 or 1."""
    known = values[np.isfinite(values)]
    return bool(np.isin(known, (0.0, 1.0)).all())


def varying(responses: Floats) -> int:
    """People (columns) who gave more than one answer."""
    known = np.isfinite(responses)
    low = np.where(known, responses, np.inf).min(axis=0)
    return int((np.where(known, responses, -np.inf).max(axis=0) > low).sum())


def _same(a: Floats, b: Floats) -> Floats:
    """1 where equal, 0 where not, NaN where either is unknown."""
    return np.where(np.isfinite(a) & np.isfinite(b), (a == b).astype(np.float64), np.nan)


def _row_means(values: Floats) -> Floats:
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1))


def _half_means(responses: Floats, chosen: Floats) -> Floats:
    """n×P responses and S×P choices of people → n×S mean judgments."""
    known = np.isfinite(responses)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, responses, 0.0) @ chosen.T / (known @ chosen.T))


def _pooled_ranks(answers: Floats, people: Floats) -> tuple[Floats, Floats]:
    """Ranks over all pairs of an item and a person, n and n×P; NaN where either did not answer."""
    known = np.isfinite(people) & np.isfinite(answers)[:, None]
    ranked, first = np.full(people.shape, np.nan), np.full(len(answers), np.nan)
    ranked[known] = stats.rankdata(people[known])
    count = known.sum(axis=1)
    rows = np.flatnonzero(count)
    repeated = stats.rankdata(np.repeat(answers[rows], count[rows]))
    first[rows] = repeated[np.cumsum(count[rows]) - 1]
    return first, ranked


def _pooled(weights: Floats, answers: Floats, people: Floats) -> Floats:
    """Pearson's r over all pairs of an item and a person: n and n×P → 1+B values."""
    known = np.isfinite(people) & np.isfinite(answers)[:, None]
    x, y = np.where(known.any(axis=1), answers, 0.0), np.where(known, people, 0.0)
    count = known.sum(axis=1)
    if not count.any():
        return np.full(len(weights), np.nan)
    x, y = x - (x * count).sum() / count.sum(), np.where(known, y - y.sum() / count.sum(), 0.0)
    rows = np.stack([x * count, y.sum(axis=1), x**2 * count, (y**2).sum(axis=1), x * y.sum(axis=1)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y, mean_xx, mean_yy, mean_xy = (weights @ rows / (weights @ count)[:, None]).T
        first, second = mean_xx - mean_x**2, mean_yy - mean_y**2
        flat = (first <= 1e-9 * mean_xx[0]) | (second <= 1e-9 * mean_yy[0])
        found = (mean_xy - mean_x * mean_y) / np.sqrt(first * second)
    return np.asarray(np.where(flat, np.nan, found))


def _logit_r(answers: Floats, people: Floats) -> float:
    known = np.isfinite(people) & np.isfinite(answers)[:, None]
    y = np.broadcast_to(answers[:, None], people.shape)[known]
    x = people[known]
    if not len(y) or np.ptp(y) == 0 or np.ptp(x) == 0:
        return float("nan")
    x = (x - x.mean()) / x.std()

    def loss(beta: Floats) -> float:
        eta = beta[0] + beta[1] * x
        return float(np.logaddexp(0, eta).sum() - y @ eta)

    intercept, slope = optimize.minimize(loss, np.zeros(2), method="BFGS").x
    fitted = special.expit(intercept + slope * x)
    explained, left = fitted.var(), (y - fitted).var()
    return float(np.sign(slope) * np.sqrt(explained / (explained + left)))
