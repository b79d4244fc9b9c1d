"""Tensors on disk and their identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import InputError


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises ``InputError`` where it is missing or damaged."""
    if not path.is_file():
        raise InputError("Expected a file of weights but there is none.", where=str(path))
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"Expected a safetensors file but could not read it: {error}",
            where=str(path),
            next_step="it is damaged or incomplete: copy or make it again",
        ) from error


def fingerprint(module: nn.Module) -> str:
    """SHA-256 over names, shapes and values of all tensors: the same weights, the same fingerprint."""
    return _digest(module.state_dict())


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
