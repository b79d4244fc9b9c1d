"""Grids of choices, and how a difference is split over them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rationale_cli.measures.multiverse import (
    MOST_PLAYERS,
    Choice,
    coalitions,
    default_of,
    grid,
    neighbours,
    players,
    shapley,
    shared,
)

CHOICES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(
    lambda sizes: tuple(
        Choice(f"c{place}", tuple(str(level) for level in range(size))) for place, size in enumerate(sizes)
    )
)
NUMBERS = st.floats(-1, 1, allow_nan=False)


def worths(k: int, draw) -> dict[frozenset[str], float]:
    names = [f"m{place}" for place in range(k)]
    subsets = [frozenset(one) for size in range(k + 1) for one in itertools.combinations(names, size)]
    return {subset: draw(NUMBERS) for subset in subsets}


@given(CHOICES)
def test_the_grid_is_complete(choices):
    found = grid(choices)
    assert len(found) == len(set(found)) == np.prod([len(one.levels) for one in choices])
    assert found[0] == default_of(choices)
    assert all(level in one.levels for path in found for one, level in zip(choices, path, strict=True))


@given(CHOICES, st.data())
def test_neighbours_differ_in_one_choice(choices, data):
    start = data.draw(st.sampled_from(grid(choices)))
    found = list(neighbours(choices, start))
    assert len({one.combination for one in found}) == sum(len(one.levels) - 1 for one in choices)
    for one in found:
        assert players(choices, start, one.combination) == [one.choice]
        assert one.level in one.combination


@given(CHOICES, st.data())
def test_coalitions_are_all_that_lies_between(choices, data):
    start, end = (data.draw(st.sampled_from(grid(choices))) for _ in range(2))
    between = coalitions(choices, start, end)
    differing = players(choices, start, end)
    assert len(set(between.values())) == 2 ** len(differing)
    assert (between[frozenset()], between[frozenset(differing)]) == (start, end)
    assert set(between.values()) <= set(grid(choices))
    for members, combination in between.items():
        assert set(players(choices, start, combination)) == members


def test_too_many_choices_are_refused():
    many = [Choice(str(place), ("0", "1")) for place in range(MOST_PLAYERS + 1)]
    with pytest.raises(ValueError, match="at most 12"):
        coalitions(many, ("0",) * len(many), ("1",) * len(many))


@given(st.integers(1, 5), st.data())
@settings(deadline=None)
def test_shares_sum_to_the_whole(k, data):
    worth = worths(k, data.draw)
    shares = shapley(worth, max(worth, key=len))
    whole = worth[max(worth, key=len)] - worth[frozenset()]
    assert sum(shares.values()) == pytest.approx(whole, abs=1e-12)


@given(st.integers(2, 4), st.data())
@settings(deadline=None)
def test_who_never_matters_gets_nothing(k, data):
    worth = worths(k, data.draw)
    dummy = {members: worth[members - {"m0"}] for members in worth}
    assert shapley(dummy, max(worth, key=len))["m0"] == pytest.approx(0, abs=1e-12)


@given(st.integers(2, 4), st.data())
@settings(deadline=None)
def test_who_can_stand_for_each_other_get_the_same(k, data):
    worth = worths(k, data.draw)
    swap = {"m0": "m1", "m1": "m0"}
    exchanged = {members: frozenset(swap.get(one, one) for one in members) for members in worth}
    alike = {members: worth[members] + worth[exchanged[members]] for members in worth}
    shares = shapley(alike, max(worth, key=len))
    assert shares["m0"] == pytest.approx(shares["m1"], abs=1e-12)


@given(st.integers(2, 4), st.data())
@settings(deadline=None)
def test_the_order_of_members_changes_nothing(k, data):
    worth = worths(k, data.draw)
    names = sorted(max(worth, key=len))
    mixed = data.draw(st.permutations(names))
    items = data.draw(st.permutations(list(worth.items())))
    first, second = shapley(worth, names), shapley(dict(items), mixed)
    assert all(first[name] == pytest.approx(second[name], abs=1e-12) for name in names)


def test_shares_of_replicates_are_replicates_of_shares():
    rng = np.random.default_rng(0)
    names = ("a", "b", "c")
    subsets = [frozenset(one) for size in range(4) for one in itertools.combinations(names, size)]
    many = {subset: rng.normal(size=5) for subset in subsets}
    together = shapley(many, names)
    for place in range(5):
        single = shapley({subset: values[place] for subset, values in many.items()}, names)
        assert all(together[name][place] == pytest.approx(float(single[name])) for name in names)


def test_a_level_that_treats_runs_apart():
    choices = (Choice("layers", ("last", "reference"), frozenset({"reference"})), Choice("map", ("a", "b")))
    assert shared(choices, ("last", "b"))
    assert not shared(choices, ("reference", "b"))


def test_levels_differ():
    with pytest.raises(ValueError, match="differ"):
        Choice("layers", ("last", "last"))
