"""Mixed precision: evidence of its own beside that in single precision, and what it does to scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rationale_cli import explain, finetune
from rationale_cli.measures.precision_results import PrecisionEffect
from rationale_cli.measures.results import to_json
from rationale_cli.runs.folder import Run
from rationale_cli.stages.score import ScoreRequest, run

from .made_up_runs import make_run

RIGHT = np.array([1, 1, 1, 1, 0, 0, 1, 0], bool)
MASS = np.array([0.9, 0.5, 0.49, 0.9, 0.8, 0.1, 0.9, 0.9])


@pytest.fixture(scope="module")
def explained(tmp_path_factory) -> Run:
    root = tmp_path_factory.mktemp("runs")
    made = finetune({"model": "tiny-clip", "method": "zs"}, name="zero-shot", root=root)
    for precision in ("no", "bf16"):
        settings = {"explain.splits": ["test"], "explain.limit": 24, "explain.audit": False}
        settings |= {"explain.witness": False, "explain.neighbours": 0}
        explain(made, {**settings, "explain.precision": precision})
    return made


def test_evidence_in_mixed_precision_stands_beside_the_other(explained):
    sets = explained.evidence("test")
    assert set(sets) == {"gaa-last-dot", "gaa-last-dot@bf16"}
    single, mixed = sets["gaa-last-dot"], sets["gaa-last-dot@bf16"]
    assert (single.spec.precision, mixed.spec.precision) == ("no", "bf16")
    assert single.table.id.tolist() == mixed.table.id.tolist()
    assert not np.array_equal(single.table.rma, mixed.table.rma)
    assert single.table.rma == pytest.approx(mixed.table.rma, abs=0.05)


def test_it_is_told_how_many_pictures_change_quadrant(explained):
    (table,) = run(ScoreRequest((explained,), replicates=100)).tables
    assert table.specification == "gaa-last-dot"
    (effect,) = table.precisions
    assert (effect.run, effect.precision, effect.reference, effect.n) == ("zero-shot", "bf16", "no", 24)
    assert effect.quadrant <= 0.1


def test_the_share_is_that_of_pictures_in_another_cell(tmp_path: Path):
    make_run(tmp_path, "ft", RIGHT, {"gaa-last-dot": MASS}, precision="no")
    right, mass = RIGHT.copy(), MASS.copy()
    right[0] = False
    mass[[0, 2]] = 0.4, 0.5
    both = make_run(tmp_path, "ft", right, {"gaa-last-dot@bf16": mass}, precision="bf16", scalar="dot")
    result = run(ScoreRequest((both,), replicates=100))
    (table,) = result.tables
    assert table.precisions == (
        PrecisionEffect("ft", "gaa-last-dot@bf16", "bf16", "no", 8, 0.25, 0.125, 0.25),
    )
    assert any("25.0% of 8 pictures are in another quadrant than in single" in note for note in table.notes)
    assert to_json(result)["tables"][0]["precisions"][0]["quadrant"] == 0.25
    (other,) = run(ScoreRequest((both,), replicates=100, specification="gaa-last-dot@bf16")).tables
    assert (other.precisions[0].precision, other.precisions[0].reference) == ("no", "bf16")


def test_a_run_explained_in_mixed_precision_alone_is_scored_by_the_usual_estimator(tmp_path: Path):
    names = ("gaa-all-dot@bf16", "gaa-last-dot@bf16")
    alone = make_run(tmp_path, "ft", RIGHT, dict.fromkeys(names, MASS), precision="bf16", scalar="dot")
    (table,) = run(ScoreRequest((alone,), replicates=100)).tables
    assert table.specification == "gaa-last-dot@bf16"
    assert not table.precisions
