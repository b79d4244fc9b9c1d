"""The files of a large data set, listed once and remembered for as long as its folders stay as they are."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rationale_cli.errors import InputError

from ._kept import SETTLED_NS, keep, recalled

_SCHEMA = 2


@dataclass(frozen=True)
class Listing:
    """The files below some folders of a data set."""

    files: dict[str, int]
    """Path below the data set's folder, joined by "/" → size in bytes; folder by folder, each sorted."""


@dataclass(frozen=True)
class _Folder:
    """One folder as it was when it was listed."""

    changed: int
    """Its time of change in nanoseconds; -1 where there was no such folder."""
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()


def listed(root: Path, folders: Sequence[str], suffixes: Collection[str]) -> Listing:
    """List the files below ``folders`` (paths below ``root``; "." is root itself) with those endings.

    Endings are in lower case with their dot; "" is a name without a dot. Hidden files are left out, and
    a folder that does not exist holds none. The order is that of torchvision's ``ImageFolder``: folders
    sorted, and in each its files.

    The answer is kept below ``$RATIONALE_CACHE/indexes`` (else ``~/.cache/rationale/indexes``) and holds
    while no folder's time of change differs: adding, removing or renaming a file changes it, writing
    into a file does not. Raises ``InputError`` where a folder cannot be listed.
    """
    root = root.absolute()
    key = [_SCHEMA, str(root), sorted(folders), sorted(suffixes)]
    known = _recalled(key)
    if known is None or not _unchanged(root, known):
        started = time.time_ns()
        known = {}
        for one in sorted(set(folders)):
            _scan(root, "" if one == "." else one, frozenset(suffixes), frozenset(), known)
        if all(folder.changed < started - SETTLED_NS for folder in known.values()):
            _remember(key, known)
    return Listing(
        {
            f"{place}/{name}" if place else name: size
            for place in sorted(known, key=lambda path: path.split("/"))
            for name, size in zip(known[place].names, known[place].sizes, strict=True)
        }
    )


def _scan(
    root: Path,
    place: str,
    suffixes: frozenset[str],
    above: frozenset[tuple[int, int]],
    found: dict[str, _Folder],
) -> None:
    """Add a folder and those below it; links are followed, but never in a circle."""
    path = root / place
    if place in found:
        return
    try:
        status = path.stat()
    except FileNotFoundError:
        found[place] = _Folder(-1)
        return
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return
    inner, files = _entries(path, suffixes)
    found[place] = _Folder(status.st_mtime_ns, tuple(files), tuple(files.values()))
    for name in inner:
        _scan(root, f"{place}/{name}" if place else name, suffixes, above | {identity}, found)


def _entries(path: Path, suffixes: frozenset[str]) -> tuple[list[str], dict[str, int]]:
    """Names of folders, and files with those endings and their sizes, each sorted."""
    try:
        with os.scandir(path) as entries:
            ours = sorted((one for one in entries if not one.name.startswith(".")), key=lambda one: one.name)
        # Endings come first: asking what an entry is may cost a look at the disk.
        wanted = (one for one in ours if _ending(one.name) in suffixes)
        files = {one.name: one.stat().st_size for one in wanted if one.is_file()}
        return [one.name for one in ours if one.name not in files and one.is_dir()], files
    except OSError as error:
        raise InputError(
            f"Expected a folder that can be listed but got: {error.strerror}.", where=str(path)
        ) from error


def _ending(name: str) -> str:
    return name[name.rindex(".") :].lower() if "." in name else ""


def _unchanged(root: Path, known: dict[str, _Folder]) -> bool:
    try:
        return all(_changed(root / place) == folder.changed for place, folder in known.items())
    except OSError:
        return False


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return -1


def _recalled(key: list[Any]) -> dict[str, _Folder] | None:
    """What was kept; None where nothing was, or it is not what this module keeps."""
    try:
        known = {place: _folder(*facts) for place, facts in (recalled(key) or {}).items()}
    except (TypeError, AttributeError):
        return None
    whole = known and all(len(folder.names) == len(folder.sizes) for folder in known.values())
    return known if whole else None


def _folder(changed: int, names: str, sizes: Sequence[int]) -> _Folder:
    return _Folder(changed, tuple(names.split("/")) if names else (), tuple(sizes))


def _remember(key: list[Any], known: dict[str, _Folder]) -> None:
    # No name holds a "/", and one text of names is far quicker to read than a list of them.
    keep(key, {place: (one.changed, "/".join(one.names), one.sizes) for place, one in known.items()})
