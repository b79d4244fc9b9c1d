"""Curves by one sort against a loop over thresholds; strata of mask area."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.measures.curves import THRESHOLDS, area_strata, curve, threshold_counts
from rationale_cli.measures.quadrants import Outcomes, count

MASS = st.one_of(st.just(np.nan), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0, 1))


@st.composite
def outcomes(draw: st.DrawFn) -> Outcomes:
    n = draw(st.integers(1, 40))
    flags = hnp.arrays(np.bool_, (n,))
    annotated = draw(flags)
    mass = np.where(annotated, draw(hnp.arrays(np.float64, (n,), elements=MASS)), np.nan)
    area = np.where(annotated, draw(hnp.arrays(np.float64, (n,), elements=st.floats(0.01, 1))), np.nan)
    return Outcomes(np.zeros(n, np.int64), draw(flags), annotated, mass, area)


@given(outcomes(), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_counts_at_any_threshold_are_exact(pictures: Outcomes, thresholds: list[float]) -> None:
    # The thresholds at which pictures lie are the ones that go wrong first.
    taus = np.array([*thresholds, *pictures.rma[~np.isnan(pictures.rma)]])
    expected = [count(pictures.codes(tau)) for tau in taus]
    assert threshold_counts(pictures, taus).tolist() == np.array(expected).tolist()


@given(outcomes())
def test_a_curve_starts_with_all_evidence_and_falls(pictures: Outcomes) -> None:
    result = curve(pictures)
    rates = [rate for rate in result.V if rate is not None]
    assert len(result.thresholds) == len(THRESHOLDS)
    assert rates == sorted(rates, reverse=True)
    if rates:
        known = ~np.isnan(pictures.rma[pictures.annotated])
        assert rates[0] == pytest.approx(known.mean())


def test_thresholds_are_the_decimal_ones() -> None:
    assert 0.57 in THRESHOLDS.tolist()
    assert 0.29 in THRESHOLDS.tolist()


@given(outcomes())
def test_strata_share_out_the_annotated(pictures: Outcomes) -> None:
    strata = area_strata(pictures, 0.5)
    if pictures.annotated.sum() < 3:
        assert strata == []
        return
    sizes = [int(stratum.counts.sum()) for stratum in strata]
    assert sum(sizes) == pictures.annotated.sum()
    assert max(sizes) - min(sizes) <= 1
    assert sum(stratum.counts for stratum in strata)[:4].tolist() == count(pictures.codes(0.5))[:4].tolist()
    limits = [limit for stratum in strata for limit in (stratum.low, stratum.high)]
    assert limits == sorted(limits)
