"""Reading a large JSON file item by item, with the place of each: what is read can be found again."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from mmap import mmap
from typing import Any, NamedTuple

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_MARK = codecs.BOM_UTF8.decode("latin-1")


class Placed(NamedTuple):
    """A value and where it is written."""

    value: Any
    """Its texts are not decoded; see ``Scanner.decoded``."""
    start: int
    """Its first byte."""
    length: int
    """In bytes."""


class Scanner:
    """Steps through a JSON file's bytes. Its methods raise ``ValueError`` for what they do not expect."""

    def __init__(self, content: bytes | mmap) -> None:
        # A character a byte: places in the text are places in the file, and numbers need no decoding.
        self._text = str(content, "latin-1")
        self._at = len(_MARK) if self._text.startswith(_MARK) else 0

    def members(self) -> Iterator[str]:
        """Keys of an object; the value of each must be read before the next is asked for."""
        for _ in self._listed("{", "}"):
            key = self.value().value
            self._sign(":")
            yield str(key)

    def items(self) -> Iterator[Placed]:
        """Items of a list."""
        for _ in self._listed("[", "]"):
            yield self.value()

    def value(self) -> Placed:
        """Whatever comes next."""
        start = self._next()
        value, self._at = _DECODER.raw_decode(self._text, start)
        return Placed(value, start, self._at - start)

    def decoded(self, placed: Placed) -> Any:
        """A value again, with its texts as UTF-8."""
        return json.loads(self._text[placed.start : placed.start + placed.length].encode("latin-1"))

    def end(self) -> None:
        """That nothing follows."""
        if self._next() != len(self._text):
            raise ValueError(f"something follows the end, at {self._at:,}")

    def _listed(self, opening: str, closing: str) -> Iterator[None]:
        self._sign(opening)
        if self._text[self._next() : self._at + 1] == closing:
            self._at += 1
            return
        sign = ","
        while sign == ",":
            yield
            sign = self._sign(f",{closing}")

    def _next(self) -> int:
        """Where the next sign is that is not blank."""
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _sign(self, expected: str) -> str:
        sign = self._text[self._next() : self._at + 1]
        if not sign or sign not in expected:
            raise ValueError(f"expected one of {expected!r} at {self._at:,} but got {sign!r}")
        self._at += 1
        return sign
