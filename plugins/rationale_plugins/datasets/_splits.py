"""Which pictures train and which are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from rationale_cli.errors import InputError

from ._layout import UNSPLIT, Layout, Record

Splits = Mapping[str, tuple[Record, ...]]


def split_records(layout: Layout, classes: Mapping[str, str], test_fraction: float, seed: int) -> Splits:
    """Pictures of the classes by split, each sorted by identifier.

    Where the layout has no splits, ``test`` gets its share of every class and ``train`` the rest. A
    class of a single picture goes to ``train``. Raises ``InputError`` where ``train`` lacks a class or
    nothing can be held out.
    """
    chosen = {
        name: tuple(sorted(record for record in records if record.folder in classes))
        for name, records in layout.splits.items()
        if any(record.folder in classes for record in records)
    }
    if UNSPLIT in chosen:
        return _drawn_apart(chosen[UNSPLIT], test_fraction, seed)
    missing = sorted(classes.keys() - {record.folder for record in chosen.get("train", ())})
    if "train" in chosen and missing:
        raise InputError(
            f"Expected pictures of every class in the split 'train' but it has none of {', '.join(missing)}.",
            next_step="give the class folders of all splits the same names",
        )
    return chosen


def _drawn_apart(records: Sequence[Record], test_fraction: float, seed: int) -> Splits:
    by_class: dict[str, list[Record]] = {}
    for record in records:
        by_class.setdefault(record.folder, []).append(record)
    held_out = {one.id for part in by_class.values() for one in _held_out(part, test_fraction, seed)}
    if not held_out:
        raise InputError(
            "Expected a class of two pictures or more, to hold one out, but every class has a single one.",
            next_step="add pictures, or arrange them in split folders",
        )
    return {
        "train": tuple(record for record in records if record.id not in held_out),
        "test": tuple(record for record in records if record.id in held_out),
    }


def _held_out(records: Sequence[Record], test_fraction: float, seed: int) -> list[Record]:
    """The pictures of one class to hold out: one or more, but never all.

    A picture's place in the draw depends on seed and identifier alone, so adding others moves few.
    """
    count = min(max(int(len(records) * test_fraction + 0.5), 1), len(records) - 1)
    return sorted(records, key=lambda one: hashlib.sha256(f"{seed}:{one.id}".encode()).digest())[:count]
