"""Tensors into a module, name by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...errors import InputError

_SHOWN = 12
_NONE = "–"


def load(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into a module, in the module's own precision.

    Raises ``InputError`` with a table of every name that is missing, not known or of another shape, and then
    leaves the module as it was.
    """
    expected = module.state_dict()
    wrong = [
        (name, _shape(expected.get(name)), _shape(tensors.get(name)))
        for name in sorted(expected.keys() | tensors.keys())
        if _shape(expected.get(name)) != _shape(tensors.get(name))
    ]
    if wrong:
        raise InputError(
            f"Expected the weights of this architecture but {len(wrong)} of {len(expected)} tensors do "
            f"not fit ({_counted(wrong)}):\n{_table(wrong)}",
            where=where,
            next_step="choose the model that the file belongs to",
        )
    module.load_state_dict(dict(tensors))


def fingerprint(module: nn.Module) -> str:
    """SHA-256 over names, shapes and values of all tensors: the same weights, the same fingerprint."""
    state, digest = module.state_dict(), hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _counted(wrong: list[tuple[str, str, str]]) -> str:
    missing = sum(got == _NONE for _, _, got in wrong)
    unexpected = sum(expected == _NONE for _, expected, _ in wrong)
    kinds = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": len(wrong) - missing - unexpected,
    }
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)


def _shape(tensor: Tensor | None) -> str:
    if tensor is None:
        return _NONE
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
