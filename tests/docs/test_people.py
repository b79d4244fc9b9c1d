"""What the pages on people tell a reader to type works as typed, on made-up runs and answers."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rationale_cli.cli.app import app

from ..unit.reporting.fabricate import fabricate
from .test_docs import blocks

N = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fabricate(tmp_path / "runs", {"zs": "zs", "ft": "ft-shortcut"}, ("test",), n=N, witness=False)
    rng = np.random.default_rng(0)
    rings = np.arange(N) % 12 == 4
    rows = (
        f"test/{index:05d}," + ",".join(map(str, (rng.random(5) < 0.2 + 0.6 * rings[index]).astype(int)))
        for index in range(N)
    )
    (tmp_path / "people.csv").write_text("item,ann,bob,eve,kim,lee\n" + "\n".join(rows) + "\n")
    answers = (f"{index:05d},{int(rings[index])},{index % 2},{index % 3 // 2}\n" for index in range(N))
    (tmp_path / "models.csv").write_text("item,truth,gpt,other\n" + "".join(answers))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(lines: list[str]) -> None:
    assert lines
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "rationale"
        outcome = CliRunner().invoke(app, words)
        assert outcome.exit_code == 0, f"{line}\n{outcome.output}"


def test_ask_people(repo: Path, folder: Path) -> None:
    page = repo / "docs/how-to/ask-people.md"
    lines = "".join(blocks(page, "sh")).splitlines()
    typed([line for line in lines if " score " not in line])
    (path,) = (folder / "runs/ft/study").glob("*.key.json")
    key = json.loads(path.read_text())
    for person, ever in (("ann", "yes"), ("bob", "no")):
        answers = [{"item": item, "response": ever} for item in key["items"]]
        answers += [{"item": item, "response": answer} for item, answer in key["checks"].items()]
        told = {"study": key["study"], "participant": person, "answers": answers}
        (folder / f"{person}.json").write_text(json.dumps(told))
    typed([line for line in lines if " score " in line])
    assert (folder / f"runs/ft/study/{key['study']}.scores.json").is_file()


def test_compare_with_people(repo: Path, folder: Path) -> None:
    typed("".join(blocks(repo / "docs/how-to/compare-with-people.md", "sh")).splitlines())
    assert (folder / "pairs.csv").read_text().startswith("Model,Human,Ind\n")
    assert (folder / "runs/ft/alignment/test.json").is_file()
