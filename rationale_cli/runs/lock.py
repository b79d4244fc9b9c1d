"""One worker at a time in a run folder, on any machine that shares the file system."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .atomic import explained


@contextmanager
def held(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold a run folder, which need not exist yet; ``wait`` is called where somebody else holds it.

    The system frees what a killed process held. Of processes that work together on one run (``RANK``) the
    first one holds it for all. Raises as ``atomic_path`` does where no lock can be written.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    # Beside the runs: a run is made in an empty folder only.
    file = path.parent / ".locks" / f"{path.name}.lock"
    lock = FileLock(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, wait)
    except OSError as error:
        raise explained(error, file) from error
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, wait: Callable[[], None]) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        wait()
        lock.acquire(poll_interval=0.5)
