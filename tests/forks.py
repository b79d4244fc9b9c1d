"""The real command, and processes that answer it quickly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

Outcome = subprocess.CompletedProcess[str]

ENVIRONMENT: Mapping[str, str] = {
    **{name: value for name, value in os.environ.items() if not name.startswith("RATIONALE_")},
    "OMP_NUM_THREADS": "1",
    "COLUMNS": "120",
    "PYTHONUNBUFFERED": "1",
}


def arguments(*words: str) -> list[str]:
    """The command line that runs ``rationale``."""
    return [sys.executable, "-m", "rationale_cli", *words]


def fresh(words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Outcome:
    """Run ``rationale`` in an interpreter of its own."""
    return subprocess.run(
        arguments(*words),
        cwd=cwd,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


class Forks:
    """Commands in forks of one process, for which imports are done: see ``forked.py``."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = ENVIRONMENT) -> None:
        self._out, self._err = folder / "stdout", folder / "stderr"
        self._environment = dict(environment)
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forked.py"))],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, words: Sequence[str], cwd: Path) -> Outcome:
        streams = {"stdout": str(self._out), "stderr": str(self._err)}
        for path in streams.values():
            Path(path).write_text("")
        request = {"words": words, "cwd": str(cwd), "environment": self._environment, **streams}
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return Outcome(arguments(*words), code, self._out.read_text(), self._err.read_text())

    def close(self) -> None:
        self._server.communicate()


class Fresh:
    """The same, each in an interpreter of its own: where processes cannot fork."""

    def __init__(self, environment: Mapping[str, str] = ENVIRONMENT) -> None:
        self._environment = environment

    def run(self, words: Sequence[str], cwd: Path) -> Outcome:
        return fresh(words, cwd, self._environment)


@contextmanager
def commands(folder: Path, environment: Mapping[str, str] = ENVIRONMENT) -> Iterator[Forks | Fresh]:
    """What runs commands in this environment, as fast as the system allows."""
    if sys.platform != "linux":
        yield Fresh(environment)
        return
    forks = Forks(folder, environment)
    try:
        yield forks
    finally:
        forks.close()
