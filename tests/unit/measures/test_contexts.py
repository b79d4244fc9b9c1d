"""Accuracy by what objects stand on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rationale_cli.measures.contexts import group_scores, worst_group
from rationale_cli.measures.measured import Estimator, Measured
from rationale_cli.measures.quadrants import Outcomes


def measured(label, right, contexts):
    n = len(label)
    nothing = np.full(n, np.nan)
    outcomes = Outcomes(np.array(label), np.array(right, bool), np.zeros(n, bool), nothing, nothing)
    return Measured(
        run="ft",
        title="ft",
        model="m",
        method="ft",
        seed=0,
        configuration="",
        ids=np.array([str(place) for place in range(n)], object),
        classnames=("landbird", "waterbird"),
        attribution="gaa",
        main=Estimator("gaa", None, None, outcomes),
        contexts=None if contexts is None else np.array(contexts, object),
    )


LABEL = [0] * 20 + [1] * 20
PLACES = (["land"] * 10 + ["water"] * 10) * 2


def test_class_and_place_make_a_group():
    right = [1] * 10 + [1, 0] * 5 + [1] * 2 + [0] * 8 + [1] * 10
    found = group_scores(measured(LABEL, right, PLACES))
    assert [(one.name, one.accuracy.value) for one in found] == [
        ("waterbird-land", 0.2),
        ("landbird-water", 0.5),
        ("landbird-land", 1.0),
        ("waterbird-water", 1.0),
    ]
    assert all(one.accuracy.n == 10 for one in found)


def test_small_groups_are_told_by_their_place_alone():
    few = LABEL[:-1], [1] * 12 + [0] * 27, PLACES[:-1]
    found = group_scores(measured(*few))
    assert [(one.name, one.accuracy.n) for one in found] == [("water", 19), ("land", 20)]
    assert group_scores(measured(LABEL[:5], [1] * 5, PLACES[:5])) == ()
    assert group_scores(measured(LABEL, [1] * 40, None)) == ()
    assert worst_group(measured(LABEL, [1] * 40, None)) is None


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_the_influence_gives_the_variance_of_the_worst_group(right):
    one = measured(LABEL, right, PLACES)
    lowest, influence = worst_group(one)
    assert lowest == min(score.accuracy.value for score in group_scores(one))
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    assert influence.var() / 40 == pytest.approx(lowest * (1 - lowest) / 10)
