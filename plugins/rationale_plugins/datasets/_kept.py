"""What took long to find out about a data set's files, kept in this tool's cache for the next time."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from rationale_cli.toolkit.cache import cache_folder

SETTLED_NS = 100_000_000
"""A file or folder that changed a moment before it was read may change again within one tick of its clock."""


def recalled(key: list[Any]) -> Any | None:
    """What was kept under that key (as JSON has it); None where nothing was, or it is damaged."""
    try:
        content = json.loads(zlib.decompress(_store(key).read_bytes()))
        return content["value"] if content["key"] == key else None
    except (OSError, zlib.error, ValueError, KeyError, TypeError):
        return None


def keep(key: list[Any], value: Any) -> None:
    """Keep something that JSON can write, below ``$RATIONALE_CACHE/indexes`` (else ``~/.cache/rationale``).

    A cache that cannot be written only costs the time of finding it out again.
    """
    store = _store(key)
    data = zlib.compress(json.dumps({"key": key, "value": value}, separators=(",", ":")).encode(), 1)
    temporary = store.with_name(f".{store.name}.{secrets.token_hex(4)}.tmp")
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(store)
    except OSError:
        with suppress(OSError):
            temporary.unlink()


def _store(key: list[Any]) -> Path:
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    return cache_folder("indexes") / f"{name}.json.z"
