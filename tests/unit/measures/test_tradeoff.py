"""Rivals by many measures: paired by seeds and pictures, by unseen heatmaps, and without any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rationale_cli.measures.measured import Estimator, Exchanged, Explained, Measured, Witness
from rationale_cli.measures.quadrants import Outcomes
from rationale_cli.measures.tradeoff import Rival, contrasts
from rationale_cli.recipe.layouts import Column

N = 400
EASE = np.random.default_rng(0).random(N)
ACCURACY, PT, UNSEEN = Column("accuracy", "test"), Column("PT", "test"), Column("PT", "test", "occlusion")
BACKGROUND, SHARE, COST = (Column(name, "test") for name in ("background", "object_share", "cost"))


def run(name: str, seed: int, accuracy: float, mass: float, unseen: float) -> Measured:
    """Right where it is easy; the mass on the object is ``mass`` ± 0.2, and ``unseen`` by occlusion."""
    noise = np.random.default_rng((seed, 1)).random(N)
    right = EASE + 0.02 * noise < accuracy

    def by(attribution: str, mean: float) -> Estimator:
        rma = np.clip(mean - 0.2 + 0.4 * noise, 0, 1)
        outcomes = Outcomes(np.zeros(N, np.int64), right, np.ones(N, bool), rma, np.full(N, 0.3))
        return Estimator(f"{attribution}-dot", None, "dot", outcomes)

    return Measured(
        f"{name}-{seed}",
        name,
        "m",
        "rationale:ft",
        seed,
        name,
        np.arange(N).astype(object),
        tuple("abcd"),
        "gaa",
        by("gaa", mass),
        explained={
            "gaa-dot": Explained(by("gaa", mass), "{}", None),
            "occlusion-dot": Explained(by("occlusion", unseen), "{}", None),
        },
        witness={"exact": Witness(noise < 0.5, noise < 2), "box": Witness(noise < 0.9, noise < 2)},
        effects=Exchanged(np.full(N, 3.0), np.where(EASE < 0.5, 1.0, -1.0)),
    )


def rival(name: str, accuracy: float, mass: float, unseen: float, seeds=(0, 1, 2), seconds=10.0) -> Rival:
    runs = {(seed, 0): {"test": run(name, seed, accuracy, mass, unseen)} for seed in seeds}
    return Rival(runs, dict.fromkeys(runs, seconds))


def test_what_games_one_attribution_is_told_by_another():
    ft, gamed = rival("ft", 0.8, 0.45, 0.45), rival("gamed", 0.8, 0.65, 0.45, seconds=15.0)
    columns = (ACCURACY, PT, UNSEEN, COST)
    of_ft, of_gamed = contrasts([(ft, ft), (gamed, ft)], columns, 0.5, 15)
    accuracy, seen, unseen, cost = of_gamed
    assert seen.difference.verdict == "not audited" and seen.difference.difference > 0.4
    assert seen.estimator == "gaa-dot" and unseen.estimator == "occlusion-dot"
    assert unseen.difference.difference == accuracy.difference.difference == 0
    assert accuracy.difference.verdict in ("not significant", "undefined")
    assert (cost.value.mean, of_ft[3].value.mean) == (1.5, 1.0)
    assert all(one.difference is None for one in of_ft)


def test_differences_are_paired_by_shared_seeds_and_pictures():
    ft, other = rival("ft", 0.8, 0.5, 0.5, seeds=(0, 1, 2)), rival("other", 0.9, 0.5, 0.5, seeds=(1, 2, 3))
    ((found,),) = contrasts([(other, ft)], [ACCURACY], 0.5, 15)
    assert found.difference.baseline == "ft-1 ft-2"
    assert found.difference.low > 0 and found.difference.verdict == "significant"
    # Unpaired, two accuracies of 400 pictures could not be told apart so closely.
    assert found.difference.high - found.difference.low < 0.08


def test_one_run_stands_beside_each_of_many():
    ft, zero_shot = rival("ft", 0.8, 0.5, 0.5), rival("zs", 0.7, 0.5, 0.5, seeds=(0,))
    ((found,),) = contrasts([(zero_shot, ft)], [ACCURACY], 0.5, 15)
    assert found.difference.baseline == "ft-0 ft-1 ft-2"
    assert found.difference.difference == pytest.approx(-0.1, abs=0.03)


def test_measures_without_heatmaps():
    ((background, share),) = contrasts([(rival("ft", 0.8, 0.5, 0.5), None)], [BACKGROUND, SHARE], 0.5, 15)
    # Half of the exact backgrounds are named, one of four by chance; the filled box is not asked.
    assert background.value.mean == pytest.approx(0.25, abs=0.05)
    assert share.value.mean == pytest.approx(np.where(EASE < 0.5, 0.75, 1.0).mean())
    assert background.estimator == share.estimator == ""


def test_what_was_not_measured_is_left_empty():
    ft = rival("ft", 0.8, 0.5, 0.5)
    bare = {
        seeds: {"test": replace(one["test"], explained={}, effects=None)} for seeds, one in ft.runs.items()
    }
    columns = (UNSEEN, SHARE, Column("PT", "shifted"))
    ((*found,),) = contrasts([(Rival(bare, {}), ft)], columns, 0.5, 15)
    assert found == [None, None, None]
