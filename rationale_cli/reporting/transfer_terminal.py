"""Transfer on a terminal: the matrix, a line for each kind, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import pivot_terminal, terminal
from .transfer import TransferShown, summary_tables

if TYPE_CHECKING:
    from rich.console import Console


def show(shown: TransferShown, console: Console) -> None:
    """Print both."""
    pivot_terminal.show(shown.pivot, console)
    terminal.show(summary_tables(shown.found), console)
    terminal.print_lines(terminal.roomy(console), shown.found.notes, "dim")
