"""One comparison by every specification, on data whose truth is planted."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rationale_cli.measures.audit_results import AUDITED
from rationale_cli.measures.auditing import Judged, Question, Sides, audit_pair
from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.multiverse import Choice, grid
from rationale_cli.measures.paired import paired_measures
from rationale_cli.measures.quadrants import cells

HOW = Resampling(replicates=600)
N = 600
LAYERS = Choice("layers", ("last", "all", "reference"), frozenset({"reference"}))
SCALAR = Choice("scalar", ("dot", "native"))
THRESHOLD = Choice("threshold", ("0.5", "0.4", "0.6"))
CHOICES = (LAYERS, SCALAR, THRESHOLD)
REFERENCE = ("reference", "native", "0.5")
VERDICTS = {metric: Judged("robust", ()) for metric in AUDITED}

RNG = np.random.default_rng(0)
RIGHT = {"run": RNG.random(N) < 0.9, "baseline": RNG.random(N) < 0.6}
CLARITY = RNG.random(N)


def planted(layers: str, threshold: str, side: str) -> np.ndarray:
    """The run's evidence is worse by the last layer and better by all; the scalar does nothing."""
    used = {"reference": "all" if side == "run" else "last"}.get(layers, layers)
    boost = {("last", "run"): -0.15, ("all", "run"): 0.25, ("last", "baseline"): 0, ("all", "baseline"): 0.1}
    valid = CLARITY + boost[used, side] >= float(threshold)
    return cells(RIGHT[side], valid, np.arange(N) >= 5).astype(np.uint8)


def question(choices=CHOICES, reference=REFERENCE, **changes) -> Question:
    names = [one.name for one in choices]
    table = {}
    for combination in grid(choices):
        levels = dict(zip(names, combination, strict=True))
        table[combination] = Sides(
            *(planted(levels["layers"], levels["threshold"], side) for side in ("run", "baseline"))
        )
    fields = {
        "run": "ft",
        "baseline": "zs",
        "split": "test",
        "specification": "",
        "evidence": "",
        "choices": tuple(choices),
        "cells": table,
    }
    named = {"reference": reference, "paper": ("last", "native", "0.5")}
    return Question(**(fields | {"protocols": named, "verdicts": VERDICTS} | changes))


@pytest.fixture(scope="module")
def audit():
    return audit_pair(question(), HOW)


def of(audit, metric):
    return next(one for one in audit.decompositions if one.metric == metric)


def test_the_layers_alone_turn_the_sign(audit):
    (last, everything, reference) = (
        {one.level: one for one in audit.effects if one.choice == "layers"}.get(level)
        for level in ("last", "all", "reference")
    )
    assert last is None
    assert audit.default.metrics["PT"].high < 0 < everything.metrics["PT"].low
    assert "PT" in everything.turns
    assert "PT" in reference.turns
    assert not any(one.turns for one in audit.effects if one.choice == "scalar")


def test_the_difference_is_split_as_planted(audit):
    split = of(audit, "PT")
    assert split.default.difference == audit.default.metrics["PT"].difference
    assert split.protocol.value == pytest.approx(split.reference.difference - split.default.difference)
    shares = {one.choice: one for one in split.contributions}
    # The threshold is 0.5 at both ends: it is no part of the protocol's difference.
    assert list(shares) == ["layers", "scalar"]
    assert shares["layers"].shapley.value == pytest.approx(split.protocol.value)
    assert shares["layers"].first.value == shares["layers"].last.value == shares["layers"].shapley.value
    assert shares["layers"].shapley.low <= shares["layers"].shapley.value <= shares["layers"].shapley.high
    assert (shares["scalar"].shapley.value, shares["scalar"].shapley.low) == (0, 0)
    assert (shares["layers"].default, shares["layers"].reference) == ("last", "reference")


def test_contributions_sum_to_the_whole(audit):
    for split in audit.decompositions:
        total = sum(one.shapley.value for one in split.contributions)
        assert total == pytest.approx(split.protocol.value, abs=1e-12)


def test_the_order_of_choices_changes_nothing(audit):
    mixed = audit_pair(question((THRESHOLD, LAYERS, SCALAR), ("0.5", "reference", "native")), HOW)
    for metric in AUDITED:
        first, second = of(audit, metric), of(mixed, metric)
        assert first.protocol == second.protocol
        assert set(first.contributions) == set(second.contributions)
    assert {one.metric: one for one in audit.agreements} == {one.metric: one for one in mixed.agreements}


