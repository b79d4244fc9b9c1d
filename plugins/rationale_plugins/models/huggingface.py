"""Any CLIP, SigLIP or SigLIP 2 of transformers: a repository of the hub or a local folder.

Shapes: B pictures, N texts, L tokens, S pixels, D joint embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModel, CLIPConfig, PreTrainedConfig, Siglip2Config, SiglipConfig
from transformers.utils import logging

from rationale_cli.contracts import Checkpoint, Part, PluginOptions, Preprocessing, PromptDimensions
from rationale_cli.errors import InputError
from rationale_cli.toolkit.deep_prompts import in_images, in_texts
from rationale_cli.toolkit.weights import load, read_tensors

from ._alternatives import full_precision
from ._clip_names import as_transformers
from ._hub_prompts import image_blocks, prompt_dimensions, text_blocks
from ._hub_repository import OWN, folder_of, preprocessor_of, published, read_json, weights_of
from ._hub_text import HubTokenizer
from ._prompts import embedded_as, given

_FAMILIES: dict[str, type[PreTrainedConfig]] = {
    "clip": CLIPConfig,
    "siglip": SiglipConfig,
    "siglip2": Siglip2Config,
}
_INTERPOLATIONS: dict[int, Any] = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of them."""


class HuggingFaceOptions(PluginOptions):
    """Options of models of transformers."""

    repository: str
    """``owner/name`` on the Hugging Face hub, or a folder of that layout."""
    weights: str = OWN
    """``own`` (the repository's), ``none`` (random, from the run's seed), a file or a folder."""
    revision: str | None = None
    """Branch, tag or commit of the repository; its main branch otherwise."""


