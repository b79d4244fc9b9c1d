"""The recipe and the commands of docs/how-to/write-a-recipe.md work as typed."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.testing import CliRunner

from rationale_cli.cli.app import app
from rationale_cli.recipe import cells, load_recipe

PAGE = "docs/how-to/write-a-recipe.md"


def blocks(repo, language):
    return re.findall(rf"```{language}\n(.*?)```", (repo / PAGE).read_text(encoding="utf-8"), re.S)


@pytest.fixture
def recipe(repo, tmp_path, monkeypatch):
    (text,) = blocks(repo, "yaml")
    (tmp_path / "rates.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return load_recipe("rates.yaml")


def test_the_recipe_is_what_the_page_says(recipe):
    found = {draft.name: draft.given for draft in cells(recipe)}
    assert len(found) == 13
    assert found["setup=slow, model=tiny-albef, method=ft"]["train.epochs"].value == "3"
    assert found["setup=slow, model=tiny-albef, method=ft"]["method.lr"].value == "1e-5"
    assert "method.lr" not in found["setup=usual, model=tiny-albef, method=ft"]
    zero_shot = (found[f"setup={setup}, model=tiny-clip, method=zs"] for setup in ("usual", "slow"))
    assert next(zero_shot) == next(zero_shot)


def test_every_command_of_the_page(repo, recipe, tmp_path):
    commands = [line for block in blocks(repo, "sh") for line in block.splitlines()]
    assert len(commands) == 4
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "rationale"
        assert "--dry-run" in words or words[0] != "run"
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, f"{command}\n{done.output}"
        if "rates.yaml" in words and "--only" not in words:
            assert "method 'my-method' is not installed" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["rates.yaml"]
