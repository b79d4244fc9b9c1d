"""The mean of effects on shared pictures, against a bootstrap that draws pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.cases import Case, Pair, by_area
from rationale_cli.measures.effects import (
    association,
    differences,
    effects_of,
    mass,
    minus,
    over_seeds,
    witnessed,
)
from rationale_cli.measures.intervals import agresti_min, newcombe
from rationale_cli.measures.measured import Estimator, Measured, Witness
from rationale_cli.measures.pooled_audit import seen
from rationale_cli.measures.pooling import Effect, pool
from rationale_cli.measures.quadrants import Outcomes, count, ratios
from rationale_cli.measures.scoring import score_run

N = 400
METRICS = ("accuracy", "PT", "IR", "lift")


def measured(
    name: str, right: np.ndarray, rma: np.ndarray, label: np.ndarray | None = None, **witness: np.ndarray
) -> Measured:
    n = len(right)
    label = np.arange(n) % 5 if label is None else label
    area = np.linspace(0.05, 0.8, n)
    main = Estimator("gaa-last-dot", "last", "dot", Outcomes(label, right, np.ones(n, bool), rma, area))
    return Measured(
        name, name, "m", "rationale:ft", 0, name, np.arange(n).astype(object), tuple("abcde"), "gaa", main,
        witness={kind: Witness(flags, np.ones(n, bool)) for kind, flags in witness.items()},
    )  # fmt: skip


def population(seed: int, n: int = N) -> list[Measured]:
    """A baseline and three tuned runs that fail on the same hard pictures."""
    rng = np.random.default_rng(seed)
    ease, clarity = rng.random(n), rng.normal(size=n)
    runs = []
    for name, accuracy, focus in (("zs", 0.6, 0.6), ("a", 0.8, 0.5), ("b", 0.75, 0.45), ("c", 0.85, 0.6)):
        right = 0.7 * ease + 0.3 * rng.random(n) < accuracy
        rma = np.clip(focus + 0.03 * right + 0.15 * clarity + 0.1 * rng.normal(size=n), 0, 1)
        runs.append(measured(name, right, rma))
    return runs


def cases(runs: list[Measured], places: np.ndarray) -> list[Case]:
    return [Case(one.run, "d", "test", (Pair(one, runs[0], places),)) for one in runs[1:]]


def test_a_mean_over_shared_and_other_pictures_has_the_bootstraps_interval() -> None:
    home, away = population(0), population(1, 150)
    together = cases(home, np.arange(N)) + cases(away, np.arange(N, N + 150))
    rng = np.random.default_rng(0)
    cells = [np.stack([one.outcomes.codes(0.5) for one in runs]) for runs in (home, away)]
    drawn: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for _ in range(3000):
        picked = [codes[:, rng.integers(0, codes.shape[1], codes.shape[1])] for codes in cells]
        found = [ratios(np.stack([count(one) for one in codes]))._asdict() for codes in picked]
        for metric in METRICS:
            values = [of_runs[metric][1:] - of_runs[metric][0] for of_runs in found]
            drawn[metric].append(float(np.concatenate(values).mean()))
    for metric, effects in effects_of(METRICS, together, seen, 0.5).items():
        ours = pool(effects, N + 150)
        low, high = np.quantile(drawn[metric], [0.025, 0.975])
        assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.06 * (high - low)), metric
        assert (ours.pictures, ours.effects) == (N + 150, 6)


def test_intervals_of_a_mean_cover() -> None:
    """Of 300 samples from a known population some 95 % of the intervals hold the truth."""
    large = population(7, 200_000)
    truth = {
        metric: pool(found, 200_000).value
        for metric, found in effects_of(METRICS, cases(large, np.arange(200_000)), seen, 0.5).items()
    }
    held = dict.fromkeys(METRICS, 0)
    for seed in range(300):
        found = effects_of(METRICS, cases(population(100 + seed, 120), np.arange(120)), seen, 0.5)
        for metric in METRICS:
            one = pool(found[metric], 120)
            held[metric] += one.low <= truth[metric] <= one.high
    assert all(273 <= hits <= 297 for hits in held.values()), held


def test_the_same_effect_twice_is_no_more_than_once() -> None:
    found = effects_of(("PT",), cases(population(0), np.arange(N)), seen, 0.5)["PT"][0]
    once, twice = pool([found], N), pool([found, found], N)
    assert twice[:3] == pytest.approx(once[:3])
    apart = pool([found, found._replace(places=found.places + N)], 2 * N)
    assert (apart.high - apart.low) == pytest.approx((once.high - once.low) / math.sqrt(2), rel=0.01)


def test_more_pictures_narrow_the_interval() -> None:
    runs = population(0)
    found = effects_of(METRICS, cases(runs, np.arange(N)), seen, 0.5)
    fourfold = [
        measured(one.run, np.tile(one.outcomes.right, 4), np.tile(one.outcomes.rma, 4)) for one in runs
    ]
    more = effects_of(METRICS, cases(fourfold, np.arange(4 * N)), seen, 0.5)
    for metric in METRICS:
        one, other = pool(found[metric], N), pool(more[metric], 4 * N)
        assert other.value == pytest.approx(one.value)
        assert (one.high - one.low) / (other.high - other.low) == pytest.approx(2, rel=0.02)
        assert other.p <= one.p


def test_seeds_widen_the_interval() -> None:
    zero, first, second, third = population(0)
    places = np.arange(N)
    alone = effects_of(("PT",), [Case("a", "d", "t", (Pair(first, zero, places),))], seen, 0.5)["PT"][0]
    seeds = tuple(Pair(one, zero, places) for one in (first, second, third))
    (found,) = effects_of(("PT",), [Case("a", "d", "t", seeds)], seen, 0.5)["PT"]
    single = [differences(pair, seen, 0.5, ("PT",))["PT"].value for pair in seeds]
    assert found.value == pytest.approx(np.mean(single))
    assert found.spread == pytest.approx(np.var(single, ddof=1) / 3)
    assert pool([found], N).high - found.value > pool([alone], N).high - alone.value


def test_an_undefined_seed_leaves_the_cell_undefined() -> None:
    known = Effect(0.1, np.arange(3), np.array([-0.1, 0.0, 0.1]))
    assert math.isnan(over_seeds([known, known._replace(value=math.nan)]).value)


def test_undefined_effects_are_left_out() -> None:
    known = Effect(0.1, np.arange(4), np.array([-0.1, 0.1, -0.1, 0.1]))
    lost = Effect(math.nan, np.arange(0), np.zeros(0))
    assert pool([known, lost], 4) == pool([known], 4)
    nothing = pool([lost], 4)
    assert math.isnan(nothing.value)
    assert nothing.effects == 0


def test_nothing_that_varies_has_no_limits() -> None:
    still = Effect(0.2, np.arange(4), np.zeros(4))
    found = pool([still], 4)
    assert found.value == 0.2
    assert math.isnan(found.low)
    assert pool([still._replace(value=0.0)], 4)[1:4] == (0.0, 0.0, 1.0)


def test_a_proportion_of_one_takes_the_closed_form() -> None:
    right = np.arange(40) < 20
    rma = np.where(np.arange(40) < 14, 0.9, 0.1)
    zero, tuned = measured("zs", right, rma), measured("ft", right, np.full(40, 0.9))
    pair = Pair(tuned, zero, np.arange(40))
    found = pool([differences(pair, seen, 0.5, ("PT",))["PT"]], 40)
    expected = newcombe((20, 14), (20, 20))
    assert found.value == pytest.approx(0.3)
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=0.03)


def test_nothing_lost_takes_the_closed_form() -> None:
    zero = measured("zs", np.arange(40) < 20, np.full(40, 0.9), box=np.arange(40) < 5)
    tuned = measured("ft", np.arange(40) < 30, np.full(40, 0.9), box=np.arange(40) < 9)
    pair = Pair(tuned, zero, np.arange(40))
    for one in (differences(pair, seen, 0.5, ("accuracy",))["accuracy"], witnessed(pair, "box")):
        gained = round(40 * one.value)
        _, low, high, _ = agresti_min(gained, 0, 40)
        found = pool([one], 40)
        assert found.high - found.low == pytest.approx(high - low, rel=0.03)


def test_association_within_classes_is_the_scores() -> None:
    run = population(0)[1]
    found = association(Pair(run, None, np.arange(N)), seen, 0.5)
    assert found.value == pytest.approx(score_run(run, 0.5, Resampling(100)).within.phi)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(600):
        picked = np.sort(rng.integers(0, N, N))
        outcomes = run.outcomes
        again = measured("r", outcomes.right[picked], outcomes.rma[picked], outcomes.label[picked])
        drawn.append(association(Pair(again, None, np.arange(N)), seen, 0.5).value)
    assert math.sqrt(float(found.parts @ found.parts)) == pytest.approx(np.std(drawn), rel=0.08)


def test_association_without_variation_is_undefined() -> None:
    run = measured("r", np.ones(20, bool), np.linspace(0, 1, 20))
    assert math.isnan(association(Pair(run, None, np.arange(20)), seen, 0.5).value)


def test_mass_rests_on_what_both_get_right() -> None:
    zero = measured("zs", np.array([1, 1, 1, 0], bool), np.array([0.5, 0.6, np.nan, 0.9]))
    tuned = measured("ft", np.array([1, 1, 1, 1], bool), np.array([0.4, 0.3, 0.1, 0.1]))
    found = mass(Pair(tuned, zero, np.arange(4)), seen)
    assert found.value == pytest.approx((-0.1 - 0.3 + 0.1) / 3)  # without evidence there is no mass
    assert found.places.tolist() == [0, 1, 2]
    never = measured("no", np.zeros(4, bool), np.full(4, 0.5))
    assert math.isnan(mass(Pair(never, zero, np.arange(4)), seen).value)


def test_the_difference_to_a_control_varies_less_than_both() -> None:
    zero, tuned, *_ = population(0)
    found = differences(Pair(tuned, zero, np.arange(N)), seen, 0.5, ("IR",))["IR"]
    nothing = minus(found, found)
    assert nothing.value == 0
    assert not nothing.parts.any()


def test_thirds_by_area_keep_pictures_and_pairs() -> None:
    zero, tuned, *_ = population(0)
    case = Case("ft", "d", "test", (Pair(tuned, zero, np.arange(N) + 7),))
    parts = by_area(case)
    assert list(parts) == ["small", "middle", "large"]
    places = [part.pairs[0].places for part in parts.values()]
    assert np.concatenate(places).tolist() == (np.arange(N) + 7).tolist()
    for part in parts.values():
        (pair,) = part.pairs
        assert pair.baseline is not None
        assert pair.run.ids.tolist() == pair.baseline.ids.tolist() == (pair.places - 7).tolist()
    assert (
        by_area(Case("x", "d", "t", (Pair(measured("r", np.ones(2, bool), np.ones(2)), None, np.arange(2)),)))
        == {}
    )
