"""What is known of a file that was fetched: a note in JSON beside it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_CHUNK = 1 << 22


@dataclass(frozen=True)
class Record:
    """A file as it was when it was accepted."""

    url: str
    size: int
    """Bytes."""
    sha256: str
    modified: int
    """Time of its last change, in nanoseconds."""

    def is_of(self, path: Path) -> bool:
        """Whether the file has not been touched since."""
        stat = path.stat()
        return (self.size, self.modified) == (stat.st_size, stat.st_mtime_ns)


def read_record(path: Path) -> Record | None:
    """The record of a file; None where there is none that can be read."""
    try:
        told = json.loads(_beside(path).read_text(encoding="utf-8"))
        return Record(str(told["url"]), int(told["size"]), str(told["sha256"]), int(told["modified"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_record(path: Path, url: str, sha256: str) -> None:
    """Record a file. In a folder that cannot be written nothing is, and the file is hashed anew each time."""
    stat = path.stat()
    text = json.dumps(asdict(Record(url, stat.st_size, sha256, stat.st_mtime_ns)), indent=2) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.json")
    with suppress(OSError):
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(_beside(path))


def digests(path: Path) -> tuple[str, str]:
    """SHA-256 and MD5 of a file, in hexadecimal digits, read once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
    return sha256.hexdigest(), md5.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
