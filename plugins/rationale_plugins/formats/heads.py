"""Linear heads, on the frozen encoder or with the encoder that was tuned with them.

Shapes: C classes, F features.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from rationale_cli.contracts import Fitted, ForeignCheckpoint, Part, Restored, Task
from rationale_cli.errors import InputError
from rationale_cli.toolkit.heads import LinearClassifier
from rationale_cli.toolkit.weights import tuned_weights

from ._names import head_of


class LinearFormat:
    """A linear head alone, ``torch.save(head.state_dict())``."""

    expects: ClassVar[str] = "a linear head alone (weight C×F and, if it has one, bias C)"
    methods: ClassVar[tuple[str, ...]] = ("rationale:lp",)

    def knows(self, names: Collection[str]) -> bool:
        """One weight, and nothing beside it but its bias."""
        prefixes = {name.rpartition(".")[0] for name in names}
        last = {name.rpartition(".")[2] for name in names}
        return len(prefixes) == 1 and "weight" in last and last <= {"weight", "bias"}

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """None."""
        return {}

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """The head. Raises ``InputError`` for another number of classes or features."""
        (prefix,) = {name.rpartition("weight")[0] for name in checkpoint.tensors if name.endswith("weight")}
        return Restored(_head(checkpoint, f"{prefix}weight", fitted, task))


class EncoderHeadFormat:
    """Encoder and linear head, as in the paper's released code."""

    expects: ClassVar[str] = (
        "a tuned image encoder with a linear head (clip_feature_extractor.… or any other prefix; "
        "classifier.weight, head.weight or fc.weight C×F)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:ft", "rationale:lp-ft", "rationale:wise-ft")
    part: ClassVar[Part] = "image_features"

    def knows(self, names: Collection[str]) -> bool:
        """A head and more, but not WiSE-FT's."""
        head = head_of(names)
        return head is not None and head != _OF_WISE_FT

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """None; of WiSE-FT that nothing is averaged any more."""
        return {"alpha": 1.0} if method == "rationale:wise-ft" else {}

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """Encoder and head. Raises ``InputError`` as ``tuned_weights`` does, and for another head."""
        name = head_of(checkpoint.tensors)
        if name is None:
            raise InputError(
                "Expected a linear head (classifier.weight) beside the encoder.", where=str(checkpoint.path)
            )
        head = _head(checkpoint, f"{name}.weight", fitted, task)
        encoder = {key: one for key, one in checkpoint.tensors.items() if key.partition(".")[0] != name}
        return Restored(tuned_weights(fitted.classifier, encoder, (self.part,)) | head)


class WiseFtFormat(EncoderHeadFormat):
    """The state dict of WiSE-FT's and FLYP's ``ImageClassifier``; its head reads features of unit length."""

    expects: ClassVar[str] = (
        "the state dict of WiSE-FT's or FLYP's ImageClassifier (image_encoder.model.visual.…, "
        "classification_head.weight C×F)"
    )
    methods: ClassVar[tuple[str, ...]] = ("rationale:wise-ft", "rationale:ft", "rationale:lp-ft")
    part: ClassVar[Part] = "embed_images"

    def knows(self, names: Collection[str]) -> bool:
        """By the name of its head."""
        return head_of(names) == _OF_WISE_FT


_OF_WISE_FT = "classification_head"


def _head(checkpoint: ForeignCheckpoint, name: str, fitted: Fitted, task: Task) -> dict[str, Tensor]:
    """Weight and bias; a bias that the file lacks is 0."""
    own = cast(LinearClassifier, fitted.classifier).head
    weight = checkpoint.tensors[name]
    if weight.shape != own.weight.shape:
        raise InputError(
            f"Expected a head of {'×'.join(map(str, own.weight.shape))}, for the data have "
            f"{len(task.classnames)} classes and the model {own.in_features} features, but {name} is "
            f"{'×'.join(map(str, weight.shape))}.",
            where=str(checkpoint.path),
            next_step="choose the data (--dataset, --data) and the model that the head was trained for",
        )
    bias = checkpoint.tensors.get(f"{name.removesuffix('weight')}bias", torch.zeros(len(weight)))
    return {"head.weight": weight, "head.bias": bias}
