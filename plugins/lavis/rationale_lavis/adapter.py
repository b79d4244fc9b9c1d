"""One of LAVIS's feature extractors behind the contract of models.

Shapes: B pictures, N texts, P pairs, S pixels, L tokens of a text, T tokens of a picture, W width,
D joint embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import Part, PluginOptions, Preprocessing
from rationale_cli.toolkit.texts import refuse_longer
from rationale_cli.toolkit.weights import load, read_tensors

from .building import Shape

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_RESIZED, _CROPPED = 256, 224
"""The evaluation view of the paper: short side to 256, a crop of 224; other sizes in proportion."""
_COLDEST, _WARMEST = 0.001, 0.5
"""Range to which LAVIS's training clamps the temperature."""


class LavisOptions(PluginOptions):
    """Options of both models."""

    image_size: int = Field(default=224, ge=32, multiple_of=16)
    """Side of the input in pixels; position embeddings are interpolated."""
    squash: bool = False
    """Prepare pictures as LAVIS's own evaluation: both sides resized, nothing cropped. Else as the native
    models and the paper: the short side to 256, a crop of 224."""


class LavisModel(nn.Module, ABC):
    """A ``PromptLearnable`` with ``Matching`` over one of LAVIS's feature extractors.

    ``lavis``: the extractor with fused attention in its image tower and an ``itm_head``
    (``building.build_albef``, ``build_blip``); its own methods work as ever.
    """

    # As the native models': the paper's rates for Stanford-Dogs.
    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ft": {"method.lr": 3e-5},
        "flcp": {"method.lr": 3e-5, "method.temperature": "learned"},
    }

    def __init__(self, lavis: nn.Module, shape: Shape, squash: bool = False) -> None:
        super().__init__()
        self.lavis: Any = lavis
        self.shape = shape
        self.squash = squash
        self.weights_files: tuple[Path, ...] = ()

    def read(self, paths: Sequence[Path]) -> None:
        """Load a checkpoint and note its files; no files, no change.

        Raises ``InputError`` for a file that cannot be read, or with a table of all names that are missing,
        unknown or misshapen.
        """
        if paths:
            load(self.lavis, self._named(read_tensors(paths)), where=", ".join(map(str, paths)))
            self.weights_files = tuple(paths)

    @property
    def preprocessing(self) -> Preprocessing:
        """Bicubic, CLIP's mean and deviation."""
        size = self.shape.image
        if self.squash:
            return Preprocessing(size, _MEAN, _STD, "bicubic", squash=True)
        return Preprocessing(size, _MEAN, _STD, "bicubic", resize=round(size * _RESIZED / _CROPPED))

    @property
    def logit_scale(self) -> Tensor:
        """1 / temperature, a scalar.

        The temperature counts within 0.001..0.5. LAVIS sets the parameter itself back into that range
        before each step; here reading it changes nothing, and its gradient passes unhindered.
        """
        temp = self.lavis.temp
        return torch.as_tensor(1 / (temp + (temp.clamp(_COLDEST, _WARMEST) - temp).detach()))

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of whole patches."""
        return height // self.shape.patch, width // self.shape.patch

    def image_tokens(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×T×W after the final norm, CLS first."""
        return torch.as_tensor(self.lavis.visual_encoder.forward_features(images))

    def pool_images(self, tokens: Tensor) -> Tensor:
        """B×T×W → B×D, the projected CLS token, not normalised."""
        return torch.as_tensor(self.lavis.vision_proj(tokens[:, 0]))

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×W, the CLS token after the final norm, not projected."""
        return self.image_tokens(images)[:, 0]

    def embed_images(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D, not normalised."""
        return self.pool_images(self.image_tokens(images))

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """N texts → ``input_ids`` and ``attention_mask``, N×L each.

        Raises ``InputError`` for a text that is too long: LAVIS would cut it without a word.
        """
        rows = self.lavis.tokenizer(list(texts), padding=True, return_tensors="pt")
        refuse_longer(texts, rows["attention_mask"].sum(dim=1).tolist(), self.lavis.max_txt_len)
        return {name: rows[name] for name in ("input_ids", "attention_mask")}

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×L → N×D, the projected CLS token of the text layers, not normalised."""
        return torch.as_tensor(self.lavis.text_proj(self._text_states(tokens)[:, 0]))

    def token_embeddings(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``input_ids`` N×L → N×L×W."""
        return torch.as_tensor(self._bert.embeddings.word_embeddings(tokens["input_ids"]))

    def embed_prompts(self, embeddings: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×L×W and ``attention_mask`` N×L → N×D, not normalised."""
        # LAVIS adds positions in place.
        states = self._states(tokens["attention_mask"], inputs_embeds=embeddings.clone(), mode="text")
        return torch.as_tensor(self.lavis.text_proj(states[:, 0]))

    def token_counts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``attention_mask`` N×L → N."""
        return tokens["attention_mask"].sum(dim=1)

    def match(self, image_tokens: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """P×T×W and tokens of P texts → P×2 logits (no match, match)."""
        return torch.as_tensor(self.lavis.itm_head(self._fused_states(image_tokens, tokens)[:, 0]))

    def matching_parameters(self) -> Iterator[nn.Parameter]:
        """What only ``match`` uses."""
        return chain(self._fusion_parameters(), self.lavis.itm_head.parameters())

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """The image tower, with its projection for the joint space; the text layers; or the temperature."""
        if part == "logit_scale":
            return iter((self.lavis.temp,))
        if part == "embed_texts":
            fusion = {id(one) for one in self._fusion_parameters()}
            layers = (one for one in self.lavis.text_encoder.parameters() if id(one) not in fusion)
            return chain(layers, self.lavis.text_proj.parameters())
        tower = self.lavis.visual_encoder.parameters()
        return chain(tower, self.lavis.vision_proj.parameters()) if part == "embed_images" else iter(tower)

    @abstractmethod
    def _named(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of a checkpoint by the extractor's names."""

    @property
    @abstractmethod
    def _bert(self) -> Any:
        """LAVIS's ``BertModel`` of the text."""

    def _text_states(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×L → N×L×W of the text alone."""
        return self._states(tokens["attention_mask"], input_ids=tokens["input_ids"], mode="text")

    def _states(self, mask: Tensor, **text: Any) -> Tensor:
        """The last states N×L×W of a text, given as LAVIS's ``BertModel`` takes it."""
        return torch.as_tensor(self._bert(attention_mask=mask, return_dict=True, **text).last_hidden_state)

    @abstractmethod
    def _fused_states(self, image_tokens: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """P×T×W and tokens of P texts → P×L×W of the text that has seen the picture."""

    @abstractmethod
    def _fusion_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the text encoder that only a text with a picture uses."""
