"""Results that are kept as JSON in run folders, and read again for scores and reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import InputError
from ..measures.results import to_json
from ..runs.atomic import write_text

_Result = TypeVar("_Result")


def write_kept(path: Path, result: Any) -> None:
    """Write a result, a frozen dataclass of plain values."""
    write_text(path, json.dumps(to_json(result), indent=1, ensure_ascii=False) + "\n")


def read_kept(path: Path, kind: type[_Result], what: str, again: str) -> _Result | None:
    """The result, or None where there is no such file.

    ``what`` it is and ``again``, the command that writes it anew, are for the message. Raises ``InputError``
    where the file is damaged or of another layout.
    """
    if not path.is_file():
        return None
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            f"Expected {what} but could not read it.",
            where=str(path),
            next_step=f"`{again}` writes it anew",
        ) from error
