"""One file of weights that its publisher may have stored under one name or another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from rationale_cli.contracts import Checkpoint
from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import cached, fetched, size_of


def full_precision(module: nn.Module) -> str:
    """How large a file of a module's weights is, where nobody states it."""
    return f"some {size_of(4 * sum(one.numel() for one in module.parameters()))} in full precision"


def likeliest(alternatives: Sequence[Checkpoint]) -> Checkpoint:
    """The first that is on this machine, else the first."""
    return next((one for one in alternatives if cached(one) is not None), alternatives[0])


def fetched_any(alternatives: Sequence[Checkpoint], what: str) -> Path:
    """The file of the first that can be had; see ``rationale_cli.toolkit.weights.fetched``.

    Raises ``InputError`` about the likeliest where none can.
    """
    likely = likeliest(alternatives)
    try:
        return fetched(likely, what)
    except InputError as error:
        for other in alternatives:
            if other == likely:
                continue
            try:
                return fetched(other, what)
            except InputError:
                continue
        raise error
