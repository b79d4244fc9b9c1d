"""Published weights of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights that somebody publishes."""

    url: str
    """``https://…``, or ``hf://owner/repository/path`` on the Hugging Face hub."""
    size: int | None = None
    """Bytes, where they are known."""
    sha256: str | None = None
    """Hexadecimal digits, where they are known: all 64, or the first of them."""
    note: str = ""
    """What distinguishes it from the model's other files."""
