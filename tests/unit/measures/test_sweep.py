"""The slider's numbers are the table's numbers at every threshold."""

from __future__ import annotations

import numpy as np
import pytest

from rationale_cli.measures.bootstrap import Resampling, estimates
from rationale_cli.measures.curves import THRESHOLDS
from rationale_cli.measures.measured import Estimator, Measured
from rationale_cli.measures.multiple import holm
from rationale_cli.measures.paired import EVIDENCE_METRICS, paired_measures
from rationale_cli.measures.quadrants import CELLS, Outcomes, count
from rationale_cli.measures.sweep import settle_sweeps, sweep_pair, sweep_run

HOW = Resampling(replicates=1500)


def run(seed: int, accuracy: float, focus: float, n: int = 240) -> Measured:
    rng = np.random.default_rng(seed)
    annotated = rng.random(n) > 0.05
    mass = np.where(annotated & (rng.random(n) > 0.03), rng.beta(focus * 4, (1 - focus) * 4, n), np.nan)
    outcomes = Outcomes(np.zeros(n, np.int64), rng.random(n) < accuracy, annotated, mass, np.full(n, 0.3))
    main = Estimator("gaa-last-dot", "last", "dot", outcomes)
    ids = np.arange(n).astype(object)
    return Measured(f"r{seed}", "ft", "m", "x:ft", 0, "c", ids, ("a",), "gaa", main)


def test_counts_and_measures_at_every_threshold() -> None:
    one = run(0, 0.7, 0.55)
    sweep = sweep_run("r", one.outcomes, HOW)
    for place, tau in enumerate(THRESHOLDS.tolist()):
        codes = one.outcomes.codes(tau)
        counts = dict(zip(CELLS, count(codes).tolist(), strict=True))
        assert {cell: getattr(sweep, cell)[place] for cell in CELLS[:4]} == {
            cell: counts[cell] for cell in CELLS[:4]
        }
        assert (sweep.left_right, sweep.left_wrong) == (counts["left_right"], counts["left_wrong"])
        expected = estimates(codes, HOW)
        for metric in EVIDENCE_METRICS:
            band = sweep.metrics[metric]
            found = (band.value[place], band.low[place], band.high[place])
            wanted = (expected[metric].value, expected[metric].low, expected[metric].high)
            assert [part is None for part in found] == [part is None for part in wanted]
            if None not in found and metric != "lift" and expected[metric].n > 40:
                assert found == pytest.approx(wanted, abs=0.03), (metric, tau)


def test_differences_at_every_threshold() -> None:
    first, second = run(0, 0.8, 0.6), run(1, 0.6, 0.4)
    found = sweep_pair(first, second, HOW)
    settled = settle_sweeps([("r0", "r1")], [found], [0.001, 0.5])[0]
    assert (settled.run, settled.baseline) == ("r0", "r1")
    for place in (0, 30, 50, 77, 100):
        tau = float(THRESHOLDS[place])
        there = paired_measures(first.outcomes.codes(tau), second.outcomes.codes(tau), HOW)
        adjusted = holm([*(there[metric].p for metric in EVIDENCE_METRICS), 0.001, 0.5])
        for index, metric in enumerate(EVIDENCE_METRICS):
            band = settled.metrics[metric]
            expected = there[metric].difference
            assert (band.difference[place] is None) == np.isnan(expected)
            if band.difference[place] is not None:
                assert band.difference[place] == pytest.approx(expected)
            assert band.significant[place] == bool(adjusted[index] < 0.05)


def test_no_comparison_no_difference() -> None:
    assert settle_sweeps([], [], []) == ()