def test_every_specification_is_there_and_named(audit):
    assert len(audit.specifications) == 3 * 2 * 3
    named = {name: one.levels for one in audit.specifications for name in one.names}
    assert named == {
        "default": ("last", "dot", "0.5"),
        "paper": ("last", "native", "0.5"),
        "reference": REFERENCE,
    }
    assert sum(not one.shared for one in audit.specifications) == 6


def test_only_what_treats_both_alike_counts(audit):
    pt = next(one for one in audit.agreements if one.metric == "PT")
    assert pt.specifications == 2 * 2 * 3
    assert pt.same_sign == 6
    assert pt.significant == 6
    assert pt.opposite == 6
    assert pt.least < 0 < pt.greatest
    assert pt.median.low <= pt.median.value <= pt.median.high
    assert (pt.verdict, pt.reasons) == ("robust", ())


def test_an_effect_is_that_of_a_paired_comparison(audit):
    alone = paired_measures(planted("last", "0.5", "run"), planted("last", "0.5", "baseline"), HOW)
    for metric, one in alone.items():
        found = audit.default.metrics[metric]
        assert (found.value, found.baseline) == pytest.approx((one.value, one.baseline))
        assert (found.low, found.high) == pytest.approx((one.low, one.high), abs=0.02)
    assert audit.default.metrics["accuracy"].difference == pytest.approx(
        RIGHT["run"].mean() - RIGHT["baseline"].mean()
    )


def test_the_interval_of_a_change_is_paired(audit):
    """Specifications see the same pictures: their intervals alone would let it seem less certain."""
    (found,) = (one for one in audit.effects if one.level == "0.4")
    change, sides = found.changes["V"], (found.metrics["V"], audit.default.metrics["V"])
    assert change.low <= change.value <= change.high
    assert change.high - change.low < 0.9 * np.hypot(*(one.high - one.low for one in sides))


def test_a_missing_corner_is_left_out_but_not_a_needed_one():
    whole = question()
    fewer = {key: one for key, one in whole.cells.items() if key != ("all", "native", "0.6")}
    found = audit_pair(question(cells=fewer), HOW)
    assert len(found.specifications) == 17
    assert found.decompositions


def test_without_a_reference_there_is_nothing_to_split():
    assert audit_pair(question(protocols={}), HOW).decompositions == ()
    same = {"reference": ("last", "dot", "0.5")}
    found = audit_pair(question(protocols=same), HOW)
    assert found.decompositions == ()
    assert found.default.names == ("default", "reference")


def test_undefined_is_none_and_never_counted():
    """Nothing is valid by one of the scalars: IR does not exist there."""
    table = {
        key: one
        if key[1] == "dot"
        else Sides(
            *(cells(RIGHT[side], np.zeros(N, bool), np.ones(N, bool)).astype(np.uint8) for side in RIGHT)
        )
        for key, one in question().cells.items()
    }
    found = audit_pair(question(cells=table), HOW)
    ir = next(one for one in found.agreements if one.metric == "IR")
    assert ir.specifications == 6
    effect = next(one for one in found.effects if one.level == "native")
    assert effect.metrics["IR"].difference is None
    assert effect.changes["IR"].value is None
    split = of(found, "IR")
    assert split.protocol.value is None
    assert all(one.shapley.value is None for one in split.contributions)
    assert of(found, "V").protocol.value is not None


def test_an_empty_cell_has_an_interval_all_the_same():
    """All right answers are valid in both runs: a bootstrap would not move."""
    n = 20
    right = np.arange(n) < 10
    every = {
        combination: Sides(*(cells(right, right | (layers == "all"), np.ones(n, bool)).astype(np.uint8),) * 2)
        for combination in grid(CHOICES)
        for layers in [combination[0]]
    }
    found = audit_pair(question(cells=every), HOW)
    assert found.default.metrics["PT"].low < 0 < found.default.metrics["PT"].high
    change = next(one for one in found.effects if one.level == "0.4").changes["PT"]
    assert (change.value, change.low, change.high) == (0, 0, 0)
    (layers, *_) = of(found, "PT").contributions
    assert layers.shapley.value == 0
    assert layers.shapley.low is None


def test_all_sums_of_choices_are_those_of_the_grid(audit):
    """One at a time from either end, by hand from the specifications."""
    value = {one.levels: one.metrics["V"].difference for one in audit.specifications}
    (layers, _) = of(audit, "V").contributions
    start, end = ("last", "dot", "0.5"), REFERENCE
    assert layers.first.value == pytest.approx(value["reference", "dot", "0.5"] - value[start])
    assert layers.last.value == pytest.approx(value[end] - value["last", "native", "0.5"])
    orders = list(itertools.permutations(("layers", "scalar")))
    assert layers.shapley.value == pytest.approx((layers.first.value + layers.last.value) / len(orders))
