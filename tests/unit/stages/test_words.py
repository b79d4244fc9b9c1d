"""Which words carried the scores of a real run, from its pictures to the report."""

from __future__ import annotations

from pathlib import Path

import pytest

import rationale_cli
from rationale_cli.engine.request import requested
from rationale_cli.errors import InputError
from rationale_cli.measures.words import CLASS_NAME
from rationale_cli.recipe import from_mapping
from rationale_cli.registry import Registry
from rationale_cli.reporting.words_table import words_table
from rationale_cli.runs.folder import Run
from rationale_cli.stages import explain
from rationale_cli.stages.report import ReportRequest
from rationale_cli.stages.report import run as report
from rationale_cli.stages.words import WordsRequest, run
from rationale_cli.stages.words_files import file_of

REGISTRY = Registry.discover()


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = {"method": "zs", "dataset": {"use": "scenes", "test_size": 13}}
    one = rationale_cli.finetune(settings, name="zs", root=tmp_path_factory.mktemp("words"))
    asked = {"explain.splits": ["test"], "explain.audit": False, "explain.witness": False}
    explain.run(requested(one, REGISTRY, from_mapping(asked, "test"), "gaa"))
    return one


def test_shares_of_all_words_are_one_and_the_report_tells_them(explained: Run, tmp_path: Path) -> None:
    found = run(WordsRequest(explained, REGISTRY, limit=9))
    assert (found.split, found.n) == ("test", 9)
    assert [one.word for one in found.words] == ["a", "photo", "of", "a", CLASS_NAME, "object"]
    assert sum(one.share.value or 0.0 for one in found.words) == pytest.approx(1)
    assert all(one.without is not None and one.without.n == 9 for one in found.words)
    table = words_table(found)
    assert table.columns == ("share, %", "logit without")
    html = report(ReportRequest((explained,), output=tmp_path / "report.html")).path.read_text("utf-8")
    assert "Which words carried the scores of" in html
    assert CLASS_NAME in html


def test_a_damaged_file_is_told(explained: Run, tmp_path: Path) -> None:
    path = file_of(explained, "test")
    path.parent.mkdir(exist_ok=True)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="what was found of words but could not read") as told:
        report(ReportRequest((explained,), output=tmp_path / "report.html"))
    assert "rationale words zs --split test" in str(told.value)


def test_a_split_without_evidence_is_refused(explained: Run) -> None:
    with pytest.raises(InputError, match=r"on nowhere but there is none\. Known: test"):
        run(WordsRequest(explained, REGISTRY, "nowhere"))
