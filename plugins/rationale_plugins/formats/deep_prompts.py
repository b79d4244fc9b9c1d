"""Learned prompts in several blocks as the released codes of MaPLe, CoPrompt and PromptSRC save them.

Shapes: n tokens of a prompt, W width of a token.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from torch import Tensor

from rationale_cli.contracts import Fitted, ForeignCheckpoint, Restored, Task
from rationale_cli.errors import InputError

from ._learner import SURROUNDINGS, class_notes, filler, in_towers, learner_names, learner_tensors

_WORDS, _MOST = "a photo of a", 4
"""What the released codes begin with, unless the prompt is longer: then it begins at random."""
_DEEPER = re.compile(r"compound_prompts_text\.(\d+)")
_MAPS = re.compile(r"(proj|compound_prompt_projections\.\d+)\.(weight|bias)")
_ADAPTERS = {
    f"adapter_{tower}.fc.{layer}.weight": f"learned.{tower}_adapter.{layer}.weight"
    for tower in ("image", "text")
    for layer in (0, 2)
}
"""CoPrompt's names there → names here; behind each layer there is a ReLU."""
_FIRST = "image_encoder.VPT"
_BLOCK = re.compile(r"(image|text)_encoder\.transformer\.resblocks\.(\d+)\.VPT_shallow")
"""Of independent prompts the first of the pictures, and those of later blocks."""


class MaPLeFormat:
    """Prompts of both towers, those of pictures by maps of those of texts."""

    expects: ClassVar[str] = (
        "MaPLe's prompts (prompt_learner.ctx, prompt_learner.proj.weight, "
        "prompt_learner.compound_prompts_text.N, prompt_learner.compound_prompt_projections.N.weight)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:maple",)

    def knows(self, names: Collection[str]) -> bool:
        """A context with its map, and nothing that is not MaPLe's."""
        return _coupled(names) and not _ADAPTERS.keys() & set(names)

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """Tokens of each prompt, and in how many blocks they stand."""
        learner = learner_tensors(checkpoint)
        return _opening(len(learner["ctx"]), 1 + sum(map(bool, map(_DEEPER.fullmatch, learner))))

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """Prompts and maps. Raises ``InputError`` for another number of classes."""
        learner = learner_tensors(checkpoint)
        tensors = {}
        for name, one in learner.items():
            if name == "ctx":
                tensors["learned.texts.0"] = one
            elif deeper := _DEEPER.fullmatch(name):
                tensors[f"learned.texts.{int(deeper[1]) + 1}"] = one
            elif _MAPS.fullmatch(name):
                place, _, last = name.removeprefix("compound_prompt_projections.").rpartition(".")
                tensors[f"learned.maps.{0 if place == 'proj' else int(place) + 1}.{last}"] = one
        return Restored(tensors, class_notes(checkpoint, fitted, task, _lead(len(learner["ctx"]))))


class CoPromptFormat(MaPLeFormat):
    """MaPLe's prompts, and an adapter behind each encoder."""

    expects: ClassVar[str] = (
        "CoPrompt's prompts (as MaPLe's, with adapter_image.fc.N.weight and adapter_text.fc.N.weight)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:coprompt",)

    def knows(self, names: Collection[str]) -> bool:
        """MaPLe's prompts and both adapters."""
        return _coupled(names) and _ADAPTERS.keys() <= set(names)

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """Prompts, maps and adapters. Raises ``InputError`` for another number of classes."""
        found = super().restore(checkpoint, fitted, task)
        adapters = {own: checkpoint.tensors[name] for name, own in _ADAPTERS.items()}
        return found._replace(tensors={**found.tensors, **adapters})


class PromptSRCFormat:
    """Prompts of each tower, its own, as PromptSRC and other independent prompting saves them."""

    expects: ClassVar[str] = (
        "PromptSRC's prompts (prompt_learner.ctx, image_encoder.VPT, image_encoder.transformer.resblocks.N."
        "VPT_shallow, text_encoder.transformer.resblocks.N.VPT_shallow)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:promptsrc",)

    def knows(self, names: Collection[str]) -> bool:
        """A context without a map, and tokens in the image tower."""
        learner = learner_names(names)
        return "ctx" in learner and "proj.weight" not in learner and _FIRST in names

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """Tokens of each prompt, and in how many blocks they stand.

        Raises ``InputError`` where the towers differ in either: both have the same here.
        """
        texts, images = _independent(checkpoint)
        shapes = [[len(one) for one in prompts] for prompts in (texts, images)]
        if shapes[0] != shapes[1]:
            raise InputError(
                "Expected as many prompts in the text tower as in the image tower, of as many tokens, but "
                f"they have {shapes[0]} and {shapes[1]} tokens, block by block.",
                where=str(checkpoint.path),
            )
        return _opening(len(texts[0]), len(texts))

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """The prompts, averaged over the epochs as they are. Raises as ``options`` and ``class_notes`` do."""
        texts, images = _independent(checkpoint)
        tensors = {f"learned.texts.{place}": one for place, one in enumerate(texts)}
        tensors |= {f"learned.images.{place}": one for place, one in enumerate(images)}
        return Restored(tensors, class_notes(checkpoint, fitted, task, _lead(len(texts[0]))))


def _coupled(names: Collection[str]) -> bool:
    """A context with its map, and nothing in learner and towers that is not MaPLe's."""
    learner = learner_names(names)
    rest = learner - {"ctx", *SURROUNDINGS}
    known = all(_DEEPER.fullmatch(one) or _MAPS.fullmatch(one) for one in rest)
    return {"ctx", "proj.weight"} <= learner and known and not in_towers(names)


def _independent(checkpoint: ForeignCheckpoint) -> tuple[list[Tensor], list[Tensor]]:
    """Prompts of texts and of pictures, block by block."""
    tensors = checkpoint.tensors
    texts, images = ([tensors[name] for name in _deeper(tensors, tower)] for tower in ("text", "image"))
    return [learner_tensors(checkpoint)["ctx"], *texts], [tensors[_FIRST], *images]


def _deeper(names: Collection[str], tower: str) -> list[str]:
    """Names of a tower's prompts from the second block on, in the order of the blocks."""
    found = {int(one[2]): one[0] for one in map(_BLOCK.fullmatch, names) if one and one[1] == tower}
    return [found[place] for place in sorted(found)]


def _opening(tokens: int, depth: int) -> dict[str, Any]:
    """Options of prompts of so many tokens in so many blocks."""
    return {"context": tokens, "depth": depth, **({"words": ""} if tokens > _MOST else {})}


def _lead(tokens: int) -> str:
    """What stands before the class name."""
    return filler(tokens) if tokens > _MOST else _WORDS
