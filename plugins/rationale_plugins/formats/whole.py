"""All weights of a CLIP: a zero-shot classifier by tuned towers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from rationale_cli.contracts import Fitted, ForeignCheckpoint, Part, Restored, Task
from rationale_cli.toolkit.weights import tuned_weights

from ._names import head_of

WHOLE: tuple[Part, ...] = ("embed_images", "embed_texts", "logit_scale")


class _Whole:
    """Both towers and the scale; class vectors are those of the class names by the tuned text tower."""

    methods: ClassVar[tuple[str, ...]] = ("rationale:flcp",)

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """The scale is the checkpoint's."""
        return {"temperature": "learned"}

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """See ``tuned_weights``."""
        return Restored(tuned_weights(fitted.classifier, checkpoint.tensors, WHOLE))


class OpenClipFormat(_Whole):
    """What open_clip's training saves, a plain state dict of its models, and FLYP's encoder (``model.``)."""

    expects: ClassVar[str] = (
        "both towers of CLIP as open_clip names them (visual.…, token_embedding.weight, logit_scale)"
    )

    def knows(self, names: Collection[str]) -> bool:
        """An image tower ``visual`` and a table of words, no head."""
        parts = [name.split(".") for name in names]
        both = any("visual" in one[:-1] for one in parts) and any("token_embedding" in one for one in parts)
        return both and head_of(names) is None


class TransformersFormat(_Whole):
    """What ``save_pretrained`` of a ``CLIPModel`` writes."""

    expects: ClassVar[str] = "both towers of CLIP as transformers names them (vision_model.…, text_model.…)"

    def knows(self, names: Collection[str]) -> bool:
        """Both towers, no head."""
        parts = [name.split(".")[:-1] for name in names]
        both = all(any(tower in one for one in parts) for tower in ("vision_model", "text_model"))
        adapted = any(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in names)
        return both and not adapted and head_of(names) is None
