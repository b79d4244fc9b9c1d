"""Tensors of TorchScript archives, read without running what they hold.

Such an archive is a zip file: ``data.pkl`` is a pickled tree of modules, ``data/N`` are the numbers,
``code/`` is the program. Here the tree is unpickled with stand-ins for everything that it may name, and the
program is left alone.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from ...errors import InputError

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_CONTAINERS = ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag")
"""Functions of ``torch.jit._pickle`` that return their first argument as it is, for our purpose."""


def is_script(path: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist())


def read_script(path: Path) -> dict[str, Tensor]:
    """The tensors of an archive, named as ``torch.jit.load(path).state_dict()`` names them.

    Plain tensor attributes of modules are among them. Raises ``InputError`` for a damaged archive and for
    one that asks for anything but tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            tree = _Reader(archive).load()
        if not isinstance(tree, _Module):
            raise _RefusedError(f"the archive is no module but {type(tree).__name__}")
        return dict(_named(tree, "", ()))
    except _RefusedError as error:
        raise InputError(
            f"Expected the tensors of a TorchScript archive but {error}.",
            where=str(path),
            next_step="nothing in it was run; get the file from its publisher, or its weights as safetensors",
        ) from error
    except Exception as error:  # damaged pickles raise anything
        raise InputError(
            f"Expected a TorchScript archive but could not read it: {type(error).__name__}: {error}",
            where=str(path),
            next_step="it is damaged or incomplete: copy it again",
        ) from error


class _RefusedError(Exception):
    """The archive asks for something that is not done."""


class _Module:
    """Stands for a module: its attributes, and none of its code."""

    def __init__(self) -> None:
        self.attributes: Mapping[str, object] = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, Mapping):
            raise _RefusedError(f"the state of a module is {type(state).__name__}")
        self.attributes = state


class _Reader(pickle.Unpickler):
    """Builds the tree of modules; whatever it does not know is refused."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        listed = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(listed) != 1:
            raise _RefusedError(f"there are {len(listed)} files data.pkl in it instead of one")
        self._root = listed[0].removesuffix("data.pkl")
        self._archive = archive
        self._read: dict[str, Tensor] = {}
        self._check_order()
        super().__init__(archive.open(listed[0]))

    def find_class(self, module: str, name: str) -> Any:
        """Stand-ins by name. They are made anew each time, since a pickle can change what it is given."""
        if module.partition(".")[0] == "__torch__":
            return type("_Module", (_Module,), {})
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _function(_rebuilt)
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch.jit._pickle" and name in _CONTAINERS:
            return _function(lambda content, *_: content)
        raise _RefusedError(f"it asks for {module}.{name}, which may run code")

    def persistent_load(self, identity: object) -> Tensor:
        """``("storage", type, key, device, length)`` → its numbers as a vector."""
        match identity:
            case ("storage", torch.dtype() as kind, str(key), str(), int(length)):
                return self._storage(kind, key, length)
        raise _RefusedError(f"it refers to {identity!r:.80}, which is no storage")

    def _storage(self, kind: torch.dtype, key: str, length: int) -> Tensor:
        if key not in self._read:
            info = self._archive.getinfo(f"{self._root}data/{key}")
            if info.compress_type != zipfile.ZIP_STORED:
                raise _RefusedError(f"the numbers of {info.filename} are compressed")
            data = bytearray(self._archive.read(info))
            self._read[key] = torch.frombuffer(data, dtype=kind) if data else torch.empty(0, dtype=kind)
        found = self._read[key]
        if (found.dtype, found.numel()) != (kind, length):
            raise _RefusedError(
                f"storage {key} holds {found.numel()} {found.dtype} instead of {length} {kind}"
            )
        return found

    def _check_order(self) -> None:
        name = f"{self._root}byteorder"
        if name in self._archive.namelist() and self._archive.read(name) != b"little":
            raise _RefusedError("its numbers are not in little-endian order")


def _function(does: Callable[..., object]) -> Callable[..., object]:
    """A new function: what a pickle does to it stays with it."""

    def stand_in(*arguments: object) -> object:
        return does(*arguments)

    return stand_in


def _rebuilt(
    storage: Tensor, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> Tensor:
    if prod(shape) > storage.numel():
        _refuse(f"a tensor of shape {shape} reads more than its {storage.numel()} numbers")
    return torch.as_strided(storage, shape, strides, offset)


def _refuse(reason: str) -> NoReturn:
    raise _RefusedError(reason)


def _named(module: _Module, prefix: str, above: tuple[_Module, ...]) -> Iterator[tuple[str, Tensor]]:
    if any(module is one for one in above):
        _refuse(f"module {prefix.rstrip('.')!r} contains itself")
    for name, value in module.attributes.items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _named(value, f"{prefix}{name}.", (*above, module))
