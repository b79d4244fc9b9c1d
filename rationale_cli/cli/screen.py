"""The terminal: results on standard output, everything else on standard error, and how errors are told.

Where several processes run one command, only the first of them speaks; an error is told by whoever meets it.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

    from ..errors import RationaleError
    from ..registry import Registry

_P = ParamSpec("_P")
_R = TypeVar("_R")

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

_PLAIN_SECONDS = 10.0


@functools.cache
def console() -> Console:
    """Standard output."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), quiet=not speaks())


@functools.cache
def errors() -> Console:
    """Standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty(), quiet=not speaks())


def speaks() -> bool:
    """Whether this process is the one that speaks: the first of those that work together."""
    return os.environ.get("RANK", "0") == "0"


def print_json(value: Any) -> None:
    """One JSON document on standard output. Numbers that JSON does not know (NaN) are refused."""
    import json

    if speaks():
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def one_output(as_json: bool, as_csv: bool) -> None:
    """Refuse to print two documents."""
    from ..errors import InputError

    if as_json and as_csv:
        raise InputError("Expected --json or --csv but got both.")


def plugins() -> Registry:
    """The registry of this process; broken plugins are told in one line each."""
    from ..registry import Registry

    registry = Registry.discover()
    for problem in registry.problems():
        errors().print(f"Warning: {problem}", style="yellow", markup=False)
    return registry


@contextmanager
def guard() -> Iterator[None]:
    """Tell errors that a user can mend without a traceback, and exit with their code.

    2 bad input, 1 failed work, 130 interrupted. What nobody expected keeps its traceback and exits with 1.
    """
    from ..errors import RationaleError

    try:
        yield
        sys.stdout.flush()
    except RationaleError as error:
        _tell(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        errors().print("\nInterrupted. Resumable: run the same command again.", style="yellow")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader (`head`, a pager) has gone: nothing is left to say, not even at shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except OSError as error:
        told = _explained(error)
        if told is None:
            raise
        _tell(told)
        raise typer.Exit(told.exit_code) from None


def guarded(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """A command under ``guard``."""

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with guard():
            return command(*args, **kwargs)

    return run


class TerminalProgress:
    """Work on standard error: bars with share done and time left; plain lines where it is no terminal."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._open = 0

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """See ``rationale_cli.contracts.Progress``."""
        if not errors().is_terminal:
            yield _Lines(description, total).advance
            return
        bars = self._begin()
        task = bars.add_task(description, total=total, remark="")
        try:
            yield lambda done, remark: bars.update(task, advance=done, remark=remark)
        finally:
            self._end(bars)
            if self._open:
                # Of a grid's many cells only those at hand have a bar.
                bars.remove_task(task)

    def note(self, text: str) -> None:
        """A line worth reading."""
        errors().print(text, markup=False)

    def warn(self, text: str) -> None:
        """A line that must be read."""
        errors().print(f"Warning: {text}", style="yellow", markup=False)

    def _begin(self) -> Bars:
        if self._bars is None:
            from rich import progress as rich

            self._bars = rich.Progress(
                rich.TextColumn("{task.description}", markup=False),
                rich.BarColumn(),
                rich.TaskProgressColumn(),
                rich.MofNCompleteColumn(),
                rich.TimeRemainingColumn(elapsed_when_finished=True),
                rich.TextColumn("{task.fields[remark]}", markup=False, style="dim"),
                console=errors(),
            )
            self._bars.start()
        self._open += 1
        return self._bars

    def _end(self, bars: Bars) -> None:
        self._open -= 1
        if self._open == 0:
            bars.stop()
            self._bars = None


class _Lines:
    """A line now and then, for logs."""

    def __init__(self, description: str, total: int) -> None:
        self.description, self.total, self.done = description, total, 0
        self.began = self.told = time.monotonic()

    def advance(self, done: int, remark: str) -> None:
        self.done += done
        now = time.monotonic()
        if self.done < self.total and now - self.told < _PLAIN_SECONDS:
            return
        self.told = now
        share = self.done / max(self.total, 1)
        left = (now - self.began) * (1 / share - 1) if share else 0.0
        parts = [
            f"{self.description}: {share:4.0%}",
            f"{self.done}/{self.total}",
            f"{left:.0f} s left",
            remark,
        ]
        errors().print(", ".join(part for part in parts if part), markup=False)


def _tell(error: RationaleError) -> None:
    from rich.console import Console

    rank = os.environ.get("RANK", "0")
    who = "" if speaks() else f" (process {rank})"
    out = errors() if speaks() else Console(stderr=True, highlight=False, soft_wrap=True)
    out.print(f"Error{who}: {error}", style="red", markup=False)


def _explained(error: OSError) -> RationaleError | None:
    """Full disks and folders that cannot be written, in plain words; None for anything else."""
    import errno

    from ..runs.atomic import explained

    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}:
        return explained(error, Path(error.filename or "."))
    return None
