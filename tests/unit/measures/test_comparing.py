"""Comparisons with a truth that is known: what is built in is found, and what is not is not."""

from __future__ import annotations

import numpy as np
import pytest

from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.comparing import compare, explainer_free, settle
from rationale_cli.measures.comparison_results import Difference
from rationale_cli.measures.measured import Estimator, Measured, Witness
from rationale_cli.measures.quadrants import Outcomes

N = 600
HOW = Resampling(replicates=400)
KEYS = [(layers, scalar) for layers in ("last", "all") for scalar in ("dot", "native")]


def measured(
    name: str,
    focus: dict[tuple[str, str], float],
    accuracy: float = 0.8,
    controls: float = 0.5,
    seed: int = 0,
) -> Measured:
    """A run whose heatmaps lie on the object by ``focus`` (per estimator), its controls by ``controls``."""
    shared = np.random.default_rng(0)
    clarity, ease = shared.normal(size=N), shared.random(N)
    own = np.random.default_rng(hash((name, seed)) % 2**32)
    right = ease < accuracy
    label = np.arange(N) % 5

    def outcomes(centre: float, spread: float = 0.08) -> Outcomes:
        mass = np.clip(centre + spread * clarity + 0.05 * own.normal(size=N), 0, 1)
        return Outcomes(label, right, np.ones(N, bool), mass, np.full(N, 0.3))

    grid = {
        key: Estimator(f"gaa-{key[0]}-{key[1]}", key[0], key[1], outcomes(value, 0.15))
        for key, value in focus.items()
    }
    names = ("uniform", "center", "random-head", "wrong-class")
    return Measured(
        run=name,
        title=name,
        model="m",
        method="rationale:ft",
        seed=0,
        configuration=name,
        ids=np.arange(N).astype(object),
        classnames=("a", "b", "c", "d", "e"),
        attribution="gaa",
        main=grid["last", "dot"],
        grid=grid,
        controls={one: outcomes(controls) for one in names},
        witness={"box": Witness(ease < accuracy / 2, np.arange(N) % 3 > 0)},
    )


def difference(run: Measured, baseline: Measured, metric: str) -> Difference:
    return settle([compare(run, baseline, 0.5, HOW)])[0].differences[metric]


BASE = measured("zs", dict.fromkeys(KEYS, 0.60), 0.6)


def test_a_fall_by_every_estimator_is_robust() -> None:
    one = difference(measured("ft", dict.fromkeys(KEYS, 0.45)), BASE, "PT")
    assert one.difference is not None
    assert one.difference < -0.2
    assert (one.verdict, one.reasons, one.significant) == ("robust", (), True)
    assert len(one.grid) == 4 * 5
    assert [point.control for point in one.controls] == ["uniform", "center", "random-head", "wrong-class"]


def test_a_sign_that_turns_with_the_layers_is_estimator_dependent() -> None:
    focus = {key: 0.45 if key[0] == "last" else 0.75 for key in KEYS}
    one = difference(measured("ft", focus), BASE, "PT")
    assert one.verdict == "estimator-dependent"
    assert len(one.reasons) == 2 * 5
    assert all("gaa-all" in reason and "the sign turns" in reason for reason in one.reasons)


def test_a_fall_that_the_controls_show_too_is_not_robust() -> None:
    run = measured("ft", dict.fromkeys(KEYS, 0.45), controls=0.37)
    one = difference(run, BASE, "V")
    assert one.verdict == "estimator-dependent"
    assert all(reason.startswith("control ") for reason in one.reasons)


def test_reliability_follows_accuracy_and_is_found_out() -> None:
    """The evidence is the same, the accuracy grows: IR grows, and so it does with every control."""
    run = measured("ft", dict.fromkeys(KEYS, 0.60), accuracy=0.9)
    found = settle([compare(run, BASE, 0.5, HOW)])[0].differences
    assert found["IR"].significant
    assert found["IR"].verdict == "estimator-dependent"
    assert not found["lift"].significant


def test_an_estimator_without_layers_has_a_grid_of_scalars() -> None:
    def by_scalar(one: Measured) -> Measured:
        points = {scalar: one.grid["last", scalar] for scalar in ("dot", "native")}
        grid = {
            (None, scalar): Estimator(f"mine-{scalar}", None, scalar, point.outcomes)
            for scalar, point in points.items()
        }
        return Measured(**{**vars(one), "attribution": "mine", "main": grid[None, "dot"], "grid": grid})

    run, baseline = by_scalar(measured("ft", dict.fromkeys(KEYS, 0.45))), by_scalar(BASE)
    found = difference(run, baseline, "PT")
    assert (found.verdict, len(found.grid)) == ("robust", 2 * 5)
    half = Measured(**{**vars(run), "grid": {(None, "dot"): run.main}})
    comparison = settle([compare(half, baseline, 0.5, HOW)])[0]
    assert comparison.missing == ("mine-native",)


def test_missing_parts_are_named_with_the_command() -> None:
    run = measured("ft", {("last", "dot"): 0.45})
    comparison = settle([compare(run, BASE, 0.5, HOW)])[0]
    assert comparison.missing == ("gaa-last-native", "gaa-all-dot", "gaa-all-native")
    assert comparison.remedy == "rationale explain ft"
    assert comparison.differences["PT"].verdict == "not audited"
    assert comparison.differences["accuracy"].verdict == "significant"


def test_an_estimator_without_layers_cannot_be_audited() -> None:
    def plain(one: Measured) -> Measured:
        main = Estimator("mine", None, None, one.outcomes)
        return Measured(**{**vars(one), "main": main, "grid": {}})

    comparison = settle([compare(plain(measured("ft", dict.fromkeys(KEYS, 0.45))), plain(BASE), 0.5, HOW)])[0]
    assert comparison.missing == ()
    assert comparison.differences["PT"].verdict == "not audited"


def test_holm_counts_every_cell_of_the_table() -> None:
    runs = [measured(f"ft{k}", dict.fromkeys(KEYS, 0.6), seed=k) for k in range(3)]
    alone = settle([compare(runs[0], BASE, 0.5, HOW)])[0].differences
    together = settle([compare(run, BASE, 0.5, HOW) for run in runs])[0].differences
    assert together["accuracy"].p_holm is not None
    assert alone["accuracy"].p_holm is not None
    assert together["accuracy"].p_holm > alone["accuracy"].p_holm
    assert set(alone) == {"accuracy", "V", "PT", "IR", "lift", "witness:box"}


def test_the_witness_is_compared_on_the_pictures_that_both_have() -> None:
    found = explainer_free(measured("ft", dict.fromkeys(KEYS, 0.5)), BASE, HOW)["witness:box"]
    assert found.n == np.sum(np.arange(N) % 3 > 0)
    assert found.difference == pytest.approx(0.1, abs=0.03)
    assert found.test == "McNemar, exact"


def test_without_annotation_only_accuracy_is_compared() -> None:
    def bare(one: Measured) -> Measured:
        nothing = np.full(N, np.nan)
        outcomes = Outcomes(one.outcomes.label, one.outcomes.right, np.zeros(N, bool), nothing, nothing)
        main = Estimator("gaa-last-dot", "last", "dot", outcomes)
        return Measured(**{**vars(one), "main": main, "grid": {}, "controls": {}, "witness": {}})

    found = compare(bare(measured("ft", dict.fromkeys(KEYS, 0.5))), bare(BASE), 0.5, HOW).differences
    assert set(found) == {"accuracy"}
