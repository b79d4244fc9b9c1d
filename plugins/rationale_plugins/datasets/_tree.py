"""What lies below a folder, listed once and without opening a file."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import PICTURE_SUFFIXES

_LEFT_BY_SYSTEMS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found"}


class File(NamedTuple):
    """One file below a folder."""

    key: str
    """Its path below the folder, joined by "/" and in composed Unicode: the same on every system."""
    path: str
    """Where to open it."""
    size: int
    """Bytes."""

    @property
    def stem(self) -> str:
        """The key without the file's ending."""
        return posixpath.splitext(self.key)[0]

    @property
    def ending(self) -> str:
        """The file's ending with its dot, in lower case; empty where it has none."""
        return posixpath.splitext(self.key)[1].lower()

    @property
    def is_picture(self) -> bool:
        """Whether it counts as a picture, by its ending."""
        return self.ending in PICTURE_SUFFIXES


class Tree(NamedTuple):
    """All files and folders below a folder but hidden ones, each sorted by key."""

    root: Path
    files: tuple[File, ...]
    folders: tuple[str, ...]

    def below(self, key: str) -> Tree:
        """The part below one folder of it, with keys that begin there."""
        prefix, cut = key + "/", len(key) + 1
        files = (file._replace(key=file.key[cut:]) for file in self.files if file.key.startswith(prefix))
        folders = (folder[cut:] for folder in self.folders if folder.startswith(prefix))
        return Tree(self.root / key, tuple(files), tuple(folders))

    def without(self, key: str) -> Tree:
        """All but one folder of it."""
        prefix = key + "/"
        files = (file for file in self.files if not file.key.startswith(prefix))
        folders = (folder for folder in self.folders if not (folder + "/").startswith(prefix))
        return Tree(self.root, tuple(files), tuple(folders))

    def top(self) -> tuple[str, ...]:
        """Folders on the first level."""
        return tuple(folder for folder in self.folders if "/" not in folder)


def scan(root: Path) -> Tree:
    """List what lies below ``root``, following links but never in a circle.

    Raises ``InputError`` where a folder cannot be listed.
    """
    files: list[File] = []
    folders: list[str] = []
    waiting: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(str(root), "", frozenset())]
    while waiting:
        folder, prefix, above = waiting.pop()
        for entry, key in _entries(folder, prefix):
            status = entry.stat()
            if entry.is_file():
                files.append(File(key, entry.path, status.st_size))
            elif entry.is_dir() and (status.st_dev, status.st_ino) not in above:
                folders.append(key)
                waiting.append((entry.path, key + "/", above | {(status.st_dev, status.st_ino)}))
    return Tree(root, tuple(sorted(files)), tuple(sorted(folders)))


def _entries(folder: str, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                hidden = entry.name.startswith(".") or entry.name in _LEFT_BY_SYSTEMS
                # A link to nothing is neither file nor folder.
                if not hidden and (entry.is_file() or entry.is_dir()):
                    yield entry, prefix + unicodedata.normalize("NFC", entry.name)
    except OSError as error:
        raise InputError(
            f"Expected a folder that can be listed but got: {error.strerror}.", where=folder
        ) from error
