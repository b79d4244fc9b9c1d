"""Transfer: cells, mean gains over shared pictures and seeds, and verdicts that need evidence either way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.cases import Look, Pair
from rationale_cli.measures.intervals import wilson
from rationale_cli.measures.measured import Estimator, Measured
from rationale_cli.measures.paired import paired_proportion
from rationale_cli.measures.quadrants import Outcomes
from rationale_cli.measures.transfer import kind_of, summary_of
from rationale_cli.measures.transfer_cells import (
    Trial,
    balanced_accuracy,
    cell_estimates,
    settled_changes,
    tried,
)
from rationale_cli.measures.transfer_results import MEASURES, KindSummary, TransferSummary

HOW = Resampling(replicates=200)
N = 300
KINDS = {"same": 0, "size": N, "task": 2 * N}
"""Where the pictures of each kind begin among all."""


def measured(name: str, right: np.ndarray, rma: np.ndarray | None = None) -> Measured:
    n = len(right)
    rma = np.full(n, 0.6) if rma is None else rma
    outcomes = Outcomes(np.arange(n) % 2, np.asarray(right, bool), np.ones(n, bool), rma, np.full(n, 0.2))
    main = Estimator("gaa-last-dot", "last", "dot", outcomes)
    return Measured(name, name, "m", "rationale:ft", 0, name, np.arange(n), ("falls", "stands"), "gaa", main)


def trial(kind: str, accuracies: Sequence[float], row: int = 0, chance: int = 0, n: int = N) -> Trial:
    """Seeds of these accuracies against an un-tuned model that guesses; pictures are those of the kind."""
    rng = np.random.default_rng([chance, row, *kind.encode()])
    base = measured("zs", np.random.default_rng([chance, *kind.encode()]).random(n) < 0.5)
    places = np.arange(n) + KINDS[kind]
    pairs = (
        Pair(measured(f"{row}-{seed}", rng.random(n) < accuracy), base, places)
        for seed, accuracy in enumerate(accuracies)
    )
    return Trial(row, kind, tuple(pairs))


def summed(trials: Sequence[Trial]) -> TransferSummary:
    look = Look(0.5, HOW, 3 * N)
    return summary_of([tried(one, look) for one in trials], look)


def by_kind(found: TransferSummary) -> Mapping[str, KindSummary]:
    return {one.kind: one for one in found.kinds}


def verdicts(same: float, size: float, task: float, **more: int) -> dict[str, str]:
    """Two seeds of two rows by their true accuracies on each kind."""
    levels = {"same": same, "size": size, "task": task}
    found = summed(
        [trial(kind, [level, level], row, **more) for row in (0, 1) for kind, level in levels.items()]
    )
    return {one.kind: one.verdict for one in found.kinds} | {"all": found.conclusion}


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=2, max_size=30))
def test_balanced_accuracy_is_the_mean_recall_and_its_influence_the_slope(
    pictures: list[tuple[bool, int]],
) -> None:
    right, label = (np.array(column) for column in zip(*pictures, strict=True))
    value, influence = balanced_accuracy(right, label)
    recalls = [right[label == one].mean() for one in set(label.tolist())]
    assert value == pytest.approx(np.mean(recalls))
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    # A picture that counts a little more moves the value by its influence.
    weights = np.ones(len(right))
    weights[0] += 1e-6
    moved = np.mean([np.average(right[label == c], weights=weights[label == c]) for c in set(label.tolist())])
    assert (moved - value) / 1e-6 * len(right) == pytest.approx(influence[0], abs=1e-3)


def test_the_share_of_one_class_does_not_move_balanced_accuracy() -> None:
    label = np.array([0] * 90 + [1] * 10)
    always = label == 0
    assert always.mean() == 0.9
    assert balanced_accuracy(always, label)[0] == 0.5


@given(st.integers(0, 40), st.integers(1, 40))
def test_a_single_run_has_wilsons_interval(hits: int, more: int) -> None:
    right = np.arange(hits + more) < hits
    found = cell_estimates([measured("a", right)], 0.5)["accuracy"]
    assert (found.low, found.high) == pytest.approx(wilson(hits, hits + more))
    assert found.n == hits + more


@given(st.lists(st.integers(0, 60), min_size=2, max_size=4))
def test_seeds_never_make_an_interval_worth_more_pictures_than_there_are(hits: list[int]) -> None:
    runs = [measured(str(place), np.arange(60) < one) for place, one in enumerate(hits)]
    found = cell_estimates(runs, 0.5)["accuracy"]
    assert found.value is not None and found.low is not None and found.high is not None
    assert found.value == pytest.approx(np.mean(hits) / 60)
    low, high = wilson(60 * found.value, 60)
    assert 0 <= found.low <= low + 1e-9 and high - 1e-9 <= found.high <= 1


def test_seeds_that_disagree_widen_the_interval() -> None:
    def width(*hits: int) -> float:
        runs = [measured(str(place), np.arange(100) < one) for place, one in enumerate(hits)]
        found = cell_estimates(runs, 0.5)["accuracy"]
        return (found.high or 0) - (found.low or 0)

    assert width(60, 60) < width(55, 65) < width(40, 80)


def test_what_is_undefined_stays_undefined() -> None:
    found = cell_estimates([measured("a", np.zeros(20, bool)), measured("b", np.ones(20, bool))], 0.5)
    assert (found["PT"].value, found["PT"].low) == (None, None)
    assert found["V"].value == 1.0


def test_a_single_run_is_tested_as_in_its_score() -> None:
    one = trial("same", [0.9])
    (pair,) = one.pairs
    assert pair.baseline is not None
    wanted = paired_proportion(pair.run.outcomes.right, pair.baseline.outcomes.right, HOW)
    (found,) = settled_changes([tried(one, Look(0.5, HOW, N))])
    assert found["accuracy"].p == wanted.p
    assert (found["accuracy"].low, found["accuracy"].high) == (wanted.low, wanted.high)


def test_evidence_by_one_estimator_is_no_conclusion() -> None:
    rng = np.random.default_rng(0)
    right = np.ones(N, bool)
    run, base = (
        measured(name, right, np.where(rng.random(N) < share, 0.9, 0.1))
        for name, share in (("ft", 0.2), ("zs", 0.8))
    )
    one = Trial(0, "same", (Pair(run, base, np.arange(N)),))
    (found,) = settled_changes([tried(one, Look(0.5, HOW, N))])
    assert found["V"].verdict == found["PT"].verdict == "not audited"
    assert found["accuracy"].verdict == "not significant"


def test_more_cells_never_lower_a_p() -> None:
    look = Look(0.5, HOW, 3 * N)
    few = [tried(trial(kind, [0.6, 0.62]), look) for kind in KINDS]
    alone, together = settled_changes(few[:1])[0], settled_changes(few)[0]
    for metric in MEASURES:
        first, second = alone[metric].p_holm, together[metric].p_holm
        assert (first is None and second is None) or (first or 0) <= (second or 0)


@pytest.mark.parametrize(
    ("accuracies", "wanted"),
    [
        ((0.9, 0.5, 0.5), ("helps", "does not transfer", "does not transfer")),
        ((0.9, 0.9, 0.9), ("helps", "transfers", "transfers")),
        ((0.9, 0.7, 0.5), ("helps", "transfers in part", "does not transfer")),
        ((0.9, 0.2, 0.5), ("helps", "hurts", "does not transfer")),
        ((0.5, 0.5, 0.5), ("not decided", "not decided", "not decided")),
    ],
)
def test_verdicts(accuracies: tuple[float, float, float], wanted: tuple[str, ...]) -> None:
    found = verdicts(*accuracies)
    assert (found["same"], found["size"], found["task"]) == wanted
    conclusions = {
        ("helps", "does not transfer", "does not transfer"): "helps within, does not transfer",
        ("helps", "hurts", "does not transfer"): "helps within, does not transfer",
        ("helps", "transfers", "transfers"): "helps within, transfers",
        ("helps", "transfers in part", "does not transfer"): "helps within, transfers in part",
    }
    assert found["all"] == conclusions.get(wanted, "not decided")


def test_that_nothing_is_shown_does_not_show_that_there_is_nothing() -> None:
    found = verdicts(0.95, 0.53, 0.5, n=40)
    assert found["same"] == "helps"
    assert found["size"] == found["task"] == "not decided"
    assert found["all"] == "not decided"


def test_cells_that_go_both_ways_are_mixed() -> None:
    found = summed(
        [
            *(trial("same", [0.9, 0.9], row) for row in (0, 1)),
            trial("task", [0.8, 0.8], 0),
            trial("task", [0.2, 0.2], 1),
        ]
    )
    assert by_kind(found)["task"].verdict == "mixed"
    assert (by_kind(found)["task"].up, by_kind(found)["task"].down) == (1, 1)
    assert found.conclusion == "not decided"


def test_a_row_twice_is_no_more_evidence_than_once() -> None:
    one = trial("same", [0.8])
    twin = Trial(1, "same", one.pairs)
    once, twice = (by_kind(summed(found))["same"].gains["accuracy"] for found in ([one], [one, twin]))
    for part in ("value", "low", "high"):
        assert getattr(once, part) == pytest.approx(getattr(twice, part), abs=1e-9)


def test_a_seed_counts_once_however_many_sets_it_was_judged_on() -> None:
    """Two seeds, one of which learnt nothing: a second evaluation set is no second pair of seeds."""
    sets = [trial("size", [0.95, 0.5], 0, chance) for chance in range(6)]
    gain = by_kind(summed(sets))["size"].gains["accuracy"]
    assert gain.value == pytest.approx(0.22, abs=0.05)
    assert gain.low is not None and gain.low < 0


def test_the_share_is_that_of_the_gain_within() -> None:
    found = summed([trial("same", [0.9] * 3), trial("size", [0.7] * 3), trial("task", [0.5] * 3)])
    kinds = by_kind(found)
    assert kinds["same"].share is None
    share, nothing = kinds["size"].share, kinds["task"].share
    assert share is not None and nothing is not None
    gains = [kinds[kind].gains["accuracy"].value or math.nan for kind in ("size", "same")]
    assert share.value == pytest.approx(gains[0] / gains[1])
    assert share.low is not None and share.high is not None and share.low < 0.5 < share.high
    assert nothing.low is not None and nothing.high is not None and nothing.low < 0 < nothing.high < 0.5


def test_mean_gains_cover_the_truth() -> None:
    """Of 95 % intervals of a gain of 20 points about 95 % hold it; half as wide, two thirds would."""
    gains = [
        by_kind(summed([trial("same", [0.7], 0, chance, n=100)]))["same"].gains["accuracy"]
        for chance in range(60)
    ]
    held = sum((one.low or 0) <= 0.2 <= (one.high or 0) for one in gains)
    assert held >= 51


def test_a_quarter_of_the_gain_is_rarely_called_nothing() -> None:
    """At the very margin at most the level of the test."""
    called = sum(
        verdicts(0.9, 0.6, 0.6, chance=chance, n=150)["size"] == "does not transfer" for chance in range(10)
    )
    assert called <= 2


FACTORS = st.dictionaries(st.sampled_from(["task", "size", "style"]), st.sampled_from(["a", "b"]))


@given(FACTORS, FACTORS)
def test_kinds_do_not_depend_on_which_side_is_tuned(first: dict[str, str], second: dict[str, str]) -> None:
    one, other = kind_of(first, second), kind_of(second, first)
    assert (one is None) == (not first.keys() & second.keys())
    assert set((one or "").split("+")) == set((other or "").split("+"))
    assert kind_of(first, first) == ("same" if first else None)
