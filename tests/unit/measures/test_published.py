"""Published triples taken apart, against counts, loops over every rounding, and the protocol's figures."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rationale_cli.measures.published import Audit, Printed, Triple, audit, contrast

COUNTS = st.tuples(*[st.integers(1, 5000)] * 4)
SHARES = ("RR", "RW", "WR", "WW", "V", "lift")


def true_figures(cells: tuple[int, int, int, int]) -> tuple[float, float, float]:
    rr, rw, wr, _ = cells
    return (rr + rw) / sum(cells), rr / (rr + rw), rr / (rr + wr)


def printed(figures: tuple[float, float, float], digits: int) -> Triple:
    return Triple(*(Printed(round(one, digits), 0.5 * 10**-digits) for one in figures))


def percent(*figures: float) -> Triple:
    """As the paper prints: per cent with two digits."""
    return Triple(*(Printed(one / 100, 5e-5) for one in figures))


def truth(cells: tuple[int, int, int, int]) -> dict[str, float]:
    rr, rw, wr, ww = (one / sum(cells) for one in cells)
    return {"RR": rr, "RW": rw, "WR": wr, "WW": ww, "V": rr + wr, "lift": rr / (rr + wr) / (rr + rw)}


def shares(found: Audit) -> dict[str, float]:
    return {name: getattr(found, name).value for name in SHARES}


@given(COUNTS)
def test_the_quadrants_come_back(cells):
    found = audit(Triple(*map(Printed, true_figures(cells))))
    assert shares(found) == pytest.approx(truth(cells))
    assert found.status == "consistent"


@given(COUNTS, st.integers(2, 5))
def test_the_truth_lies_within_what_rounding_allows(cells, digits):
    triple = printed(true_figures(cells), digits)
    found = audit(triple)
    assert found.status in {"consistent", "within rounding"}
    for name, value in truth(cells).items():
        one = getattr(found, name)
        assert math.isnan(one.low) or one.low - 1e-12 <= value <= one.high + 1e-12, name


@settings(max_examples=40)
@given(st.tuples(*[st.integers(1, 99)] * 3))
def test_the_bounds_are_those_of_a_fine_grid_of_roundings(whole):
    triple = Triple(*(Printed(one / 100, 0.005) for one in whole))
    found = audit(triple)
    grid = [np.linspace(*one.ends, 9) for one in (triple.accuracy, triple.PT, triple.IR)]
    acc, pt, ir = np.array(list(itertools.product(*grid))).T
    possible = acc * pt * (1 / ir - 1) <= 1 - acc + 1e-12
    assert (found.status == "impossible") == (not possible.any())
    assert (found.V.low, found.V.high) == pytest.approx(((acc * pt / ir).min(), (acc * pt / ir).max()))
    assert (found.WW.low, found.WW.high) == pytest.approx(
        ((1 - acc * (1 + pt * (1 / ir - 1))).min(), (1 - acc * (1 + pt * (1 / ir - 1))).max())
    )


def test_more_wrong_and_valid_than_wrong_is_impossible():
    found = audit(percent(90, 90, 50))
    assert found.status == "impossible"
    assert found.WW.high < 0


def test_coarse_digits_save_a_triple_that_fine_ones_refute():
    # WR = 0.5·0.6·(1/0.37 − 1) = 0.5108 of 0.5 wrong answers; 0.5·0.6·(1/0.375 − 1) = 0.5.
    figures = (0.50, 0.60, 0.37)
    assert audit(Triple(*(Printed(one, 0.005) for one in figures))).status == "within rounding"
    assert audit(Triple(*(Printed(one, 0.00005) for one in figures))).status == "impossible"


def test_what_a_missing_figure_leaves():
    found = audit(Triple(Printed(0.6, 5e-5), None, Printed(0.63, 5e-5)))
    assert found.status == "incomplete"
    assert found.lift.value == pytest.approx(1.05)
    assert math.isnan(found.V.value)
    assert math.isnan(found.RR.value)
    assert audit(Triple(Printed(0.6), Printed(0.5), None)).RR.value == pytest.approx(0.3)


def test_nothing_right_and_nothing_valid():
    none_right = audit(Triple(Printed(0.0), None, Printed(0.0)))
    assert math.isnan(none_right.lift.value)
    no_evidence = audit(percent(60, 0, 0))
    assert no_evidence.status == "consistent"
    assert math.isnan(no_evidence.V.value)
    assert audit(percent(60, 50, 0)).status == "impossible"
    assert audit(percent(100, 40, 100)).status == "consistent"


@pytest.mark.parametrize("figures", [(0, 50, 60), (60, 0, 50)])
def test_reliable_evidence_without_a_right_answer_is_rounding_or_error(figures):
    assert audit(percent(*figures)).status == "within rounding"
    assert audit(Triple(*(Printed(one / 100) for one in figures))).status == "impossible"


def test_evidence_that_knows_nothing_makes_ir_rise_with_accuracy():
    """Correctness and evidence independent in both: IR is the accuracy, and all of its rise accuracy's."""
    found = contrast(percent(75, 40, 75), percent(50, 80, 50))
    assert found.IR.value == pytest.approx(0.25)
    assert found.by_lift.value == pytest.approx(0.25)
    assert found.by_odds.value == pytest.approx(0.25)
    assert found.V.value == pytest.approx(-0.4)
    assert found.rise == "explained"


@given(COUNTS, st.floats(0.1, 10))
def test_the_odds_are_kept_where_only_the_share_of_right_answers_changes(cells, factor):
    """Right pictures weighted by a factor: P(valid | right) and P(valid | wrong) stay, nothing is left."""
    rr, rw, wr, ww = cells
    shot = Triple(*map(Printed, true_figures(cells)))
    tuned = Triple(*map(Printed, true_figures((rr * factor, rw * factor, wr, ww))))
    found = contrast(tuned, shot)
    assert found.beyond_odds.value == pytest.approx(0, abs=1e-9)
    assert found.by_odds.value == pytest.approx(found.IR.value, abs=1e-9)


def test_a_rise_beyond_accuracy_and_one_short_of_it():
    shot = percent(50, 60, 60)
    assert contrast(percent(60, 60, 85), shot).rise == "beyond"
    assert contrast(percent(60, 60, 62), shot).rise == "short"


@given(COUNTS, COUNTS)
def test_what_is_said_beyond_rounding_holds_for_the_unrounded(cells, other):
    figures = true_figures(cells), true_figures(other)
    rounded = contrast(*(printed(one, 3) for one in figures))
    exact = contrast(*(Triple(*map(Printed, one)) for one in figures))
    if rounded.rise in {"beyond", "short"}:
        assert exact.rise == rounded.rise
    for name in ("accuracy", "PT", "IR", "V", "WR", "lift", "beyond_lift", "beyond_odds"):
        one = getattr(rounded, name)
        assert math.isnan(one.low) or one.low - 1e-9 <= getattr(exact, name).value <= one.high + 1e-9, name


def test_a_contrast_without_a_figure_is_undefined():
    found = contrast(Triple(Printed(0.7), Printed(0.5), None), percent(50, 60, 60))
    assert found.rise == "undefined"
    assert found.PT.value == pytest.approx(-0.1)
    assert math.isnan(found.V.value)


def test_a_perfect_baseline_tells_nothing_of_odds():
    assert contrast(percent(90, 60, 92), percent(100, 60, 100)).rise == "undefined"
