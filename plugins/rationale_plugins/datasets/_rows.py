"""Rows of a CSV that a user wrote."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rationale_cli.errors import InputError


def table_rows(path: Path, required: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """(file and line, for messages; column → value) of each row; columns in lower case, values stripped.

    Raises ``InputError`` where the file cannot be read or a required column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            names = {name: name.strip().lower() for name in reader.fieldnames or ()}
            missing = [column for column in required if column not in names.values()]
            if missing:
                raise InputError(
                    f"Expected the columns {', '.join(required)} but {', '.join(missing)} is missing.",
                    where=str(path),
                    next_step="name the columns in the table's first line",
                )
            for row in reader:
                yield (
                    f"{path}, line {reader.line_num}",
                    {told: row[name].strip() for name, told in names.items()},
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Expected a table but could not read it: {error}.", where=str(path)) from error
