"""What names of tensors tell."""

from __future__ import annotations

from collections.abc import Collection

_HEADS = ("classifier", "classification_head", "head", "fc", "linear")
"""How a linear head beside an encoder is called."""


def head_of(names: Collection[str]) -> str | None:
    """The head's name where a whole network of encoder and linear head is saved; None where there is none."""
    found = [head for head in _HEADS if f"{head}.weight" in names]
    alone = found and all(name.partition(".")[0] == found[0] for name in names)
    return found[0] if len(found) == 1 and not alone else None
