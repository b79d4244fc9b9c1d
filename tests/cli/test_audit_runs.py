"""``rationale audit runs`` as its page tells it, and the section of the report."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from .conftest import Command, Outcome

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audited")


@pytest.fixture(scope="module")
def told(module_rationale: Command, repo: Path, folder: Path) -> dict[str, Outcome]:
    """Every command of the page, in its order, in one folder: its words → what came of it."""
    page = (repo / "docs/how-to/audit-your-runs.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)).splitlines()
    outcomes = {}
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "rationale"
        outcomes[line] = module_rationale(*words, cwd=folder)
    return outcomes


def outcome(told: dict[str, Outcome], *words: str) -> Outcome:
    return next(one for line, one in told.items() if all(word in line for word in words))


def test_the_table_and_the_sentences(told: dict[str, Outcome]) -> None:
    text = outcome(told, "audit runs ft --baseline zs").stdout
    assert "ft against zs · test · 32 pictures" in text
    for row in (
        "default",
        "layers reference",
        "target prediction",
        "mask box",
        "map raw",
        "τ 0.40",
        "view reference",
    ):
        assert re.search(rf"^ *{re.escape(row)} ", text, re.MULTILINE), row
    words = " ".join(text.split())
    assert re.search(r"PT\(ft\) − PT\(zs\) = \S+ by the reference's protocol and \S+ by one estimator", words)
    assert re.search(r"PT: \d+ of \d+ specifications agree with the default in sign and significance", words)


def test_json_is_one_document(told: dict[str, Outcome]) -> None:
    result = json.loads(outcome(told, "audit runs", "--json").stdout)
    (audit,) = result["audits"]
    assert result["settings"]["vary"] == ["layers", "scalar", "mask", "threshold"]
    assert [one["name"] for one in audit["choices"]] == ["layers", "scalar", "mask", "threshold"]
    assert len(audit["specifications"]) == 3 * 3 * 2 * 3
    shares = {one["metric"]: one for one in audit["decompositions"]}
    parts = [one["shapley"]["value"] for one in shares["V"]["contributions"]]
    assert sum(parts) == pytest.approx(shares["V"]["protocol"]["value"])


def test_nothing_is_explained_again(told: dict[str, Outcome]) -> None:
    assert "explaining" in outcome(told, "audit runs ft --baseline zs").stderr
    assert "explaining" not in outcome(told, "audit runs", "--json").stderr


def test_the_report_draws_it(told: dict[str, Outcome], folder: Path) -> None:
    assert outcome(told, "rationale report").stdout == "Report: report.html\n"
    page = (folder / "report.html").read_text(encoding="utf-8")
    (section,) = re.findall(r'<section id="protocol">.*?</section>', page, re.DOTALL)
    assert section.count("<svg viewBox") == 2 * 3
    assert "Specification curve of PT, ft minus zs, split test" in section
    assert "by the reference&#39;s protocol" in section


def test_bad_input(told: dict[str, Outcome], module_rationale: Command, folder: Path) -> None:
    refused = module_rationale("audit", "runs", "ft", "--vary", "layer", cwd=folder, code=2)
    assert "Did you mean 'layers'?" in refused.stderr
