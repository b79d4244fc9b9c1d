"""Help: there for every command, quick, and loading nothing heavy."""

from __future__ import annotations

import pytest

from .loading import loaded

COMMANDS = (
    "finetune",
    "explain",
    "score",
    "report",
    "run",
    "audit",
    "data",
    "weights",
    "validate",
    "list",
    "info",
    "env",
)
HEAVY = {"torch", "numpy", "yaml", "pluggy", "PIL", "rationale_cli.registry", "rationale_cli.recipe"}
TYPERS_OWN = {"pydantic", "importlib.metadata"}
"""What typer itself loads once it looks at the parameters of a command."""


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_the_top_loads_nothing_heavy(word):
    assert loaded(word, heavy=HEAVY | TYPERS_OWN) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_loads_nothing_heavy(name):
    assert loaded(name, "--help", heavy=HEAVY) == set()


def test_the_top_shows_every_command(rationale):
    text = rationale("--help").stdout
    for name in COMMANDS:
        assert f" {name} " in text
    assert "rationale finetune --model tiny-clip --method ft" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_and_says_what_it_does(rationale, name):
    text = rationale(name, "--help").stdout
    assert "Examples:" in text
    assert f"rationale {name}" in text.split("Examples:")[1]


def test_the_version_is_told(rationale):
    from rationale_cli import __version__

    assert rationale("--version").stdout == f"rationale {__version__}\n"


def test_an_unknown_command_is_bad_input(rationale):
    assert "No such command" in rationale("explian", code=2).stderr
