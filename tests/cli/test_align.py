"""``rationale align`` as a process."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from rationale_cli.stages.study_export import StudyExportRequest
from rationale_cli.stages.study_export import run as export
from rationale_cli.stages.study_score import StudyScoreRequest
from rationale_cli.stages.study_score import run as score

from ..unit.reporting.fabricate import fabricate
from ..unit.stages.test_study import answers
from .conftest import Command

N = 30


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = (f"{i:05d}," + ",".join(map(str, (rng.random(8) < i / N).astype(int))) for i in range(N))
    (tmp_path / "people.csv").write_text("item,a,b,c,d,e,f,g,h\n" + "\n".join(rows) + "\n")
    answers = (f"{i:05d},{i % 2},{i // 15}\n" for i in range(N))
    (tmp_path / "models.csv").write_text("item,gt,m\n" + "".join(answers))
    return tmp_path


def test_a_run_and_its_report(rationale: Command, people: Path) -> None:
    (run,) = fabricate(people / "runs", {"ft": "ft-shortcut"}, ("test",), n=N, witness=False)
    told = rationale("align", "ft", "--human", "people.csv", "--positive", "rings").stdout
    assert "8 people on 30 items" in told and "An answer of 1 means 'rings'." in told
    assert (run.path / "alignment" / "test.json").is_file()
    asked = export(StudyExportRequest(run, people / "study.html", items=4))
    score(StudyScoreRequest(run, (answers(run, asked, people, "ann"),), replicates=50))
    rationale("report", "ft")
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert '<section id="people">' in page and "people.csv · test · models against people" in page
    assert "1 person on valid reasons" in page


def test_a_table_of_answers(rationale: Command, people: Path) -> None:
    words = ("align", "--human", "people.csv", "--answers", "models.csv")
    lines = list(csv.DictReader(io.StringIO(rationale(*words, "--csv").stdout)))
    by_measure = {line["measure"]: line for line in lines if line["subject"] == "m"}
    assert float(by_measure["pearson"]["value"]) > 0.5
    assert {line["subject"] for line in lines} == {"people", "m"}
    assert "--json or --csv" in rationale(*words, "--csv", "--json", code=2).stderr
