"""deit-lit: an ImageNet-trained DeiT-tiny and a text tower that was mapped onto its features."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from rationale_cli.contracts import Part, PluginOptions, Preprocessing
from rationale_cli.errors import InputError

from .text import CachedTexts, MiniLm

ROOT_VARIABLE = "DEIT_LIT_WEIGHTS"


class DeitLit(nn.Module):
    """Image: CLS after the final norm, centred. Text: MiniLM, centred and mapped. logit = 20 · cosine.

    Locked-image tuning (Zhai et al. 2022) in its simplest form: the map is a ridge regression from class
    names to the class rows of DeiT's own head.
    """

    class Options(PluginOptions):
        """Where the weights are."""

        root: Path | None = None
        """Folder with ``deit_tiny`` and ``deit_lit``; by default the variable DEIT_LIT_WEIGHTS."""

    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ft": {"method.lr": 3e-5},
        "flcp": {"method.lr": 3e-5},
    }
    """A tower of this size takes a larger rate than CLIP's."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        root = _root(options.root)
        self.vit = timm.create_model("deit_tiny_patch16_224", pretrained=False, num_classes=0)
        weights = load_file(root / "deit_tiny" / "deit_tiny_timm_keys.safetensors")
        self.vit.load_state_dict(
            {name: value for name, value in weights.items() if not name.startswith("head")}
        )
        text_map = load_file(root / "deit_lit" / "text_map.safetensors")
        self.texts = MiniLm(text_map) if MiniLm.available() else CachedTexts(root / "deit_lit")
        self.register_buffer("image_mean", text_map["image_mean"])
        self.register_buffer("scale", torch.tensor(20.0))

    @property
    def preprocessing(self) -> Preprocessing:
        """224 pixels, bilinear, ImageNet's mean and standard deviation."""
        return Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), interpolation="bilinear")

    @property
    def logit_scale(self) -> Tensor:
        """20."""
        return self.scale

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """Patches of 16 pixels."""
        return height // 16, width // 16

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×224×224 → B×192."""
        return self.embed_images(images)

    def embed_images(self, images: Tensor) -> Tensor:
        """B×3×224×224 → B×192."""
        return self.vit.forward_features(images)[:, 0] - self.image_mean

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """Tokens of MiniLM with their mask, or numbers of texts whose features are at hand."""
        return self.texts.tokenize(texts)

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Tokens of N texts → N×192."""
        return self.texts(tokens)

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """The transformer for images; the text encoder, if it is there, for texts; the scale is fixed."""
        if part == "logit_scale":
            return iter(())
        return (self.texts if part == "embed_texts" else self.vit).parameters()


def _root(given: Path | None) -> Path:
    named = given or os.environ.get(ROOT_VARIABLE)
    if named is None or not (Path(named) / "deit_lit").is_dir():
        raise InputError(
            f"Expected the folder of deit-lit's weights but got {named}.",
            next_step=f"pass --set model.root=DIR or set {ROOT_VARIABLE}",
        )
    return Path(named)
