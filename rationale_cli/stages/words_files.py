"""Which words carried the scores of a split, kept in run folders for reports."""

from __future__ import annotations

from pathlib import Path

from ..measures.words import WordShares
from ..runs.folder import Run
from .kept import read_kept

FOLDER = "words"


def file_of(run: Run, split: str) -> Path:
    """Where the result of a split is kept."""
    return run.path / FOLDER / f"{split}.json"


def read_words(run: Run, split: str, fingerprint: str) -> WordShares | None:
    """The last result of a split; None if there is none, or it is of other data than these.

    Raises ``InputError`` where the file is damaged or of another layout.
    """
    again = f"rationale words {run.name} --split {split}"
    result = read_kept(file_of(run, split), WordShares, "what was found of words", again)
    return result if result is not None and result.fingerprint == fingerprint else None
