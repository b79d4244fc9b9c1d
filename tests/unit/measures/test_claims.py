"""Claims on planted runs, where each verdict is known; what the rule keeps whatever the numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.cases import Case, Ladder, Look, Pair
from rationale_cli.measures.claims import Claim, Hypothesis, decide, decide_order, sides, worded
from rationale_cli.measures.comparing import compare
from rationale_cli.measures.hypotheses import SETTINGS, SUBJECTS, hypotheses
from rationale_cli.measures.measured import Estimator, Measured, Witness
from rationale_cli.measures.pooling import Pooled
from rationale_cli.measures.quadrants import Outcomes
from rationale_cli.measures.weighing import untested, weigh, weigh_order

N = 400
HOW = Resampling(replicates=300)
LOOK = Look(0.5, HOW, N)
KEYS = [(layers, scalar) for layers in ("last", "all") for scalar in ("dot", "native")]
CONTROLS = ("uniform", "center", "random-head", "wrong-class")
STATED = {one.key: one for one in hypotheses()}
PT, IR, LIFT = (STATED[f"main:{metric}"] for metric in ("PT", "IR", "lift"))
ACCURACY = STATED["main:accuracy"]


def measured(
    name: str,
    focus: float | dict[tuple[str, str], float] = 0.6,
    accuracy: float = 0.6,
    controls: float = 0.5,
    seed: int = 0,
    keys: list[tuple[str, str]] = KEYS,
    background: float = 0.1,
    n: int = N,
) -> Measured:
    """A run whose heatmaps lie on the object by ``focus`` (per estimator), its controls by ``controls``."""
    shared = np.random.default_rng(0)
    clarity, ease, own = shared.normal(size=n), shared.random(n), np.random.default_rng(seed + len(name))
    right, label = ease < accuracy, np.arange(n) % 5

    def outcomes(centre: float, spread: float) -> Outcomes:
        mass = np.clip(centre + spread * clarity + 0.05 * own.normal(size=n), 0, 1)
        return Outcomes(label, right, np.ones(n, bool), mass, np.linspace(0.1, 0.6, n))

    by_key = focus if isinstance(focus, dict) else dict.fromkeys(keys, focus)
    grid = {
        key: Estimator(f"gaa-{key[0]}-{key[1]}", key[0], key[1], outcomes(by_key[key], 0.15)) for key in keys
    }
    return Measured(
        run=name,
        title=name,
        model="m",
        method="rationale:ft",
        seed=seed,
        configuration=name,
        ids=np.arange(n).astype(object),
        classnames=tuple("abcde"),
        attribution="gaa",
        main=grid["last", "dot"],
        grid=grid,
        controls={one: outcomes(controls, 0.08) for one in CONTROLS},
        witness={"box": Witness(shared.random(n) < background, np.ones(n, bool))},
    )


ZERO = measured("zs")


def case(*runs: Measured, baseline: Measured = ZERO) -> Case:
    return Case(runs[0].run, "d", "test", tuple(Pair(one, baseline, np.arange(N)) for one in runs))


def weighed(stated: Hypothesis, *runs: Measured) -> Claim:
    (claim,) = weigh([stated], [case(one) for one in runs], LOOK)
    return claim


LOW = measured("low", 0.45, background=0.4)
LOWER = measured("lower", 0.42, background=0.5)
HIGH = measured("high", 0.75)


def test_a_fall_in_every_cell_by_every_estimator_is_supported() -> None:
    claim = weighed(PT, LOW, LOWER)
    assert claim.verdict == "supported"
    assert [one.side for one in claim.cells] == ["for", "for"]
    assert claim.effect == pytest.approx(np.mean([one.effect for one in claim.cells]))
    assert claim.low < claim.effect < claim.high < 0
    assert claim.audit is not None
    assert (len(claim.audit.grid), len(claim.audit.controls)) == (20, 4)
    assert claim.pictures == N


def test_the_witness_speaks_for_itself() -> None:
    claim = weighed(PT, LOW, LOWER)
    assert claim.witness is not None
    assert (claim.witness.kind, claim.witness.side) == ("box", "for")
    gone = weigh([PT], [case(measured("less", 0.45, background=0.0), baseline=LOW)], LOOK)[0]
    assert gone.witness is not None
    assert gone.witness.side == "against"


def test_a_rise_contradicts_the_fall() -> None:
    claim = weighed(PT, HIGH, measured("higher", 0.8))
    assert claim.verdict == "contradicted"
    assert [one.side for one in claim.cells] == ["against", "against"]


def test_cells_both_ways_are_mixed() -> None:
    claim = weighed(PT, LOW, HIGH)
    assert claim.verdict == "mixed"
    assert claim.audit is None


def test_one_large_cell_among_others_that_point_elsewhere_is_mixed() -> None:
    effects, found = [-0.3, 0.01, 0.01], ["for", "neither", "neither"]
    assert decide(effects, found, -0.15, -0.05, -1) == "mixed"
    assert decide([-0.3, -0.01, 0.01], found, -0.15, -0.05, -1) == "supported"


def test_nothing_to_see_is_undecided_and_tells_what_would_be_seen() -> None:
    claim = weighed(PT, measured("same", 0.6, seed=5), measured("alike", 0.6, seed=6))
    assert claim.verdict == "undecided"
    assert claim.detectable is not None
    assert 0.01 < claim.detectable < 0.1


def test_a_mean_that_no_cell_carries_is_undecided() -> None:
    assert decide([-0.1, -0.1], ["neither", "neither"], -0.2, -0.01, -1) == "undecided"


def test_a_sign_that_turns_with_the_layers_holds_by_this_estimator_only() -> None:
    focus = {key: 0.45 if key[0] == "last" else 0.75 for key in KEYS}
    claim = weighed(PT, measured("turn", focus), measured("turned", focus))
    assert claim.verdict == "supported by this estimator only"
    assert claim.audit is not None
    assert sum(point.agrees for point in claim.audit.grid) == 10
    assert claim.decision == "supported"


def test_reliability_that_follows_accuracy_is_not_beyond_the_controls() -> None:
    runs = measured("better", accuracy=0.85), measured("best", accuracy=0.9)
    claims = {one.hypothesis.metric: one for one in weigh([ACCURACY, IR, LIFT], list(map(case, runs)), LOOK)}
    assert claims["accuracy"].verdict == "supported"
    assert claims["accuracy"].audit is None
    assert claims["IR"].verdict == "supported, but not beyond the controls"
    assert claims["lift"].verdict == "undecided"
    assert claims["IR"].audit is not None
    assert all(point.agrees for point in claims["IR"].audit.grid)


def test_without_the_other_estimators_nothing_is_concluded() -> None:
    claim = weighed(PT, measured("only", 0.45, keys=[("last", "dot")]), LOW)
    assert claim.verdict == "supported, not audited"
    assert claim.audit is not None
    assert "gaa-all-dot" in claim.audit.missing


def test_a_single_cell_has_the_numbers_of_its_table() -> None:
    expected = compare(LOW, ZERO, 0.5, HOW).differences
    claims = weigh([ACCURACY, PT, IR], [case(LOW)], LOOK)
    for claim in claims:
        one = expected[claim.hypothesis.metric]
        assert (claim.effect, claim.low, claim.high, claim.p) == (one.difference, one.low, one.high, one.p)
        if claim.audit is not None:
            assert (claim.audit.grid, claim.audit.controls) == (one.grid, one.controls)


def test_seeds_are_one_cell() -> None:
    seeds = [measured("ft", focus, seed=seed) for seed, focus in enumerate((0.45, 0.46, 0.44))]
    (claim,) = weigh([PT], [case(*seeds)], LOOK)
    assert [one.runs for one in claim.cells] == [("ft", "ft", "ft")]
    assert claim.verdict == "supported"
    apart = [measured("ft", focus, seed=seed) for seed, focus in enumerate((0.35, 0.62, 0.50))]
    assert weigh([PT], [case(*apart)], LOOK)[0].verdict == "undecided"


def test_runs_by_themselves() -> None:
    right = ZERO.outcomes.right
    label = ZERO.outcomes.label
    linked = Outcomes(label, right, np.ones(N, bool), np.where(right, 0.8, 0.2), np.full(N, 0.3))
    run = replace(ZERO, run="ft", main=ZERO.main._replace(outcomes=linked), grid={})
    (claim,) = weigh([STATED["runs:phi"]], [Case("ft", "d", "test", (Pair(run, None, np.arange(N)),))], LOOK)
    assert claim.effect == pytest.approx(1.0)
    assert claim.cells[0].baseline == ()
    (none,) = weigh([STATED["runs:phi"]], [Case("zs", "d", "t", (Pair(ZERO, None, np.arange(N)),))], LOOK)
    assert none.verdict == "undecided"


def test_the_sign_over_all_thresholds() -> None:
    (claim,) = weigh([PT], [case(LOW), case(LOWER)], LOOK, sweep=True)
    assert [one.threshold for one in claim.sweep][::9] == [0.05, 0.5, 0.95]
    at = {one.threshold: one for one in claim.sweep}
    assert at[0.5].effect == pytest.approx(claim.effect)
    assert at[0.5].high < 0


def test_undefined_everywhere_is_not_tested() -> None:
    wrong = measured("wrong", accuracy=0.0)
    (claim,) = weigh([PT], [case(wrong)], LOOK)
    assert (claim.verdict, claim.effect) == ("not tested", None)


def test_untested_claims_name_what_is_missing() -> None:
    claim = untested(PT, "the zero-shot run", "rationale finetune --method zs")
    assert (claim.verdict, claim.cells, claim.lacking) == ("not tested", (), "the zero-shot run")


def ladder(**focus: float) -> Ladder:
    runs = {name: [measured(name, value)] for name, value in focus.items()}
    return Ladder("test", "d", "test", runs, np.arange(N))


ORDER = STATED["orders:PT"]


def test_an_order_holds_when_every_step_does() -> None:
    claim = weigh_order(ORDER, [ladder(zs=0.75, ft=0.62, flcp=0.5, lp=0.38)], LOOK)
    assert claim.verdict == "supported"
    assert [one.name for one in claim.cells] == ["zs > ft", "ft > flcp", "flcp > lp"]
    assert claim.effect == min(one.effect for one in claim.cells)


def test_one_reversed_step_contradicts_an_order() -> None:
    claim = weigh_order(ORDER, [ladder(zs=0.75, ft=0.5, flcp=0.62, lp=0.38)], LOOK)
    assert claim.verdict == "contradicted"
    assert [one.side for one in claim.cells] == ["for", "against", "for"]


def test_a_step_that_is_not_told_apart_leaves_an_order_undecided() -> None:
    claim = weigh_order(ORDER, [ladder(zs=0.75, ft=0.5, flcp=0.5, lp=0.38)], LOOK)
    assert claim.verdict == "undecided"


def test_an_order_is_audited_too() -> None:
    runs = ladder(zs=0.75, ft=0.62, flcp=0.5, lp=0.38).runs
    turned = {key: 0.5 if key[0] == "last" else 0.9 for key in KEYS}
    runs = {**runs, "flcp": [measured("flcp", turned)]}
    claim = weigh_order(ORDER, [Ladder("test", "d", "test", runs, np.arange(N))], LOOK)
    assert claim.verdict == "supported by this estimator only"


NUMBERS = st.floats(-1, 1, allow_nan=False)
CELLS = st.lists(st.tuples(NUMBERS, st.floats(0, 1)), min_size=1, max_size=6)


@given(CELLS, NUMBERS, st.floats(0, 1))
def test_a_verdict_flips_with_the_sign(cells: list[tuple[float, float]], centre: float, reach: float) -> None:
    effects, p = [effect for effect, _ in cells], [one for _, one in cells]
    assume(all(effects))
    mirrored = {"supported": "contradicted", "contradicted": "supported"}
    found = {sign: sides(effects, p, sign)[0] for sign in (1, -1)}
    verdicts = [decide(effects, found[sign], centre - reach, centre + reach, sign) for sign in (1, -1)]
    assert verdicts[1] == mirrored.get(verdicts[0], verdicts[0])


@given(CELLS, NUMBERS, st.floats(0, 1))
def test_a_finding_is_never_against_its_numbers(
    cells: list[tuple[float, float]], centre: float, reach: float
) -> None:
    effects, p = [effect for effect, _ in cells], [one for _, one in cells]
    found, adjusted = sides(effects, p, 1)
    verdict = decide(effects, found, centre - reach, centre + reach, 1)
    if verdict == "supported":
        assert centre - reach > 0
        assert any(one < 0.05 and effect > 0 for one, effect in zip(adjusted, effects, strict=True))
        assert not any(one < 0.05 and effect < 0 for one, effect in zip(adjusted, effects, strict=True))
        assert sum(effect > 0 for effect in effects) * 2 > len(effects)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(0.3, 0.9)] * 2), min_size=1, max_size=2),
    st.integers(0, 1000),
    st.sampled_from((2, 3)),
)
def test_more_of_the_same_never_undoes_a_support(
    cells: list[tuple[float, float]], seed: int, times: int
) -> None:
    rng = np.random.default_rng(seed)
    base, n = rng.random(60), 60

    def run(name: str, accuracy: float, validity: float, repeat: int) -> Measured:
        right, rma = base < accuracy, np.where(np.roll(base, 7) < validity, 0.9, 0.1)
        outcomes = Outcomes(
            *(np.tile(one, repeat) for one in (np.zeros(n, int), right, np.ones(n, bool), rma, rma))
        )
        main = Estimator("gaa-last-dot", "last", "dot", outcomes)
        return Measured(
            name, name, "m", "m", 0, name, np.arange(n * repeat).astype(object), ("a",), "gaa", main
        )

    def verdicts(repeat: int) -> list[str]:
        zero = run("zs", 0.5, 0.6, repeat)
        places = np.arange(n * repeat)
        found = [
            Case(str(place), "d", "t", (Pair(run(str(place), *cell, repeat), zero, places),))
            for place, cell in enumerate(cells)
        ]
        look = Look(0.5, HOW, n * repeat)
        return [one.decision for one in weigh([ACCURACY, PT, IR], found, look)]

    for one, more in zip(verdicts(1), verdicts(times), strict=True):
        assert one not in ("supported", "contradicted") or more == one or more == "mixed"


def test_an_undefined_link_leaves_an_order_untested() -> None:
    known = Pooled(0.1, 0.05, 0.15, 0.001, 0.02, 10, 1)
    assert decide_order([known, known._replace(value=math.nan)]) == "not tested"
    assert decide_order([]) == "not tested"


def test_what_no_explainer_enters_needs_no_audit() -> None:
    assert worded("supported", None) == "supported"
    assert worded("contradicted", None) == "contradicted"


def test_every_claim_is_one_sentence_with_a_key_of_its_own() -> None:
    stated = hypotheses()
    assert len({one.key for one in stated}) == len(stated)
    assert {one.setting for one in stated} == set(SUBJECTS)
    for one in stated:
        assert one.statement.endswith(".")
        assert one.statement.count(". ") == 0
    assert {one.source for one in stated} == {"", *(f"C{number}" for number in (*range(1, 11),))}
    assert len(SETTINGS) == len({one.key for one in SETTINGS})
