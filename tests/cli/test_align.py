"""``rationale align`` as a process."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from ..unit.stages.made_up_runs import make_run
from .conftest import Command

N = 30


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = (f"{i:04d}," + ",".join(map(str, (rng.random(8) < i / N).astype(int))) for i in range(N))
    (tmp_path / "people.csv").write_text("item,a,b,c,d,e,f,g,h\n" + "\n".join(rows) + "\n")
    (tmp_path / "models.csv").write_text(
        "item,gt,m\n" + "".join(f"{i:04d},{i % 2},{i // 15}\n" for i in range(N))
    )
    return tmp_path


def test_a_run_and_its_report(rationale: Command, people: Path) -> None:
    sure = np.random.default_rng(1).uniform(0.55, 0.95, N)
    make_run(people / "runs", "ft", sure > 0.7, {"gaa-last-dot": sure}, confidence=sure)
    told = rationale("align", "ft", "--human", "people.csv", "--positive", "rings").stdout
    assert "8 people on 30 items" in told and "An answer of 1 means 'rings'." in told
    assert (people / "runs" / "ft" / "alignment" / "test.json").is_file()
    rationale("report", "ft")
    page = (people / "runs" / "ft" / "report.html").read_text(encoding="utf-8")
    assert '<section id="people">' in page and "P(rings)" in page


def test_a_table_of_answers(rationale: Command, people: Path) -> None:
    words = ("align", "--human", "people.csv", "--answers", "models.csv")
    told = json.loads(rationale(*words, "--json").stdout)
    lines = list(csv.DictReader(io.StringIO(rationale(*words, "--csv").stdout)))
    (model,) = told["models"]
    by_measure = {line["measure"]: line for line in lines if line["subject"] == "m"}
    assert float(by_measure["pearson"]["value"]) == model["measures"]["pearson"]["value"] > 0.5
    assert {line["subject"] for line in lines} == {"people", "m"}
    assert "--json or --csv" in rationale(*words, "--csv", "--json", code=2).stderr
