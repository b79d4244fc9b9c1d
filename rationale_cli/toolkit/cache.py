"""Where this tool keeps what can be had again."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = "RATIONALE_CACHE"
"""Environment variable: the cache folder, instead of ``~/.cache/rationale``."""


def cache_folder(kind: str) -> Path:
    """The folder for one kind of thing (``weights``, ``indexes``); it need not exist yet."""
    chosen = os.environ.get(CACHE)
    if chosen:
        return Path(chosen).expanduser() / kind
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser() / "rationale" / kind
