"""ALBEF (Li et al. 2021) and BLIP (Li et al. 2022) of LAVIS.

Shapes: N texts, P pairs, L tokens of a text, T tokens of a picture, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from rationale_cli.contracts import Checkpoint
from rationale_cli.toolkit.weights import locate

from .adapter import LavisModel, LavisOptions
from .building import Shape, build_albef, build_blip
from .checkpoints import albef_tensors, blip_tensors


class LavisAlbef(LavisModel):
    """LAVIS's ``AlbefFeatureExtractor``. Its text encoder has no token types, unlike the original ALBEF."""

    class Options(LavisOptions):
        """Options of lavis-albef."""

        weights: str = "14m"
        """``14m`` or ``4m`` (the original checkpoints, by their number of training pictures), ``none``
        (random, from the run's seed), or a file of the original code or of LAVIS."""

    def __init__(self, options: Options, shape: Shape | None = None) -> None:
        shape = shape or Shape(options.image_size)
        super().__init__(build_albef(shape, longest=30), shape, options.squash)
        self.read(locate(options.weights, self.published(options), "lavis-albef"))

    @classmethod
    def published(cls, options: Options) -> Mapping[str, Checkpoint]:
        """The original checkpoints of pre-training."""
        folder = "https://storage.googleapis.com/sfr-pcl-data-research/ALBEF"
        return {
            "14m": Checkpoint(f"{folder}/ALBEF.pth", note="pre-trained on 14 M pictures; the paper's"),
            "4m": Checkpoint(f"{folder}/ALBEF_4M.pth", note="pre-trained on 4 M pictures"),
        }

    def _named(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return albef_tensors(tensors, self.lavis.visual_encoder)

    @property
    def _bert(self) -> Any:
        """Of a text alone it runs the layers before the fusion."""
        return self.lavis.text_encoder.bert

    def _fused_states(self, image_tokens: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """The fusion layers over the text's states."""
        return self._states(
            tokens["attention_mask"],
            encoder_embeds=self._text_states(tokens),
            encoder_hidden_states=image_tokens,
            encoder_attention_mask=_all(image_tokens),
            mode="fusion",
        )

    def _fusion_parameters(self) -> Iterator[nn.Parameter]:
        """The layers from the fusion on."""
        first = self._bert.config.fusion_layer
        return chain.from_iterable(layer.parameters() for layer in self._bert.encoder.layer[first:])


class LavisBlip(LavisModel):
    """LAVIS's ``BlipFeatureExtractor``."""

    class Options(LavisOptions):
        """Options of lavis-blip."""

        weights: str = "129m"
        """``129m`` (the paper's), ``129m-capfilt`` (trained on cleaned captions), ``none`` (random, from the
        run's seed), or a file of the original code or of LAVIS."""

    def __init__(self, options: Options, shape: Shape | None = None) -> None:
        shape = shape or Shape(options.image_size)
        super().__init__(build_blip(shape, longest=35), shape, options.squash)
        self.read(locate(options.weights, self.published(options), "lavis-blip"))

    @classmethod
    def published(cls, options: Options) -> Mapping[str, Checkpoint]:
        """The original checkpoints of pre-training."""
        folder = "https://storage.googleapis.com/sfr-vision-language-research/BLIP/models"
        return {
            "129m": Checkpoint(f"{folder}/model_base.pth", note="pre-trained on 129 M pictures; the paper's"),
            "129m-capfilt": Checkpoint(
                f"{folder}/model_base_capfilt_large.pth",
                note="pre-trained on 129 M pictures, captions by CapFilt-L",
            ),
        }

    def _named(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return blip_tensors(tensors, self.lavis.visual_encoder)

    @property
    def _bert(self) -> Any:
        """Of a text alone it runs all layers, without their cross-attention."""
        return self.lavis.text_encoder

    def _fused_states(self, image_tokens: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """All layers with cross-attention, the text marked as one to encode."""
        ids = tokens["input_ids"].clone()
        ids[:, 0] = self.lavis.tokenizer.enc_token_id
        return self._states(
            tokens["attention_mask"],
            input_ids=ids,
            encoder_hidden_states=image_tokens,
            encoder_attention_mask=_all(image_tokens),
        )

    def _fusion_parameters(self) -> Iterator[nn.Parameter]:
        """The cross-attention of every layer."""
        return chain.from_iterable(layer.crossattention.parameters() for layer in self._bert.encoder.layer)


def _all(tokens: Tensor) -> Tensor:
    """Every token takes part: ones, B×T."""
    return torch.ones(tokens.shape[:2], dtype=torch.long, device=tokens.device)
