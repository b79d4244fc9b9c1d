"""Statics of blocks: known cases, and the two rules against each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rationale_plugins.datasets._block_statics import (
    Block,
    balanced,
    column_margins,
    contacts,
    failing_interface,
    settled,
    stacked,
    stand,
    without,
)

GOLDEN = Path("/work/shared/golden/cognition.json")
BRIDGE = (Block(0, 0, 1, 1), Block(2, 0, 1, 1), Block(1, 1, 2.6, 1))
TEE = (Block(0, 0, 1, 1), Block(0, 1, 3, 1), Block(-1, 2, 1, 1), Block(1, 2, 1, 1))


def golden(kind):
    if not GOLDEN.is_file():
        pytest.skip("the reference values are not at hand")
    return json.loads(GOLDEN.read_text())[kind]


def test_columns_have_the_margins_of_the_reference():
    for case in golden("columns"):
        x, width, height, density = np.array(case["blocks"]).T
        assert set(density) == {1.0}
        column = stacked(x, width, height)
        found = column_margins(column)
        np.testing.assert_allclose(found, case["margins"], atol=1e-12, err_msg=case["name"])
        assert failing_interface(found) == case["lowest_failing_interface"], case["name"]
        assert stand([column]) == balanced([column]) == (case["stable"],), case["name"]


def test_removals_end_as_in_the_reference():
    for name, case in golden("removal").items():
        assembly = tuple(Block(*block) for block in case["blocks"])
        rests = [without(assembly, one) for one in range(len(assembly))]
        for rule in (stand, balanced):
            assert rule([assembly]) == (case["stable"],), name
            assert rule(rests) == tuple(case["stable_after_removal"]), name


@pytest.mark.parametrize("rule", [stand, balanced])
def test_a_post_holds_a_bridge_and_the_beam_does_not(rule):
    assert rule([BRIDGE]) == (True,)
    assert rule([without(BRIDGE, one) for one in range(3)]) == (False, False, True)
    assert rule([without(TEE, one) for one in range(4)]) == (False, False, True, True)


def test_what_each_block_rests_on():
    expected = [(-1, 0, -0.5, 0.5), (-1, 1, 1.5, 2.5), (0, 2, -0.3, 0.5), (1, 2, 1.5, 2.3)]
    np.testing.assert_allclose(contacts(BRIDGE), expected)


def test_density_counts():
    foot, out, counterweight = Block(0, 0, 1, 1), Block(0.6, 1, 1, 1), Block(0.15, 2, 1, 1, 10)
    feather = counterweight._replace(density=0.01)
    assert stand([(foot, out), (foot, out, counterweight), (foot, out, feather)]) == (False, True, False)


def test_a_block_in_the_air_falls():
    assert stand([(Block(0, 0, 1, 1), Block(0, 2, 1, 1))]) == balanced([(Block(0, 1, 1, 1),)]) == (False,)


def test_nobody_is_asked_nothing():
    assert stand([]) == ()


@st.composite
def columns(draw):
    count = draw(st.integers(1, 6))
    side = st.floats(0.5, 1.5)
    steps = draw(st.lists(st.floats(-0.6, 0.6), min_size=count, max_size=count))
    sides = [draw(st.lists(side, min_size=count, max_size=count)) for _ in range(2)]
    return stacked(np.cumsum(steps).tolist(), *sides)


@settings(max_examples=60, deadline=None)
@given(columns())
def test_both_rules_agree_on_columns(column):
    margin = column_margins(column).min()
    assume(abs(margin) > 1e-6)
    stable = bool(margin > 0)
    assert (failing_interface(column_margins(column)) is None) is stable
    assert stand([column]) == balanced([column]) == (stable,)


@settings(max_examples=40, deadline=None)
@given(columns(), st.floats(-3, 3), st.floats(0.5, 4))
def test_neither_place_nor_scale_matters(column, shift, scale):
    assume(abs(column_margins(column).min()) > 1e-6)
    moved = tuple(Block(scale * one.x + shift, *(scale * side for side in one[1:4])) for one in column)
    np.testing.assert_allclose(column_margins(moved), scale * column_margins(column), atol=1e-9)
    assert stand([moved]) == stand([column])


def test_settled_is_what_no_small_move_changes():
    column = stacked((0.0, 0.44), (1.0, 1.0), (1.0, 1.0))
    assert settled([column, column], 0.05) == (True, True)
    assert settled([column], 0.07) == (None,)
    assert settled([stacked((0.0, 0.56), (1.0, 1.0), (1.0, 1.0))], 0.05) == (False,)
