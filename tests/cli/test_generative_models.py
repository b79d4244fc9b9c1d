"""The commands of docs/how-to/generative-models.md work as typed, and what does not fit is refused."""

from __future__ import annotations

import re
import shlex

import pytest
from safetensors.numpy import load_file

from rationale_cli.runs.folder import Run


@pytest.mark.slow
def test_every_command_of_the_page(rationale, repo, tmp_path):
    page = (repo / "docs" / "how-to" / "generative-models.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.S) for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        name, *words = shlex.split(command)
        assert name == "rationale"
        rationale(*words)
    run = Run.open(tmp_path / "runs" / "asked")
    assert all(".lora_" in name for name in load_file(run.checkpoint))
    assert (run.path / "scores.json").is_file()


def test_low_rank_updates_of_answers_need_a_model_that_answers(rationale):
    done = rationale("finetune", "--model", "tiny-clip", "--method", "lora", "--dataset", "scenes", code=2)
    assert "tiny-clip" in done.stderr and "converse" in done.stderr
