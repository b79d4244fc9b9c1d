"""A recipe's table of base and new classes: calibration, both halves as one, and what a regularizer did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rationale_cli.measures.base_new_results import JoinedHalves
from rationale_cli.measures.calibration_results import Calibration, CalibrationScore
from rationale_cli.measures.estimates import Estimate
from rationale_cli.measures.seed_results import RegularizerEffect, SeedDifference, SeedEstimate
from rationale_cli.recipe.layouts import TableLayout
from rationale_cli.reporting.layout_entries import Entry
from rationale_cli.reporting.pivot import Pivot, pivot
from rationale_cli.reporting.pivot_text import average_titles, legend, words

from .made_up_entries import entry

METRICS = ("accuracy", "ECE")
VALUES = {
    "none": {"base": (0.8, 0.05), "new": (0.6, 0.15)},
    "dor": {"base": (0.7, 0.06), "new": (0.7, 0.09)},
}
DIFFERENCE = SeedDifference("plain", -0.06, -0.08, -0.04, 0.001, "significant")


def half(regularizer: str, name: str) -> Entry:
    accuracy, error = VALUES[regularizer][name]
    one = entry({"accuracy": accuracy}, label=f"test-{name}", method="coop", regularizer=regularizer)
    told = {"ECE": Estimate(error, error - 0.01, error + 0.01, 100)}
    calibration = CalibrationScore(
        15, (Calibration("as predicted", None, 100, told, None, None, ()),), (), None, None, (), None
    )
    run = f"coop-{regularizer}"
    score = replace(one.score, run=run, calibration=calibration)
    differences = {"ECE": DIFFERENCE} if regularizer == "dor" else {}
    effect = RegularizerEffect("coop", ("dor",), (run,), differences) if differences else None
    joined = JoinedHalves(
        "coop",
        ("dor",) if differences else (),
        (run,),
        {"accuracy": SeedEstimate(0.6857, None, 0.65, 0.72), "ECE": SeedEstimate(0.1, None, 0.08, 0.12)},
        differences,
    )
    return replace(one, score=score, effect=effect, joined=joined)


ENTRIES = [half(regularizer, name) for regularizer in VALUES for name in ("base", "new")]


def table(compared: str = "regularizer", entries: list[Entry] = ENTRIES) -> Pivot:
    layout = TableLayout("t", "T", METRICS, ("method", "regularizer"), ("half",), compared=compared)
    return pivot(layout, entries)


def test_calibration_is_a_measure_of_a_table() -> None:
    plain, dor = table().blocks[1].rows
    assert [cell.value for cell in plain.cells] == [0.05, 0.15]
    assert [words(cell).value for cell in dor.cells] == ["6.0", "9.0"]


def test_a_change_is_to_the_same_without_regularizer() -> None:
    plain, dor = table().blocks[1].rows
    assert [cell.change for cell in (*plain.cells, *plain.averages)] == [None] * 3
    told = dor.cells[1].change
    assert (told.baseline, told.value, told.verdict) == ("plain", -0.06, "significant")
    assert words(dor.cells[1]).marks == "*"
    assert any("same without regularizer" in line for line in legend(table()))
    assert table("zero-shot").blocks[1].rows[1].cells[1].change is None


def test_both_halves_have_their_own_mean() -> None:
    found = table()
    (joined,) = found.blocks[0].rows[0].averages
    assert (joined.value, joined.low, joined.high) == (0.6857, 0.65, 0.72)
    assert average_titles(found) == ("both (mean, H)",)
    assert found.blocks[1].rows[1].averages[0].change.value == -0.06


def test_halves_of_several_datasets_are_averaged_apart() -> None:
    others = [
        replace(one, axes={**one.axes, "dataset": "pets", "split": f"val-{one.axis('half')}"})
        for one in ENTRIES
    ]
    layout = TableLayout("t", "T", METRICS, ("method", "regularizer"), ("half", "dataset"))
    found = pivot(layout, [*ENTRIES, *others])
    assert found.averages == (("base",), ("new",))
    assert [cell.value for cell in found.blocks[0].rows[1].averages] == pytest.approx([0.7, 0.7])
    assert average_titles(found) == ("average base", "average new")


def test_halves_that_were_not_scored_together_have_the_plain_mean() -> None:
    apart = [replace(one, joined=None) for one in ENTRIES]
    (mean,) = table(entries=apart).blocks[1].rows[0].averages
    assert (mean.value, mean.low) == (pytest.approx(0.1), None)


def test_less_is_better_in_calibration() -> None:
    others = [
        replace(
            one,
            axes={**one.axes, "method": "zs"},
            score=replace(one.score, run="zs", calibration=_with_error(one, 0.01)),
            joined=None,
        )
        for one in ENTRIES[:2]
    ]
    rows = {row.key[0]: row for row in table("zero-shot", [*ENTRIES[:2], *others]).blocks[1].rows}
    assert [rows[name].cells[0].rank for name in ("coop", "zs")] == ["second", "best"]


def _with_error(one: Entry, error: float) -> CalibrationScore:
    own = one.score.calibration.predictions[0]
    told = replace(own, metrics={"ECE": Estimate(error, None, None, 100)})
    return replace(one.score.calibration, predictions=(told,))
