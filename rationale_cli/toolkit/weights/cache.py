"""Where published weights lie on this machine, and whether they are what was published."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from huggingface_hub import constants, try_to_load_from_cache

from ...contracts.checkpoint import Checkpoint
from ...errors import InputError
from ..cache import cache_folder
from .records import read_record, sha256_of, write_record

HUB = "hf://"
Known = Literal["published", "hub", "first use", "nothing"]
"""Where the hash that a file is held against comes from."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file on the Hugging Face hub: ``hf://owner/repository[@revision]/path``."""

    repository: str
    path: str
    revision: str | None = None

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"{constants.ENDPOINT}/{self.repository}/resolve/{self.revision or 'main'}/{self.path}"


@dataclass(frozen=True)
class Verified:
    """A file whose bytes were read and found right."""

    path: Path
    size: int
    """Bytes."""
    sha256: str
    known: Known
    """What it was held against."""


def hub_file(checkpoint: Checkpoint) -> HubFile | None:
    """The parts of an ``hf://`` address; None for any other."""
    if not checkpoint.url.startswith(HUB):
        return None
    owner, _, rest = checkpoint.url.removeprefix(HUB).partition("/")
    name, _, path = rest.partition("/")
    name, _, revision = name.partition("@")
    if not (owner and name and path):
        raise InputError(f"Expected hf://owner/repository/path but got {checkpoint.url}")
    return HubFile(f"{owner}/{name}", path, revision or None)


def address(checkpoint: Checkpoint) -> str:
    """Where a browser finds a checkpoint."""
    hub = hub_file(checkpoint)
    return hub.url if hub else checkpoint.url


def place(checkpoint: Checkpoint) -> Path:
    """Where a checkpoint is looked for first: downloads of plain URLs go there, and files put by hand.

    The folder is ``$RATIONALE_CACHE/weights``, or ``rationale/weights`` in the user's cache folder; below it
    stand the server's name and the address, so that files of one name do not meet.
    """
    url = urlsplit(address(checkpoint))
    parts = [part for part in PurePosixPath(unquote(url.path)).parts if part != "/"]
    if not parts or any(part in {".", ".."} or "\\" in part for part in parts):
        raise InputError(f"Expected the address of a file of weights but got {checkpoint.url}")
    if url.query:
        parts[-1] = f"{hashlib.sha256(url.query.encode()).hexdigest()[:8]}-{parts[-1]}"
    return cache_folder("weights").joinpath(str(url.netloc).replace(":", "-"), *parts)


def cached(checkpoint: Checkpoint) -> Path | None:
    """The file where it is on this machine already, unchecked; None where it is not. Nothing is fetched."""
    own = place(checkpoint)
    if own.is_file():
        return own
    hub = hub_file(checkpoint)
    if hub is None:
        return None
    found = try_to_load_from_cache(hub.repository, hub.path, revision=hub.revision)
    return Path(found) if isinstance(found, str) else None


def accepted(path: Path, checkpoint: Checkpoint) -> Path:
    """The path, once its size and hash are seen to be right.

    A file is hashed when it is met for the first time and whenever it has changed since; where no hash is
    published, that of first use is kept beside it and holds from then on. Files of the hub's cache are not
    hashed again: they are stored under their hash. Raises ``InputError`` for another file.
    """
    digest = _stored_hash(path)
    if digest is not None:
        _check_size(path, checkpoint)
        _check_hash(path, (checkpoint.sha256 or digest).lower(), digest)
    elif checkpoint.sha256 or not _in_hub_cache(path):
        verified(path, checkpoint)
    else:
        _check_size(path, checkpoint)
    return path


def verified(path: Path, checkpoint: Checkpoint | None = None) -> Verified:
    """Read a file whole and hold its size and SHA-256 against what is known of it.

    That is what the checkpoint states, else the hub's own name for it, else what was recorded when it was
    fetched. Raises ``InputError`` where they differ.
    """
    if checkpoint is not None:
        _check_size(path, checkpoint)
    known, wanted = _known(path, checkpoint)
    found = sha256_of(path)
    _check_hash(path, wanted, found)
    if checkpoint is not None and not _in_hub_cache(path):
        write_record(path, checkpoint.url, found)
    return Verified(path, path.stat().st_size, found, known)


def _known(path: Path, checkpoint: Checkpoint | None) -> tuple[Known, str]:
    """By what a file can be checked, and the hexadecimal digits that its SHA-256 must begin with."""
    if checkpoint is not None and checkpoint.sha256:
        return "published", checkpoint.sha256.lower()
    hub = _hub_hash(path)
    if hub is not None:
        return "hub", hub
    record = None if _in_hub_cache(path) else read_record(path)
    return ("first use", record.sha256) if record else ("nothing", "")


def _check_size(path: Path, checkpoint: Checkpoint) -> None:
    size = path.stat().st_size
    if checkpoint.size is not None and size != checkpoint.size:
        raise _another(path, f"{checkpoint.size} bytes", f"{size} bytes")


def _check_hash(path: Path, wanted: str, found: str) -> None:
    if not found.startswith(wanted):
        raise _another(path, f"SHA-256 {wanted}", found)


def _another(path: Path, expected: str, got: str) -> InputError:
    beside = "" if _in_hub_cache(path) else " and the .json beside it, if any"
    return InputError(
        f"Expected a file of weights of {expected} but got {got}: it is damaged, incomplete or another file.",
        where=str(path.resolve()),
        next_step=f"delete that file{beside}; it is then fetched anew, or copy it again",
    )


def _stored_hash(path: Path) -> str | None:
    """The SHA-256 of a file as far as it is known without reading it."""
    if _in_hub_cache(path):
        return _hub_hash(path)
    record = read_record(path)
    return record.sha256 if record and record.is_of(path) else None


def _in_hub_cache(path: Path) -> bool:
    return Path(constants.HF_HUB_CACHE) in path.parents


def _hub_hash(path: Path) -> str | None:
    """Large files of the hub's cache are links to files that are named by their SHA-256."""
    name = path.resolve().name
    return name if _in_hub_cache(path) and _SHA256.fullmatch(name) else None
