"""Counts and ratios against loops over pictures, and against the reference implementation."""

from __future__ import annotations

from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.measures.quadrants import (
    CELLS,
    Outcomes,
    cells,
    count,
    count_by,
    named,
    proportions,
    ratios,
    valid,
)

COUNTS = hnp.arrays(np.int64, (6,), elements=st.integers(0, 40))
PICTURES = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=60)


def brute(pictures: list[tuple[bool, bool, bool]]) -> dict[str, float]:
    known = [(right, valid) for right, valid, annotated in pictures if annotated]

    def share(hits: list[bool]) -> float:
        return sum(hits) / len(hits) if hits else float("nan")

    accuracy = share([right for right, _, _ in pictures])
    rate = share([ok for _, ok in known])
    trust = share([ok for right, ok in known if right])
    reliability = share([right for right, ok in known if ok])
    lift = trust / rate if rate else float("nan")
    matrix = np.array(known, dtype=float).T if known else np.zeros((2, 0))
    varied = bool(known) and min(matrix.std(axis=1)) > 0
    phi = float(np.corrcoef(matrix)[0, 1]) if varied else float("nan")
    return {"accuracy": accuracy, "V": rate, "PT": trust, "IR": reliability, "lift": lift, "phi": phi}


@given(PICTURES)
def test_ratios_are_those_of_a_loop_over_pictures(pictures: list[tuple[bool, bool, bool]]) -> None:
    right, evidence, annotated = np.array(pictures).T
    found = ratios(count(cells(right, evidence, annotated)))._asdict()
    for metric, expected in brute(pictures).items():
        assert float(found[metric]) == pytest.approx(expected, nan_ok=True), metric


@given(COUNTS)
def test_bayes(counts: np.ndarray) -> None:
    """PT·Acc = IR·V over the annotated pictures, and the lift is both quotients."""
    values = ratios(np.where(np.arange(6) < 4, counts, 0))
    if not np.isnan(values.PT) and not np.isnan(values.IR):
        assert values.PT * values.accuracy == pytest.approx(float(values.IR * values.V))
        assert values.lift == pytest.approx(float(values.PT / values.V))
        assert values.lift == pytest.approx(float(values.IR / values.accuracy))


@given(hnp.arrays(np.int64, (3, 4, 6), elements=st.integers(0, 9)))
def test_leading_axes_are_free(counts: np.ndarray) -> None:
    together = ratios(counts)
    for place in np.ndindex(3, 4):
        for whole, single in zip(together, ratios(counts[place]), strict=True):
            assert whole[place] == pytest.approx(float(single), nan_ok=True)


@given(COUNTS)
def test_an_empty_denominator_is_undefined_and_never_zero(counts: np.ndarray) -> None:
    values, pairs = ratios(counts), proportions(counts)
    for metric, (hits, n) in pairs.items():
        number = float(getattr(values, metric))
        assert np.isnan(number) if n == 0 else number == pytest.approx(hits / n)


def test_pictures_left_out_count_for_accuracy_only() -> None:
    values = ratios(np.array([1, 1, 1, 1, 6, 0]))
    assert values.accuracy == pytest.approx(0.8)
    assert (values.V, values.PT, values.IR, values.lift) == (0.5, 0.5, 0.5, 1.0)


def test_no_evidence_is_invalid_at_every_threshold() -> None:
    assert valid(np.array([np.nan, 0.0, 0.5, 1.0]), 0.0).tolist() == [False, True, True, True]
    assert valid(np.array([np.nan, 0.4999999, 0.5]), 0.5).tolist() == [False, False, True]


def test_counts_by_group_and_by_name() -> None:
    codes, groups = np.array([0, 0, 3, 5]), np.array([0, 2, 2, 2])
    table = count_by(codes, groups, 3)
    assert table.tolist() == [[1, 0, 0, 0, 0, 0], [0] * 6, [1, 0, 0, 1, 0, 1]]
    assert [getattr(named(table[2]), cell) for cell in CELLS] == table[2].tolist()


def test_reference_values(shared: Path) -> None:
    golden = np.load(shared / "golden" / "clip_gaa.npz", allow_pickle=False)
    right = golden["ptir_preds"] == golden["ptir_anno"]
    evidence = golden["ptir_valid"].astype(bool)
    counts = count(cells(right, evidence, np.ones(len(right), bool)))
    assert counts[:4] / len(right) == pytest.approx(golden["ptir_fractions"])
    values = ratios(counts)
    assert [round(float(values.PT), 5), round(float(values.IR), 5)] == golden["ptir_pt_ir"].tolist()


def test_outcomes_know_their_cells() -> None:
    flags = np.array([True, True, False, True])
    known = np.array([True, True, True, False])
    rma = np.array([0.6, np.nan, 0.7, np.nan])
    outcomes = Outcomes(np.zeros(4, np.int64), flags, known, rma, np.full(4, 0.2))
    assert outcomes.codes(0.5).tolist() == [0, 1, 2, 4]
