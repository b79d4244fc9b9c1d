"""Help: there for every command, quick, and loading nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import ENVIRONMENT

COMMANDS = ("finetune", "explain", "score", "report", "run", "validate", "list", "info", "env")
HEAVY = ("torch", "numpy", "pydantic", "yaml", "importlib.metadata", "pluggy", "PIL")

PROBE = """
import sys
sys.argv = ["rationale", *sys.argv[1:]]
from rationale_cli.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(sorted(set({heavy!r}) & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), *((name, "--help") for name in COMMANDS)], ids=" ".join
)
def test_help_loads_nothing_heavy(words):
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=HEAVY), *words],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.stdout


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
