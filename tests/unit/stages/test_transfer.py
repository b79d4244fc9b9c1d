"""Which runs are seeds of one row, which pictures are one column, and what is written of the matrix."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rationale_cli.measures.results import to_json
from rationale_cli.measures.transfer_results import Transfer, TransferRow
from rationale_cli.reporting.transfer import TransferShown, kind_title, sentences, summary_tables
from rationale_cli.reporting.transfer_page import STRONGEST, transfer_view
from rationale_cli.runs.folder import Run
from rationale_cli.stages.report import ReportRequest
from rationale_cli.stages.report import run as report
from rationale_cli.stages.score import ScoreRequest, prepare
from rationale_cli.stages.transfer_groups import of_groups, transfer_texts

from .made_up_runs import make_run

N = 160
SETS = {
    "train": {"size": "small", "style": "drawn"},
    "train-large": {"size": "large", "style": "drawn"},
    "small": {"size": "small", "style": "drawn"},
    "large": {"size": "large", "style": "drawn"},
    "photos": {"size": "small", "style": "photo & co"},
}
JUDGED = ("small", "large", "photos")
RNG = np.random.default_rng(0)
EASE = {split: RNG.random(N) for split in JUDGED}
CLARITY = {split: RNG.random(N) for split in JUDGED}


def made(
    root: Path,
    name: str,
    accuracies: Mapping[str, float],
    *,
    tuned_on: str = "train",
    factors: Mapping[str, Mapping[str, str]] = SETS,
    **more: Any,
) -> Run:
    """A run with these accuracies by split, whose record tells factors and the split of its tuning."""
    seed = more.get("seed", 0)
    for split, accuracy in accuracies.items():
        ease = EASE[split.partition("+")[0]]
        right = 0.9 * ease + 0.1 * np.random.default_rng([seed, len(name)]).random(N) < accuracy
        rma = {"gaa-last-dot": CLARITY[split.partition("+")[0]]}
        ids = np.array([f"{split.partition('+')[0]}/{index}" for index in range(N)], dtype=object)
        run = make_run(root, name, right, rma, split=split, ids=ids, **more)
    path = run.path / "run.yaml"
    record = yaml.safe_load(path.read_text())
    record["configuration"]["train"]["split"] = tuned_on
    record["splits"] = list(JUDGED)
    record |= {"factors": {split: dict(one) for split, one in factors.items()}} if factors else {}
    path.write_text(yaml.safe_dump(record))
    return Run.open(run.path)


def transfer(*runs: Run) -> Transfer:
    prepared = prepare(ScoreRequest(runs, mismatch="separate"))
    return of_groups(prepared.groups, 0.5, "normalised")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Transfer:
    """Two training sets of two seeds each; what is learnt on one helps there only."""
    root = tmp_path_factory.mktemp("runs")
    base = made(root, "zs", dict.fromkeys(JUDGED, 0.5), method="zs")
    levels = {"train": {"small": 0.95, "large": 0.5, "photos": 0.5}}
    levels["train-large"] = {"small": 0.5, "large": 0.95, "photos": 0.5}
    runs = [
        made(root, f"{split}-{seed}", accuracies, tuned_on=split, seed=seed)
        for split, accuracies in levels.items()
        for seed in (0, 1)
    ]
    return transfer(base, *runs)


def by_name(found: Transfer) -> dict[str, TransferRow]:
    return {row.tuned_on: row for row in found.rows}


def kinds(found: Transfer, row: TransferRow) -> dict[str, str | None]:
    return {found.columns[cell.column].name: cell.kind for cell in row.cells}


def test_rows_are_training_sets_and_columns_what_pictures_are_like(found: Transfer) -> None:
    assert [row.tuned_on for row in found.rows] == ["", "small · drawn", "large · drawn"]
    assert [one.name for one in found.columns] == ["small · drawn", "small · photo & co", "large · drawn"]
    assert {len(cell.runs) for cell in found.rows[1].cells} == {2}
    assert found.columns[0].chance == 0.25
    small, large = by_name(found)["small · drawn"], by_name(found)["large · drawn"]
    assert kinds(found, small) == {
        "small · drawn": "same",
        "small · photo & co": "style",
        "large · drawn": "size",
    }
    assert kinds(found, large) == {
        "small · drawn": "size",
        "small · photo & co": "size+style",
        "large · drawn": "same",
    }


def test_the_un_tuned_model_has_no_kind_and_no_change(found: Transfer) -> None:
    base = found.rows[0]
    assert base.method == "zs"
    assert {cell.kind for cell in base.cells} == {None}
    assert not any(cell.changes for cell in base.cells)


def test_what_helps_within_and_no_further_is_said_so(found: Transfer) -> None:
    (summary,) = found.summaries
    assert {one.kind: one.verdict for one in summary.kinds} == {
        "same": "helps",
        "style": "does not transfer",
        "size": "does not transfer",
        "size+style": "does not transfer",
    }
    assert summary.conclusion == "helps within, does not transfer"
    within = summary.kinds[0]
    assert (within.rows, within.cells, within.pictures, within.up, within.down) == (2, 2, 2 * N, 2, 0)
    *lines, last = sentences(summary)
    assert len(lines) == 4
    assert last == "helps within, does not transfer."
    assert lines[0].startswith("same: +5") and lines[0].endswith("over 2 cells, 2 up, 0 down: helps.")


def test_pictures_of_which_nothing_is_declared_stay_out_of_the_summary(tmp_path: Path) -> None:
    runs = [
        made(tmp_path, name, {"small": level}, factors={}, method=name)
        for name, level in (("zs", 0.5), ("ft", 0.9))
    ]
    found = transfer(*runs)
    assert [one.name for one in found.columns] == ["small"]
    assert found.rows[1].cells[0].changes["accuracy"].verdict == "significant"
    assert found.rows[1].tuned_on == "train"
    assert not found.summaries
    assert "`factors`" in found.notes[0] and "small" in found.notes[0]


def test_splits_that_are_alike_stay_columns_of_their_own(tmp_path: Path) -> None:
    alike = {**SETS, "large": SETS["small"]}
    runs = [
        made(tmp_path, name, {"small": level, "large": level}, factors=alike, method=name)
        for name, level in (("zs", 0.5), ("ft", 0.9))
    ]
    found = transfer(*runs)
    assert sorted(one.name for one in found.columns) == ["large", "small"]
    assert {cell.kind for cell in found.rows[1].cells} == {"same"}


def test_corrupted_and_further_pictures_are_kinds_too(tmp_path: Path) -> None:
    fog = {"split": "small", "further": False, "corruption": "fog", "severity": 3}
    other = {"split": "test", "further": True, "corruption": None, "factors": {"style": "photo"}}
    for name, level in (("zs", 0.5), ("ft", 0.9)):
        made(tmp_path, name, {"small": level}, method=name)
        made(tmp_path, name, {"small+fog-3": level}, method=name, shown=fog)
        made(tmp_path, name, {"photos": level}, method=name, shown=other, dataset="rationale:folder")
    found = transfer(*(Run.open(tmp_path / name) for name in ("zs", "ft")))
    assert {cell.kind for cell in found.rows[1].cells} == {"same", "corruption", "style"}
    assert {one.name for one in found.columns} == {"drawn", "drawn · fog 3", "photo"}


def test_several_models_are_summed_apart_too(tmp_path: Path) -> None:
    runs = [
        made(tmp_path, f"{model}-{name}", {"small": level, "large": 0.5}, method=name, model=model)
        for model, gain in (("one", 0.4), ("two", 0.0))
        for name, level in (("zs", 0.5), ("ft", 0.5 + gain))
    ]
    found = transfer(*runs)
    assert [one.model for one in found.summaries] == [None, "one", "two"]
    assert [one.kinds[0].verdict for one in found.summaries[1:]] == ["helps", "not decided"]
    assert [table.title for table in summary_tables(found)][1] == "Transfer by kind · one · ft"
    assert [row.model for row in found.rows] == ["one", "two", "one", "two"]


def test_a_report_of_any_runs_has_a_section(tmp_path: Path) -> None:
    base = made(tmp_path, "zs", dict.fromkeys(("small", "photos"), 0.5), method="zs")
    tuned = made(tmp_path, "ft", {"small": 0.95, "photos": 0.2})
    path = report(ReportRequest((base, tuned), tmp_path / "report.html")).path
    (section,) = re.findall(r'<section id="transfer">.*?</section>', path.read_text("utf-8"), re.DOTALL)
    assert "photo &amp; co" in section and "photo & co" not in section
    assert re.findall(r'<td class="(up|down)', section) == ["up", "down"]


def test_files(found: Transfer) -> None:
    texts = {ending: text for text, ending in transfer_texts(TransferShown("sets", "Sets", found))}
    assert set(texts) == {".csv", "-kinds.csv", ".tex"}
    cells = list(csv.DictReader(io.StringIO(texts[".csv"])))
    assert len(cells) == 3 * 3 * 4
    one = next(row for row in cells if row["kind"] == "same" and row["metric"] == "accuracy")
    assert one["factors"] == "size=small style=drawn"
    assert float(one["difference"]) == pytest.approx(float(one["value"]) - float(cells[0]["value"]), abs=1e-9)
    lines = list(csv.DictReader(io.StringIO(texts["-kinds.csv"])))
    assert len(lines) == 4 * 4
    assert {row["conclusion"] for row in lines} == {"helps within, does not transfer"}
    assert r"photo \& co" in texts[".tex"] and texts[".tex"].count(r"\begin{tabular}") == 2
    to_json(found)


def test_the_heat_map_frames_pictures_like_those_of_the_tuning(found: Transfer) -> None:
    view = transfer_view(TransferShown("sets", "Sets", found))
    assert [span.text for span in view.levels[0]] == ["small", "large"]
    assert [[cell.own for cell in row.cells] for row in view.rows] == [
        [False, False, False],
        [True, False, False],
        [False, False, True],
    ]
    strengths = [cell.strength for row in view.rows for cell in row.cells]
    assert max(strengths) == STRONGEST
    assert strengths[:3] == [0, 0, 0]
    assert view.rows[2].cells[1].kind == "other size and style" == kind_title("size+style")
