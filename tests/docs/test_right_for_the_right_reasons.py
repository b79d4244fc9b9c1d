"""The commands of docs/how-to/right-for-the-right-reasons.md work as typed."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.testing import CliRunner

from rationale_cli import load_run
from rationale_cli.cli.app import app


@pytest.mark.slow
def test_every_command_of_the_page(repo, tmp_path, monkeypatch):
    page = (repo / "docs/how-to/right-for-the-right-reasons.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.S) for line in block.splitlines()]
    assert len(commands) == 4
    monkeypatch.chdir(tmp_path)
    for command in commands:
        name, *words = shlex.split(command)
        assert name == "rationale"
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{command}\n{done.output}"
    runs = {name: load_run(name) for name in ("plain", "guided", "balanced")}
    assert all(
        {"gaa-last-dot", "grad-eclip-last-dot"} <= run.evidence("test").keys() for run in runs.values()
    )
    assert runs["guided"].configuration["train"]["mask_fraction"] == 0.5
    assert runs["balanced"].manifest["training"]["found"]["groups"] > 12
    assert set(runs["plain"].contexts("test").context) > {"snow"}
