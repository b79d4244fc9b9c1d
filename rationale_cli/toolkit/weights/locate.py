"""From what the user wrote after ``--weights`` to files on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ...contracts.checkpoint import Checkpoint
from ...errors import InputError, RationaleError, did_you_mean
from .cache import accepted, address, cached, place
from .download import UnreachableError, download, size_of

NONE = "none"
"""Random weights, from the run's seed."""

_IN_FOLDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
)
"""What is looked for in a folder, in this order; an index names the shards of one model."""


def locate(weights: str, published: Mapping[str, Checkpoint], owner: str) -> tuple[Path, ...]:
    """The files that ``weights`` means: none for ``none``, one, or the shards of one model.

    ``weights`` is a name from ``published`` (the file comes from the cache, or is fetched and checked), a
    file, or a folder. ``owner`` is the model's name, for messages. Raises ``InputError`` for a name that
    means nothing and for a file that is not what was published, and where a file cannot be had: which, from
    where, how large, and where to put it by hand.
    """
    if weights == NONE:
        return ()
    if weights in published:
        return (fetched(published[weights], f"the weights {weights!r} of {owner}"),)
    path = Path(weights).expanduser()
    if path.is_file():
        return (path,)
    if path.is_dir():
        return _in_folder(path)
    raise InputError(
        f"Expected a name of weights of {owner}, a file or a folder but got {weights!r}. "
        f"{did_you_mean(weights, (*published, NONE))}",
        next_step=f"`rationale weights list {owner}` shows what is published" if published else None,
    )


def fetched(checkpoint: Checkpoint, what: str) -> Path:
    """A checkpoint's file: from the cache, else downloaded; checked either way.

    ``what`` names it in messages. Raises as ``locate`` does, and ``WorkError`` where what arrives is another
    file than was published.
    """
    found = cached(checkpoint)
    if found is not None:
        return accepted(found, checkpoint)
    target = place(checkpoint)
    try:
        return download(checkpoint, target)
    except UnreachableError as error:
        raise _not_here(what, checkpoint, target, str(error)) from error


def _not_here(what: str, checkpoint: Checkpoint, target: Path, reason: str) -> RationaleError:
    facts = [fact for fact in (_size(checkpoint), checkpoint.note) if fact]
    return InputError(
        f"Expected {what} but they are not on this machine and could not be fetched: {reason}",
        where=f"{address(checkpoint)} ({'; '.join(facts)})",
        next_step=f"try again with a network; or fetch that file elsewhere and put it at {target}, or pass "
        "it as --weights FILE; --weights none starts from random weights",
    )


def _size(checkpoint: Checkpoint) -> str | None:
    """Where it is not known exactly, the note may tell it."""
    return None if checkpoint.size is None and checkpoint.note else size_of(checkpoint.size)


def _in_folder(folder: Path) -> tuple[Path, ...]:
    for name in _IN_FOLDER:
        path = folder / name
        if path.is_file():
            return _shards(path) if name.endswith(".index.json") else (path,)
    raise InputError(
        f"Expected a folder with weights but found none of {', '.join(_IN_FOLDER)}.",
        where=str(folder),
        next_step="name the file itself",
    )


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"Expected an index of shards with a weight_map but could not read it: {error}", where=str(index)
        ) from error
    shards = tuple(index.parent / str(name) for name in sorted(names, key=str))
    missing = [path.name for path in shards if path.parent != index.parent or not path.is_file()]
    if missing or not shards:
        raise InputError(
            f"Expected all shards that the index names beside it but lack {', '.join(missing) or 'any'}.",
            where=str(index),
        )
    return shards
