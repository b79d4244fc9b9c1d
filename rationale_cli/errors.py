"""The one family of errors that a user may meet: what is wrong, where, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RationaleError(Exception):
    """An error that is told in plain words and never shown with a traceback.

    ``what`` states the fact ("Expected … but got …"), ``where`` the file, key or image concerned,
    ``next_step`` what the user can do about it.
    """

    exit_code = 2
    """Process exit status: 2 for bad input, 1 where the work itself failed."""

    def __init__(self, what: str, *, where: str | None = None, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"Where: {self.where}")
        if self.next_step:
            parts.append(f"Next: {self.next_step}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (data workers, launched processes) with their parts intact.
        return (_rebuild, (type(self), self.what, self.where, self.next_step))


class InputError(RationaleError):
    """The user asked for something that cannot be: exit code 2."""


class PluginError(InputError):
    """A plugin is unknown, broken, ambiguous or lacks a dependency."""


class WorkError(RationaleError):
    """The request was sound and the work failed (disk full, loss not finite): exit code 1."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'? Known: x, y.`` for a name that is not among the known ones."""
    names = sorted(set(known))
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    guess = f"Did you mean {close[0]!r}? " if close else ""
    return f"{guess}Known: {', '.join(names)}." if names else f"{guess}There are none."


def _rebuild(
    kind: type[RationaleError], what: str, where: str | None, next_step: str | None
) -> RationaleError:
    return kind(what, where=where, next_step=next_step)
