"""Learned contexts as the released codes of CoOp, KgCoOp, ProGrad and CoCoOp save them.

Shapes: C classes, M tokens of a context, W width of a token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from rationale_cli.contracts import Fitted, ForeignCheckpoint, Restored, Task

from ._learner import SURROUNDINGS, class_notes, filler, in_towers, learner_names, learner_tensors


class CoOpFormat:
    """A context around the class names; its classes must be the data's, in their order."""

    expects: ClassVar[str] = (
        "a prompt learner of CoOp, KgCoOp or ProGrad (prompt_learner.ctx or ctx, token_prefix, token_suffix)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:coop", "rationale:kgcoop", "rationale:prograd")

    def knows(self, names: Collection[str]) -> bool:
        """A context, and nothing else that was learned."""
        learner = learner_names(names)
        return "ctx" in learner and learner <= {"ctx", *SURROUNDINGS} and not in_towers(names)

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """The context's length, and whether each class has its own."""
        context = learner_tensors(checkpoint)["ctx"]
        specific = {"class_specific": context.ndim > 2} if method == self.methods[0] else {}
        return {"context": context.shape[-2], "words": "", **specific}

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """The context. Raises ``InputError`` for another number of classes."""
        context = learner_tensors(checkpoint)["ctx"]
        return Restored(
            {"context": context}, class_notes(checkpoint, fitted, task, filler(context.shape[-2]))
        )


class CoCoOpFormat:
    """A context and the bottleneck by which pictures move it."""

    expects: ClassVar[str] = (
        "a prompt learner of CoCoOp (prompt_learner.ctx or ctx, meta_net.linear1.weight, "
        "meta_net.linear2.weight)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:cocoop",)

    def knows(self, names: Collection[str]) -> bool:
        """A context, the bottleneck, and nothing else that was learned."""
        learner = learner_names(names)
        return {"ctx", *_BOTTLENECK} <= learner <= {"ctx", *_BOTTLENECK, *SURROUNDINGS}

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """The context's length."""
        return {"context": len(learner_tensors(checkpoint)["ctx"]), "words": ""}

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """Context and bottleneck. Raises ``InputError`` for another number of classes."""
        learner = learner_tensors(checkpoint)
        context = learner["ctx"]
        bottleneck = {own: learner[name] for name, own in _BOTTLENECK.items()}
        notes = class_notes(checkpoint, fitted, task, filler(len(context)))
        return Restored({"context": context, **bottleneck}, notes)


_BOTTLENECK = {
    f"meta_net.linear{place}.{kind}": f"meta_net.{own}.{kind}"
    for place, own in ((1, 0), (2, 2))
    for kind in ("weight", "bias")
}
"""Names there → names here; between both layers there is a ReLU."""
