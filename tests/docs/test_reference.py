"""The help of every command, kept in ``docs/reference/cli``, is the help that the command prints.

``python tests/docs/test_reference.py`` writes it anew. Compared are words and options, not the frame around
them, which belongs to typer.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from rationale_cli.cli.app import app

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli"
TOP = typer.main.get_command(app)
GROUPED = {
    f"{group}-{name}": command
    for group, one in TOP.commands.items()
    for name, command in getattr(one, "commands", {}).items()
}
"""Commands of groups, such as those of ``rationale weights``, each with a file of its own."""
COMMANDS = {
    "rationale": (),
    **{name: (name,) for name in TOP.commands},
    **{name: tuple(name.split("-", maxsplit=1)) for name in GROUPED},
}


def printed(words: tuple[str, ...]) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RATIONALE_")}
    done = subprocess.run(
        [sys.executable, "-m", "rationale_cli", *words, "--help"],
        env={**environment, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines()) + "\n"


def words_of(text: str) -> str:
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def command_of(name: str):
    return GROUPED.get(name) or TOP.commands.get(name, TOP)


def kept(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_every_command_is_kept_and_no_other():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_kept_options_are_those_of_the_command(name):
    command = command_of(name)
    options = {
        word for one in command.params for word in (*one.opts, *one.secondary_opts) if word[:2] == "--"
    }
    panels = kept(name).split("Options ─")[1]
    assert (
        set(re.findall(r"(?<![\w`-])--[a-z][a-z-]*(?= )", re.sub(r"`.*?`", "", panels))) - {"--help"}
        == options
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_kept_texts_are_those_of_the_command(name):
    command = command_of(name)
    text = words_of(kept(name))
    for paragraph in command.help.split("\n\n"):
        assert words_of(paragraph) in text
    for one in command.params:
        assert words_of(one.help or "") in text, one.name


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for stale in FOLDER.glob("*.txt"):
        stale.unlink()
    for command_name, words in COMMANDS.items():
        (FOLDER / f"{command_name}.txt").write_text(printed(words), encoding="utf-8")
