"""Replicates that hundreds of codings share."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rationale_cli.measures.bootstrap import Resampling, resample
from rationale_cli.measures.quadrants import ratios
from rationale_cli.measures.together import replicated_counts

FEW = Resampling(replicates=250, seed=3)
CODINGS = st.tuples(st.integers(1, 30), st.integers(1, 6)).flatmap(
    lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(0, 5))
)


@given(CODINGS)
@settings(max_examples=50, deadline=None)
def test_every_coding_counts_the_same_pictures(codings):
    counts = replicated_counts(codings, FEW)
    n, m = codings.shape
    assert counts.shape == (FEW.replicates, m, 6)
    assert (counts >= 0).all()
    assert (counts.sum(axis=2) == n).all()
    absent = [[(codings[:, coding] != cell).all() for cell in range(6)] for coding in range(m)]
    assert not counts[:, np.array(absent)].any()


@given(CODINGS)
@settings(max_examples=30, deadline=None)
def test_a_coding_is_a_sum_over_patterns(codings):
    """With a coding that tells all pictures apart, all others follow from how often it was drawn."""
    codings = codings[:6]
    apart = np.arange(len(codings), dtype=np.uint8)[:, None]
    counts = replicated_counts(np.hstack([apart, codings]), FEW)
    drawn = counts[:, 0, : len(codings)]
    for place in range(codings.shape[1]):
        expected = np.stack([drawn[:, codings[:, place] == cell].sum(axis=1) for cell in range(6)], axis=1)
        np.testing.assert_array_equal(counts[:, place + 1], expected)


def test_the_same_seed_draws_the_same():
    codings = np.random.default_rng(0).integers(0, 6, (40, 3), dtype=np.uint8)
    first, second = replicated_counts(codings, FEW), replicated_counts(codings, FEW)
    np.testing.assert_array_equal(first, second)
    # What stands beside it does not change a coding's replicates.
    np.testing.assert_array_equal(replicated_counts(codings[:, :1], FEW)[:, 0], first[:, 0])


def test_it_spreads_as_the_multinomial_bootstrap_does():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 6, (2, 300), dtype=np.uint8)
    many = Resampling(replicates=4000)
    here = replicated_counts(np.stack([first, second], axis=1), many)
    there = resample([first.astype(np.int64), second.astype(np.int64)], [6, 6], many)
    for metric in ("PT", "IR", "V", "accuracy"):
        ours = getattr(ratios(here[:, 0]), metric) - getattr(ratios(here[:, 1]), metric)
        theirs = getattr(ratios(there.counts(0)), metric) - getattr(ratios(there.counts(1)), metric)
        assert ours.mean() == pytest.approx(theirs.mean(), abs=0.005)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.06)
