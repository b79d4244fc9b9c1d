"""Models to explain in the benchmarks. Weights are random: they do not change the time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from rationale_plugins.models._fusion_model import FusionModel
from rationale_plugins.models._vision import every_token
from rationale_plugins.models.albef import AlbefViTB16
from rationale_plugins.models.blip import BlipViTB16
from rationale_plugins.models.huggingface import HuggingFace
from rationale_plugins.models.open_clip import ClipViTB16, ClipViTB32
from rationale_plugins.models.tiny_clip import TinyClip
from rationale_plugins.models.tiny_fusion import TinyAlbef, TinyBlip
from torch import Tensor, nn
from transformers import SiglipConfig

from rationale_cli.contracts import Task, VisionLanguageModel
from rationale_cli.toolkit.heads import TextClassifier, WordedClassifier


def untrained(kind: Any) -> nn.Module:
    """A model of this class with random weights."""
    model: nn.Module = kind(kind.Options(weights="none"))
    return model


def siglip() -> nn.Module:
    """SigLIP 2 B/32 of 256 pixels without tokenizer; nothing here runs its text tower, which is a stub."""
    tower = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    }
    text = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    ends = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    configuration = SiglipConfig(
        vision_config={**tower, "image_size": 256, "patch_size": 32},
        text_config={**text, **ends, "vocab_size": 8, "projection_size": 768},
    )
    pictures = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 256, "width": 256}}
    with tempfile.TemporaryDirectory() as folder:
        configuration.save_pretrained(folder)
        told = json.dumps({"do_resize": True, "resample": 2, **pictures})
        (Path(folder) / "preprocessor_config.json").write_text(told, encoding="utf-8")
        return HuggingFace(HuggingFace.Options(repository=folder, weights="none"))


CLASSES = 10
MODELS: Mapping[str, tuple[Callable[[], nn.Module], int]] = {
    "tiny-clip": (partial(untrained, TinyClip), 64),
    "tiny-albef": (partial(untrained, TinyAlbef), 64),
    "tiny-blip": (partial(untrained, TinyBlip), 64),
    "clip-vit-b-32": (partial(untrained, ClipViTB32), 16),
    "clip-vit-b-16": (partial(untrained, ClipViTB16), 8),
    "siglip2-b-32": (siglip, 4),
    "albef": (partial(untrained, AlbefViTB16), 8),
    "blip": (partial(untrained, BlipViTB16), 8),
}
"""Name → model and pictures a batch."""
_TASK = Task(tuple(f"thing {number}" for number in range(CLASSES)), ("a photo of {}",))


@dataclass(frozen=True)
class Subject:
    """A classifier, a batch of pictures B×3×S×S and what is asked of them."""

    name: str
    classifier: TextClassifier
    general: TextClassifier | None
    """The same on the image tower as its library runs it; None for towers of our own."""
    images: Tensor
    targets: Tensor

    @cached_property
    def tokens(self) -> Mapping[str, Tensor]:
        """One text for each class."""
        tokens = self.classifier.model.tokenize([text for texts in _TASK.texts for text in texts])
        return {key: tensor.to(self.images.device) for key, tensor in tokens.items()}

    @cached_property
    def worded(self) -> WordedClassifier:
        """A classifier by the texts of the classes."""
        return WordedClassifier(self.classifier.model, _TASK).eval()

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
    build, batch = MODELS[name]
    model: Any = build().to(device).eval()
    size = model.preprocessing.size
    images = torch.randn(batch, 3, size, size, device=device)
    with torch.no_grad():
        vectors = torch.randn(CLASSES, model.embed_images(images[:1]).shape[-1]).to(device)
    own, tower = TextClassifier(model, vectors).eval(), _tower(model)
    return Subject(
        name,
        own,
        None if tower is None else _General(model, vectors, tower).eval(),
        images,
        torch.arange(batch, device=device) % CLASSES,
    )


def _tower(model: nn.Module) -> Callable[[Tensor], Tensor] | None:
    if isinstance(model, FusionModel):
        return lambda images: model.vision_proj(every_token(model.visual_encoder, images)[:, 0])
    clip = getattr(model, "clip", None)
    return None if clip is None else clip.visual
