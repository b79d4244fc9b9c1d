"""Models to explain in the benchmarks. Weights are random: they do not change the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from rationale_plugins.models._vision import every_token
from rationale_plugins.models.albef import Albef, AlbefViTB16
from rationale_plugins.models.open_clip import ClipViTB16, ClipViTB32
from rationale_plugins.models.tiny_clip import TinyClip
from torch import Tensor, nn

from rationale_cli.contracts import VisionLanguageModel
from rationale_cli.toolkit.heads import TextClassifier, feature_width

CLASSES = 10
MODELS: Mapping[str, tuple[type[nn.Module], int]] = {
    "tiny-clip": (TinyClip, 64),
    "clip-vit-b-32": (ClipViTB32, 16),
    "clip-vit-b-16": (ClipViTB16, 8),
    "albef": (AlbefViTB16, 8),
}
"""Name → model and pictures a batch."""


@dataclass(frozen=True)
class Subject:
    """A classifier, a batch of pictures B×3×S×S and what is asked of them."""

    name: str
    classifier: TextClassifier
    general: TextClassifier | None
    """The same on the image tower as its library runs it; None for towers of our own."""
    images: Tensor
    targets: Tensor
    tokens: Mapping[str, Tensor]
    """One text for each class."""

    @property
    def visual(self) -> nn.Module | None:
        """The image tower of open_clip, which explainers of others take."""
        clip = getattr(self.classifier.model, "clip", None)
        return None if clip is None else clip.visual

    def plain(self) -> object:
        """The forward pass of the library without gradients: what all is compared with."""
        with torch.no_grad():
            return (self.general or self.classifier)(self.images)


class _General(TextClassifier):
    """A classifier on the library's own forward, of which the recorder knows nothing but its attention."""

    def __init__(
        self, model: VisionLanguageModel, vectors: Tensor, tower: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__(model, vectors)
        self._tower = tower

    def features(self, images: Tensor) -> Tensor:
        return self._tower(images)


def subject(name: str, device: torch.device) -> Subject:
    """Build one of ``MODELS`` with its batch."""
    torch.manual_seed(0)
    kind, batch = MODELS[name]
    model = kind(kind.Options(weights="none")).to(device).eval()
    size = model.preprocessing.size
    vectors = torch.randn(CLASSES, feature_width(model)).to(device)
    own, tower = TextClassifier(model, vectors).eval(), _tower(model)
    tokens = model.tokenize([f"a photo of thing {number}" for number in range(CLASSES)])
    return Subject(
        name,
        own,
        None if tower is None else _General(model, vectors, tower).eval(),
        torch.randn(batch, 3, size, size, device=device),
        torch.arange(batch, device=device) % CLASSES,
        {key: tensor.to(device) for key, tensor in tokens.items()},
    )


def _tower(model: nn.Module) -> Callable[[Tensor], Tensor] | None:
    if isinstance(model, Albef):
        return lambda images: model.vision_proj(every_token(model.visual_encoder, images)[:, 0])
    clip = getattr(model, "clip", None)
    return None if clip is None else clip.visual
