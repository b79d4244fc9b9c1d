"""Weights of open_clip models: fetched, read from a file that executes nothing, and checked name by name."""

from __future__ import annotations

import pickle
import socket
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.constants import ENDPOINT
from open_clip.constants import HF_SAFE_WEIGHTS_NAME
from open_clip.pretrained import get_pretrained_cfg
from torch import Tensor, nn

from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import read_safetensors

_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI's checkpoints carry among their tensors."""
_SHOWN = 12


def fetch_openai(architecture: str, module: nn.Module) -> Path:
    """OpenAI's weights of an open_clip architecture, from the hub's cache or else the Hugging Face hub.

    Raises ``InputError`` without network: which file, how large, and how to bring it by hand.
    """
    repository = str(get_pretrained_cfg(architecture, "openai")["hf_hub"]).strip("/")
    try:
        return _cached(repository) or _downloaded(repository)
    except (OSError, ValueError) as error:
        size = 4 * sum(parameter.numel() for parameter in module.parameters()) / 1e9
        raise InputError(
            f"Expected OpenAI's weights of {architecture} but they are not in the cache "
            f"and could not be fetched: {_first_line(error)}",
            where=f"{ENDPOINT}/{repository}/resolve/main/{HF_SAFE_WEIGHTS_NAME} ({size:.1f} GB)",
            next_step="try again with a network, or fetch that file elsewhere and pass it as "
            "--weights FILE; --weights none starts from random weights",
        ) from error


def read(path: Path) -> dict[str, Tensor]:
    """Tensors by name from safetensors, a state dict saved by ``torch.save``, or a training checkpoint.

    ``{"state_dict": …}`` is unwrapped and a leading ``module.`` taken off. Raises ``InputError`` for a
    missing or damaged file, and for one that holds more than tensors: nothing in it is executed.
    """
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if not path.is_file():
        raise InputError("Expected a file of weights but there is none.", where=str(path))
    try:
        with warnings.catch_warnings():
            # What torch wonders about a file comes before the error that says it.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"Expected tensors alone but the file asks for code to be run: {_first_line(error)}",
            where=str(path),
            next_step="save its state dict alone: torch.save(model.state_dict(), FILE)",
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"Expected a file of weights but could not read it: {_first_line(error)}",
            where=str(path),
            next_step=_advice(error, path),
        ) from error
    return _tensors(content, path)


def load(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into a module, in its own precision.

    Raises ``InputError`` with a table of every name that is missing, not known or of another shape.
    """
    given = {name: tensor for name, tensor in tensors.items() if name not in _NOT_WEIGHTS}
    expected = module.state_dict()
    scale = given.get("logit_scale")
    if scale is not None and scale.numel() == 1:
        # Some checkpoints store this one number as a vector.
        given["logit_scale"] = scale.reshape(expected["logit_scale"].shape)
    wrong = [
        (name, _shape(expected.get(name)), _shape(given.get(name)))
        for name in sorted(expected.keys() | given.keys())
        if _shape(expected.get(name)) != _shape(given.get(name))
    ]
    if wrong:
        raise InputError(
            f"Expected the weights of this architecture but {len(wrong)} of {len(expected)} tensors "
            f"do not fit:\n{_table(wrong)}",
            where=where,
            next_step="choose the model that the file belongs to",
        )
    module.load_state_dict(given)


def _cached(repository: str) -> Path | None:
    try:
        return Path(hf_hub_download(repository, HF_SAFE_WEIGHTS_NAME, local_files_only=True))
    except FileNotFoundError:
        return None


def _downloaded(repository: str) -> Path:
    if not getproxies():
        # The hub's client tries again for half a minute where there is no network at all.
        address = urlsplit(ENDPOINT)
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((str(address.hostname), port), timeout=10).close()
    return Path(hf_hub_download(repository, HF_SAFE_WEIGHTS_NAME))


def _tensors(content: object, path: Path) -> dict[str, Tensor]:
    inner = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(inner, Mapping) or not inner:
        raise InputError(
            f"Expected a mapping of names to tensors but got {type(inner).__name__}.", where=str(path)
        )
    odd = [
        name for name, value in inner.items() if not isinstance(value, Tensor) and name not in _NOT_WEIGHTS
    ]
    if odd:
        raise InputError(
            f"Expected tensors alone but {odd[0]!r} is {type(inner[odd[0]]).__name__}.",
            where=str(path),
            next_step="save the model's state dict, or a checkpoint with a 'state_dict' in it",
        )
    named = {
        name: value for name, value in cast(Mapping[str, Any], inner).items() if isinstance(value, Tensor)
    }
    prefix = "module."
    if all(name.startswith(prefix) for name in named):
        named = {name.removeprefix(prefix): value for name, value in named.items()}
    return named


def _advice(error: Exception, path: Path) -> str:
    if "TorchScript" in str(error):
        return (
            "this is a TorchScript archive, which holds code (OpenAI's own .pt files are): --weights openai "
            "takes the same weights as plain tensors; or, if you trust it, save its tensors once with "
            f"torch.save(torch.jit.load({path.name!r}).state_dict(), FILE)"
        )
    return "it is damaged or incomplete: copy it again"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]


def _shape(tensor: Tensor | None) -> str:
    if tensor is None:
        return "–"
    return "×".join(map(str, tensor.shape)) or "scalar"


def _table(rows: list[tuple[str, str, str]]) -> str:
    shown = [("tensor", "expected", "got"), *rows[:_SHOWN]]
    widths = [max(len(row[column]) for row in shown) for column in range(3)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
    if len(rows) > _SHOWN:
        lines.append(f"… and {len(rows) - _SHOWN} more")
    return "\n".join(lines)
