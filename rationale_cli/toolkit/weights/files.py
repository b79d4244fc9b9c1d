"""Tensors by name from files of weights. Nothing in a file is executed."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ...errors import InputError
from .torchscript import is_script, read_script

WRAPPERS = ("state_dict", "model")
"""Keys under which training checkpoints keep the model's own tensors."""

_DAMAGED = "it is damaged or incomplete: copy or make it again"
_PREFIX = "module."


def read_tensors(paths: Path | Sequence[Path], ignore: Collection[str] = ()) -> dict[str, Tensor]:
    """Tensors by name from a file, or from the shards of one model.

    Read are safetensors, what ``torch.save`` makes of a state dict or of a training checkpoint, and
    TorchScript archives (OpenAI's original ``.pt``). ``{"state_dict": …}`` and ``{"model": …}`` are unwrapped
    and a leading ``module.`` is taken off. Entries named in ``ignore`` are left out, whatever they hold.
    Tensors may be backed by the file: copy them (as ``load`` does) before the file changes.

    Raises ``InputError`` for a missing or damaged file, for one that holds more than tensors, and for a name
    that two shards hold.
    """
    found: dict[str, Tensor] = {}
    for path in [paths] if isinstance(paths, Path) else paths:
        tensors = _read(path, ignore)
        twice = sorted(found.keys() & tensors.keys())
        if twice:
            raise InputError(f"Expected each tensor once but {twice[0]!r} is there twice.", where=str(path))
        found.update(tensors)
    return found


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises ``InputError`` where it is missing or damaged."""
    _check_there(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"Expected a safetensors file but could not read it: {error}",
            where=str(path),
            next_step=_DAMAGED,
        ) from error


def _read(path: Path, ignore: Collection[str]) -> dict[str, Tensor]:
    _check_there(path)
    if path.suffix == ".safetensors":
        content: object = read_safetensors(path)
    elif is_script(path):
        content = read_script(path)
    else:
        content = _load(path)
    return _tensors(content, path, ignore)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise InputError("Expected a file of weights but there is none.", where=str(path))


def _load(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            # What torch wonders about a file comes before the error that says it.
            warnings.simplefilter("ignore")
            with torch.serialization.safe_globals(_left_behind()):
                # Mapped into memory: of a checkpoint with momentum copies, only what is used is read.
                return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"Expected a file of weights but could not read it: {_first_line(error)}",
            where=str(path),
            next_step=_DAMAGED,
        ) from error


class _Nothing:
    """Stands for an optimiser or a schedule: made of anything, it does and keeps nothing."""

    def __new__(cls, *_: object) -> _Nothing:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


def _empty(*_: object) -> dict[Any, Any]:
    return {}


@cache
def _left_behind() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Names of what training leaves beside the weights, with harmless stand-ins.

    Dassl's schedules hold others as objects, these the optimiser, and that its state in a ``defaultdict``.
    """
    kinds = torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler
    everything = (*vars(torch.optim).values(), *vars(torch.optim.lr_scheduler).values())
    classes = [one for one in everything if isinstance(one, type) and issubclass(one, kinds)]
    return [
        (_empty, "collections.defaultdict"),
        (_Nothing, "builtins.dict"),
        *((_Nothing, f"{one.__module__}.{one.__qualname__}") for one in classes),
    ]


def _tensors(content: object, path: Path, ignore: Collection[str]) -> dict[str, Tensor]:
    inner = _unwrapped(content)
    if not isinstance(inner, Mapping) or not inner:
        raise InputError(
            f"Expected a mapping of names to tensors but got {type(inner).__name__}.", where=str(path)
        )
    prefix = _PREFIX if all(str(name).startswith(_PREFIX) for name in inner) else ""
    named = {str(name).removeprefix(prefix): value for name, value in inner.items()}
    kept = {name: value for name, value in named.items() if name not in ignore}
    odd = [name for name, value in kept.items() if not isinstance(value, Tensor)]
    if odd:
        raise InputError(
            f"Expected tensors alone but {odd[0]!r} is {type(kept[odd[0]]).__name__}.",
            where=str(path),
            next_step="save the model's state dict, or a checkpoint with a 'state_dict' or 'model' in it",
        )
    return cast(dict[str, Tensor], kept)


def _unwrapped(content: object) -> Any:
    if isinstance(content, Mapping):
        for key in WRAPPERS:
            if isinstance(content.get(key), Mapping):
                return content[key]
    return content


def _refused(path: Path, error: Exception) -> InputError:
    """What torch's unpickler stumbled over. Its own message advises to let the file run what it wants."""
    needed = re.search(r"GLOBAL (\S+)", str(error))
    with path.open("rb") as file:
        is_pickle = file.read(1) == pickle.PROTO
    if not needed and not is_pickle and not zipfile.is_zipfile(path):
        return InputError(
            "Expected a file of weights but it is neither safetensors nor of torch.save.",
            where=str(path),
            next_step="look what it is: servers sometimes send a page instead of the file",
        )
    reason = f"it needs {needed[1]}" if needed else "it is a pickle of more than torch.save writes of tensors"
    return InputError(
        f"Expected tensors alone but the file asks for code to be run: {reason}",
        where=str(path),
        next_step="nothing was run; let its makers save the state dict alone: "
        "torch.save(model.state_dict(), FILE)",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
