"""Writing that is either whole or not there: temporary name in the same folder, fsync, rename."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError, RationaleError, WorkError

_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it becomes ``path``, else it vanishes.

    Raises ``InputError`` where the folder cannot be written and ``WorkError`` where the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise explained(error, path) from error
    except Exception as error:
        # Writers in other languages (torch, safetensors) tell a full disk in words only.
        if not _tells_full_disk(error):
            raise
        raise explained(OSError(errno.ENOSPC, ""), path) from error
    finally:
        if temporary.is_file():
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def explained(error: OSError, path: Path) -> RationaleError:
    """Say in plain words why a file could not be written."""
    if error.errno == errno.ENOSPC:
        return WorkError(
            "The disk is full; what was finished before is intact.",
            where=str(path),
            next_step="free some space and run the same command again: it goes on where it stopped",
        )
    if error.errno in _UNWRITABLE:
        return InputError(
            "Expected a folder that can be written but it is read-only or belongs to somebody else.",
            where=str(path.parent),
            next_step="choose another place with --runs-dir or -o, or change its permissions",
        )
    return WorkError(f"Could not write: {error.strerror or error}", where=str(path))


def _tells_full_disk(error: BaseException) -> bool:
    context = error.__context__
    inner = isinstance(context, OSError) and context.errno == errno.ENOSPC
    return inner or "No space left on device" in str(error)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
