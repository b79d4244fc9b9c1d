"""Learned prompts as the released codes of CoOp, KgCoOp, ProGrad and MaPLe save them, by Dassl.

Shapes: C classes, M or n tokens of a context, L tokens of a text, W width of a token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, cast

from torch import Tensor

from rationale_cli.contracts import Fitted, ForeignCheckpoint, PromptLearnable, Restored, Task
from rationale_cli.errors import InputError

_SURROUNDINGS = ("token_prefix", "token_suffix")
"""Embeddings before and after the context: of the class names that it was trained with."""
_DEEPER = re.compile(r"compound_prompts_text\.(\d+)")
_MAPS = re.compile(r"(proj|compound_prompt_projections\.\d+)\.(weight|bias)")
_CLOSE = 1e-3
"""Embeddings are some 0.01 to 0.05 large and often stored in half precision."""


class CoOpFormat:
    """A context around the class names; its classes must be the data's, in their order."""

    expects: ClassVar[str] = (
        "a prompt learner of CoOp, KgCoOp or ProGrad (prompt_learner.ctx or ctx, token_prefix, token_suffix)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:coop", "rationale:kgcoop", "rationale:prograd")

    def knows(self, names: Collection[str]) -> bool:
        """A context, and nothing else that was learned."""
        learner = _learner(names)
        return "ctx" in learner and learner <= {"ctx", *_SURROUNDINGS}

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """The context's length, and whether each class has its own."""
        context = _of_learner(checkpoint)["ctx"]
        specific = {"class_specific": context.ndim > 2} if method == self.methods[0] else {}
        return {"context": context.shape[-2], "words": "", **specific}

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """The context. Raises ``InputError`` for another number of classes."""
        learner = _of_learner(checkpoint)
        context = learner["ctx"]
        filler = " ".join(["X"] * context.shape[-2])
        return Restored({"context": context}, _notes(checkpoint, learner, fitted, task, filler))


class MaPLeFormat:
    """Prompts of both towers, those of pictures by maps of those of texts."""

    expects: ClassVar[str] = (
        "MaPLe's prompts (prompt_learner.ctx, prompt_learner.proj.weight, "
        "prompt_learner.compound_prompts_text.N, prompt_learner.compound_prompt_projections.N.weight)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:maple",)

    def knows(self, names: Collection[str]) -> bool:
        """A context with its map, and nothing that is not MaPLe's."""
        learner = _learner(names)
        rest = learner - {"ctx", *_SURROUNDINGS}
        known = all(_DEEPER.fullmatch(one) or _MAPS.fullmatch(one) for one in rest)
        return {"ctx", "proj.weight"} <= learner and known

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """Tokens of each prompt, and in how many blocks they stand."""
        learner = _of_learner(checkpoint)
        return {
            "context": learner["ctx"].shape[0],
            "depth": 1 + sum(map(bool, map(_DEEPER.fullmatch, learner))),
        }

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """Prompts and maps. Raises ``InputError`` for another number of classes."""
        learner = _of_learner(checkpoint)
        tensors = {}
        for name, one in learner.items():
            if name == "ctx":
                tensors["learned.texts.0"] = one
            elif deeper := _DEEPER.fullmatch(name):
                tensors[f"learned.texts.{int(deeper[1]) + 1}"] = one
            elif _MAPS.fullmatch(name):
                place, _, last = name.removeprefix("compound_prompt_projections.").rpartition(".")
                tensors[f"learned.maps.{0 if place == 'proj' else int(place) + 1}.{last}"] = one
        return Restored(tensors, _notes(checkpoint, learner, fitted, task, "a photo of a"))


def _prefix(names: Collection[str]) -> str | None:
    """What stands before ``ctx``; None where there is no one context."""
    found = [name for name in names if name.rpartition(".")[2] == "ctx"]
    return found[0].removesuffix("ctx") if len(found) == 1 else None


def _learner(names: Collection[str]) -> set[str]:
    """Names of the prompt learner; empty where there is none, or where prompts stand in a tower too."""
    prefix = _prefix(names)
    if prefix is None or any("VPT" in name for name in names):
        return set()
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def _of_learner(checkpoint: ForeignCheckpoint) -> dict[str, Tensor]:
    """Its tensors. Raises ``InputError`` where there is none."""
    prefix = _prefix(checkpoint.tensors)
    if prefix is None:
        raise InputError("Expected a context ctx but there is none.", where=str(checkpoint.path))
    tensors = checkpoint.tensors.items()
    return {name.removeprefix(prefix): one for name, one in tensors if name.startswith(prefix)}


def _notes(
    checkpoint: ForeignCheckpoint, learner: Mapping[str, Tensor], fitted: Fitted, task: Task, lead: str
) -> tuple[str, ...]:
    """Which classes had other names when the context was trained, as far as the file tells.

    ``lead``: the words before the names, as many tokens as the context or more. Raises ``InputError`` for
    another number of classes.
    """
    given = learner.get("token_suffix")
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