class HuggingFace(nn.Module):
    """A ``VisionLanguageModel`` over transformers' CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023) or
    SigLIP 2 (Tschannen et al. 2025).

    CLIP's image features are its projected CLS token, SigLIP's the output of its attention pool. SigLIP's
    bias is the same for all classes of a picture, changes no class probability, and is left out of the
    logits. SigLIP 2 of any resolution (NaFlex) sees the square picture of its number of patches.
    """

    Options = HuggingFaceOptions
    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, options: HuggingFaceOptions) -> None:
        super().__init__()
        folder = folder_of(options.repository, options.revision)
        config = _config(folder)
        self._kind = str(config.model_type)
        self._folder, self._text = folder, config.text_config
        self._tokenizer: HubTokenizer | None = None
        self._patch = int(config.vision_config.patch_size)
        self._preprocessing = _preprocessing(preprocessor_of(folder), _side(config), folder)
        self.model = AutoModel.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
        if self._kind != "clip":
            _fuse_pool(self.model.vision_model, folder)
        self.weights_files: tuple[Path, ...] = weights_of(
            options.weights, options.repository, options.revision, full_precision(self.model)
        )
        if self.weights_files:
            tensors = read_tensors(self.weights_files)
            given = {name: one for name, one in tensors.items() if not name.endswith(".position_ids")}
            load(self.model, _scalars(given, self.model), where=", ".join(map(str, self.weights_files)))

    @classmethod
    def published(cls, options: HuggingFaceOptions) -> Mapping[str, Checkpoint]:
        """``own``: the repository's weights."""
        return published(options.repository, options.revision)

    @property
    def preprocessing(self) -> Preprocessing:
        """As ``preprocessor_config.json`` tells."""
        return self._preprocessing

    @property
    def logit_scale(self) -> Tensor:
        """exp of the parameter, a scalar."""
        return torch.as_tensor(self.model.logit_scale).exp().reshape(())

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of whole patches."""
        return height // self._patch, width // self._patch

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D, not normalised: CLIP's projected CLS token, SigLIP's attention pool."""
        tower = self.model.vision_model
        if self._kind == "siglip2":
            return torch.as_tensor(tower(**_patches(images, self._patch)).pooler_output)
        pooled = tower(pixel_values=images).pooler_output
        return torch.as_tensor(self.model.visual_projection(pooled) if self._kind == "clip" else pooled)

    def embed_images(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D; the same as ``image_features``."""
        return self.image_features(images)

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """N texts → ``ids`` N×L and ``length`` N by the repository's tokenizer.

        Raises ``InputError`` for a text that is too long, and where the tokenizer cannot be read.
        """
        if self._tokenizer is None:
            text = self._text
            self._tokenizer = HubTokenizer(
                self._folder, text.max_position_embeddings, text.vocab_size, siglip=self._kind != "clip"
            )
        return self._tokenizer(texts)

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``ids`` N×L → N×D, not normalised.

        No mask is needed: CLIP reads its end token, which what follows it cannot change, and SigLIP attends
        to the filling as it did in training.
        """
        pooled = self.model.text_model(input_ids=tokens["ids"]).pooler_output
        return torch.as_tensor(self.model.text_projection(pooled) if self._kind == "clip" else pooled)

    def token_embeddings(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``ids`` N×L → N×L×W."""
        return torch.as_tensor(self._table(tokens["ids"]))

    def embed_prompts(self, embeddings: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×L×W and ``ids`` N×L → N×D, not normalised."""
        with embedded_as(self._table, embeddings):
            return self.embed_texts(tokens)

    def token_counts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``length`` N."""
        return tokens["length"]

    def prompt_dimensions(self) -> PromptDimensions:
        """Raises ``InputError`` for a SigLIP, whose attention pool would read the prompts too."""
        return prompt_dimensions(self.model)

    def embed_prompted_images(self, images: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """B×3×S×S and prompts n×W of the first blocks → B×D; raises as ``prompt_dimensions`` does."""
        blocks = image_blocks(self.model)
        with given(blocks, in_images(prompts, len(blocks))):
            return self.embed_images(images)

    def embed_deep_prompts(
        self, embeddings: Tensor, tokens: Mapping[str, Tensor], prompts: Sequence[Tensor], places: Tensor
    ) -> Tensor:
        """N×L×W, ``ids`` N×L and prompts n×W at ``places`` N×n → N×D, not normalised."""
        blocks = text_blocks(self.model)
        with given(blocks, in_texts(prompts, places, len(blocks))):
            return self.embed_prompts(embeddings, tokens)

    def translated(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Tensors of open_clip's CLIP by the names of transformers; others as they are."""
        return as_transformers(tensors) if self._kind == "clip" else tensors

    @property
    def _table(self) -> nn.Module:
        """Of token embeddings."""
        table: nn.Module = self.model.text_model.embeddings.token_embedding
        return table

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """One tower with its projection, or the scale's logarithm; SigLIP's bias belongs to nothing."""
        if part == "logit_scale":
            return iter((self.model.logit_scale,))
        tower, projection = (
            ("text_model", "text_projection")
            if part == "embed_texts"
            else ("vision_model", "visual_projection")
        )
        names = (tower, projection) if self._kind == "clip" else (tower,)
        return chain(*(getattr(self.model, name).parameters() for name in names))


def _config(folder: Path) -> PreTrainedConfig:
    path = folder / "config.json"
    content = read_json(path)
    kind = content.get("model_type")
    if kind not in _FAMILIES:
        raise InputError(
            f"Expected a model of a known family ({', '.join(_FAMILIES)}) but got {kind!r}.",
            where=str(path),
            next_step="write a small plugin for it: see the how-to on adding a model",
        )
    verbosity = logging.get_verbosity()
    # SigLIP's configurations keep CLIP's numbers of start and end, warned of by transformers and never used.
    logging.set_verbosity_error()
    try:
        return _FAMILIES[kind].from_dict(content)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Expected the configuration of a {kind} model but transformers refuses it: {error}",
            where=str(path),
        ) from error
    finally:
        logging.set_verbosity(verbosity)


def _side(config: PreTrainedConfig) -> int:
    """S: pixels of the model's square input."""
    vision = config.vision_config
    if config.model_type != "siglip2":
        return int(vision.image_size)
    return int(vision.num_patches**0.5) * int(vision.patch_size)


def _preprocessing(told: Mapping[str, Any], side: int, folder: Path) -> Preprocessing:
    interpolation = _INTERPOLATIONS.get(told.get("resample", 3))
    size = told.get("size", side)
    crops = bool(told.get("do_center_crop", isinstance(size, Mapping) and "shortest_edge" in size))
    seen = _pixels(told.get("crop_size", size) if crops else size, side)
    if interpolation is None or seen != side:
        raise InputError(
            f"Expected pictures of {side} pixels, resized bilinearly or bicubically, but the preprocessor's "
            f"have {seen} and its resampling is number {told.get('resample')}.",
            where=str(folder),
            next_step="copy config.json and preprocessor_config.json from one and the same repository",
        )
    plain = told.get("do_normalize", True) is False
    mean, std = ((0.0,) * 3, (1.0,) * 3) if plain else (told["image_mean"], told["image_std"])
    resize = _pixels(size, side)
    return Preprocessing(
        side,
        (float(mean[0]), float(mean[1]), float(mean[2])),
        (float(std[0]), float(std[1]), float(std[2])),
        interpolation,
        resize=resize if crops and resize != side else None,
        squash=not crops,
    )


def _pixels(size: object, default: int) -> int:
    """A side from a number, ``{"shortest_edge": …}`` or ``{"height": …, "width": …}``."""
    if isinstance(size, Mapping):
        return int(size.get("shortest_edge", size.get("height", default)))
    return int(size) if isinstance(size, int | float) else default


def _patches(images: Tensor, patch: int) -> dict[str, Tensor]:
    """What SigLIP 2 of any resolution takes: B×T×(p·p·3) patches in row-major order, all of them real."""
    rows, columns = images.shape[-2] // patch, images.shape[-1] // patch
    cells = images.reshape(len(images), -1, rows, patch, columns, patch)
    flat = cells.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    return {
        "pixel_values": flat,
        "pixel_attention_mask": torch.ones(flat.shape[:2], dtype=torch.long, device=images.device),
        "spatial_shapes": torch.tensor([[rows, columns]]).expand(len(images), -1),
    }


def _fuse_pool(tower: Any, folder: Path) -> None:
    """Let the attention pool use the fused function, which it does not while asked for its weights."""
    if not hasattr(tower, "head"):
        raise InputError(
            "Expected a SigLIP with its attention pool but vision_use_head is off.", where=str(folder)
        )
    attention = tower.head.attention
    attention.forward = partial(attention.forward, need_weights=False)


def _scalars(tensors: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Scale and bias are stored as a number or as a vector of one."""
    own = module.state_dict()
    return {
        name: one.reshape(own[name].shape) if name in own and one.numel() == own[name].numel() == 1 else one
        for name, one in tensors.items()
    }
