"""Prompt learners of the released codes, as Dassl saves them: what is in them, and for which classes.

Shapes: C classes, L tokens of a text, W width of a token.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from torch import Tensor

from rationale_cli.contracts import Fitted, ForeignCheckpoint, PromptLearnable, Task
from rationale_cli.errors import InputError

SURROUNDINGS = ("token_prefix", "token_suffix")
"""Embeddings before and after the context: of the class names that it was trained with."""
_CLOSE = 1e-3
"""Embeddings are some 0.01 to 0.05 large and often stored in half precision."""


def _prefix(names: Collection[str]) -> str | None:
    """What stands before ``ctx``; None where there is no one context."""
    found = [name for name in names if name.rpartition(".")[2] == "ctx"]
    return found[0].removesuffix("ctx") if len(found) == 1 else None


def learner_names(names: Collection[str]) -> set[str]:
    """Names within the prompt learner; empty where there is none."""
    prefix = _prefix(names)
    if prefix is None:
        return set()
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def in_towers(names: Collection[str]) -> bool:
    """Whether learned tokens stand in a tower, too."""
    return any(name.rpartition(".")[2] in ("VPT", "VPT_shallow") for name in names)


def learner_tensors(checkpoint: ForeignCheckpoint) -> dict[str, Tensor]:
    """Its tensors. Raises ``InputError`` where there is none."""
    prefix = _prefix(checkpoint.tensors)
    if prefix is None:
        raise InputError("Expected a context ctx but there is none.", where=str(checkpoint.path))
    tensors = checkpoint.tensors.items()
    return {name.removeprefix(prefix): one for name, one in tensors if name.startswith(prefix)}


def filler(tokens: int) -> str:
    """Words of one token each, which stand for a context that begins at random."""
    return " ".join(["X"] * tokens)


def class_notes(checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task, lead: str) -> tuple[str, ...]:
    """Which classes had other names when the context was trained, as far as the file tells.

    ``lead``: the words before the names, as many tokens as the context or more. Raises ``InputError`` for
    another number of classes.
    """
    given = learner_tensors(checkpoint).get("token_suffix")
    if given is None:
        return ("The checkpoint does not tell its classes: they are taken to be the data's, in their order.",)
    if len(given) != len(task.classnames):
        raise InputError(
            f"Expected a prompt of the data's {len(task.classnames)} classes but it was trained with "
            f"{len(given)}.",
            where=str(checkpoint.path),
            next_step="choose the data that it was trained with (--dataset, --data)",
        )
    model = cast(PromptLearnable, fitted.classifier.model)
    tokens = model.tokenize([f"{lead} {name}." for name in task.classnames])
    device = model.logit_scale.device
    own = model.token_embeddings({key: one.to(device) for key, one in tokens.items()}).cpu()
    if own.shape[-1] != given.shape[-1]:
        raise InputError(
            f"Expected a prompt of a text tower of width {own.shape[-1]} but it is {given.shape[-1]} wide.",
            where=str(checkpoint.path),
            next_step="choose the model that it was trained for (--model)",
        )
    length = min(given.shape[1], own.shape[1])
    away = (own[:, -length:] - given[:, -length:].float()).abs().amax(dim=(1, 2))
    other = [name for name, far in zip(task.classnames, (away > _CLOSE).tolist(), strict=True) if far]
    if not other:
        return ()
    more = f" and {len(other) - 5} more" if len(other) > 5 else ""
    return (
        f"The context was trained with other names of {len(other)} of {len(given)} classes, or by another "
        f"text tower: {', '.join(other[:5])}{more}. See that the order of the classes is the same.",
    )
