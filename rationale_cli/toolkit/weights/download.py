"""Fetching published weights: resumed where it was interrupted, checked before it is kept."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from urllib.request import getproxies

from filelock import FileLock
from huggingface_hub import constants, get_session, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import http_get

from ...contracts.checkpoint import Checkpoint
from ...errors import RationaleError, WorkError
from .cache import HubFile, hub_file, verified
from .records import digests, write_record

_PATIENCE = 10.0
"""Seconds to wait for a server's first word."""
_PLAIN = {"Accept-Encoding": "identity"}
_LOCAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""Errors of this machine's disk rather than of the network."""
_HTTPError = cast(type[Exception], HfHubHTTPError.__bases__[0])
"""The root of what the hub's HTTP client raises; which client that is depends on the hub's version."""


class UnreachableError(Exception):
    """The file could not be fetched; why, in a line."""


@dataclass(frozen=True)
class _Offer:
    """What a server says of a file before it sends it."""

    size: int | None = None
    md5: str | None = None
    """Hexadecimal; Google's storage tells it."""
    tag: str = ""
    """Changes with the content."""


def download(checkpoint: Checkpoint, target: Path) -> Path:
    """Fetch a checkpoint and return where it lies: the hub's cache for ``hf://``, else ``target``.

    Of several processes one fetches and the others wait. An interrupted download of a plain URL goes on where
    it stopped. Raises ``UnreachableError``, and ``WorkError`` for a file that is not what was published,
    which is not kept.
    """
    hub = hub_file(checkpoint)
    try:
        return _from_hub(hub, checkpoint) if hub else _from_server(checkpoint, target)
    except (OSError, ValueError, _HTTPError) as error:
        if isinstance(error, OSError) and error.errno in _LOCAL:
            raise
        raise UnreachableError(_told(error)) from error


def size_of(size: int | None) -> str:
    """Bytes as a person reads them: ``2.0 GB``, ``599.5 MB``."""
    if size is None:
        return "size unknown"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def _from_hub(hub: HubFile, checkpoint: Checkpoint) -> Path:
    if not constants.HF_HUB_OFFLINE and not getproxies():
        # The hub's client tries again for half a minute where there is no network at all.
        server = urlsplit(constants.ENDPOINT)
        port = server.port or (443 if server.scheme == "https" else 80)
        socket.create_connection((str(server.hostname), port), timeout=_PATIENCE).close()
    _announce(hub.url, checkpoint.size)
    path = Path(hf_hub_download(hub.repository, hub.path, revision=hub.revision))
    try:
        verified(path, checkpoint)
    except RationaleError as error:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise _wrong(hub.url, error.what) from error
    return path


def _from_server(checkpoint: Checkpoint, target: Path) -> Path:
    if constants.HF_HUB_OFFLINE:
        raise UnreachableError("the network is switched off by HF_HUB_OFFLINE")
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if not target.is_file():
            _fetch(checkpoint, target)
    return target


def _fetch(checkpoint: Checkpoint, target: Path) -> None:
    offer = _ask(checkpoint.url)
    expected = checkpoint.size if checkpoint.size is not None else offer.size
    if None not in (offer.size, expected) and offer.size != expected:
        raise _wrong(checkpoint.url, f"Expected {expected} bytes but the server offers {offer.size}.")
    identity = hashlib.sha256(f"{offer.tag} {offer.size}".encode()).hexdigest()[:12]
    part = target.with_name(f".{target.name}.{identity}.part")
    _receive(checkpoint.url, part, expected, target.name)
    sha256, md5 = digests(part)
    for kind, wanted, got in (
        ("bytes", expected, part.stat().st_size),
        ("MD5", offer.md5, md5),
        ("SHA-256", checkpoint.sha256, sha256[: len(checkpoint.sha256 or "")]),
    ):
        if wanted is not None and str(wanted).lower() != str(got):
            part.unlink()
            raise _wrong(checkpoint.url, f"Expected {kind} {wanted} but got {got}.")
    part.replace(target)
    write_record(target, checkpoint.url, sha256)
    for stale in target.parent.glob(f".{target.name}.*.part"):
        stale.unlink()


def _receive(url: str, part: Path, expected: int | None, name: str) -> None:
    """Fill a partial file. What has arrived stays in it whatever happens, and the next time goes on there."""
    have = part.stat().st_size if part.exists() else 0
    if expected is None or have > expected:
        # Without a size nobody can tell whether it is whole already.
        part.unlink(missing_ok=True)
        have = 0
    _check_space(part, (expected or 0) - have)
    _announce(url, expected, have)
    with part.open("ab") as file:
        http_get(
            url,
            file,
            resume_size=have,
            headers=_PLAIN,
            expected_size=expected,
            displayed_filename=name,
        )
        file.flush()
        os.fsync(file.fileno())


def _ask(url: str) -> _Offer:
    response = get_session().head(url, headers=_PLAIN, timeout=_PATIENCE, follow_redirects=True)
    if response.status_code in {403, 405, 501}:
        # Some servers answer only to those who take the file.
        return _Offer()
    response.raise_for_status()
    length = response.headers.get("Content-Length", "")
    plain = response.headers.get("Content-Encoding", "identity") == "identity"
    return _Offer(
        int(length) if plain and length.isdigit() else None,
        _google_md5(response.headers.get("x-goog-hash", "")),
        response.headers.get("ETag") or response.headers.get("Last-Modified") or "",
    )


def _google_md5(text: str) -> str | None:
    """MD5 from ``crc32c=…,md5=…`` in base 64; files that were put together from parts have none."""
    for one in text.split(","):
        name, _, value = one.strip().partition("=")
        if name == "md5":
            try:
                return base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                return None
    return None


def _check_space(part: Path, wanted: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted > free:
        raise WorkError(
            f"Expected room for {size_of(wanted)} but the disk has {size_of(free)}.",
            where=str(part.parent),
            next_step="free some space, or choose another folder with RATIONALE_CACHE",
        )


def _announce(url: str, size: int | None, have: int = 0) -> None:
    """A line on standard error; the bar that follows shows itself on a terminal only."""
    begun = f", going on after {size_of(have)}" if have else ""
    sys.stderr.write(f"Fetching {url} ({size_of(size)}{begun})\n")


def _wrong(url: str, what: str) -> WorkError:
    return WorkError(
        f"The file that arrived is not the one that was published, and was not kept. {what}",
        where=url,
        next_step="try again; if it stays so, its publisher has changed it: fetch it yourself and, if you "
        "trust it, pass it as --weights FILE",
    )


def _told(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return first or type(error).__name__
