"""How long work tells where it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """A listener: the terminal's bars, a notebook, or nobody."""

    def task(self, description: str, total: int) -> AbstractContextManager[Callable[[int, str], None]]:
        """A piece of work of ``total`` units; the yielded function takes units done and a short remark."""
        ...

    def note(self, text: str) -> None:
        """A line worth reading."""
        ...

    def warn(self, text: str) -> None:
        """A line that must be read."""
        ...


class Silent:
    """Listens to nothing: the library's default."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Ignore the work."""
        yield lambda done, remark: None

    def note(self, text: str) -> None:
        """Ignore the line."""

    def warn(self, text: str) -> None:
        """Ignore the line."""
