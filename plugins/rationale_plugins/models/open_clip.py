"""CLIP (Radford et al. 2021) by open_clip: an adapter for any of its models, and two of OpenAI's by name.

Shapes: B pictures, N texts, L tokens, S pixels, D joint embedding, W width of the tower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from rationale_cli.contracts import (
    Checkpoint,
    Part,
    PluginOptions,
    Preprocessing,
    PromptDimensions,
    Protocols,
)
from rationale_cli.errors import InputError, did_you_mean

from . import _open_clip_weights as weights
from ._alternatives import full_precision
from ._clip_names import as_open_clip
from ._open_clip_build import build, parse, preprocessing_of, quick_gelu
from ._open_clip_prompts import (
    embed_deep_prompts,
    embed_prompted_images,
    embed_prompts,
    prompt_dimensions,
    table_of,
)
from ._open_clip_text import OpenClipTokenizer, tokenizer_of
from ._open_clip_vision import encode, is_plain

_RECOMMENDED: dict[str, dict[str, Any]] = {"ft": {"method.lr": 1e-5}, "flcp": {"method.lr": 1e-5}}
"""The paper's Table 5 has a rate for each dataset; these are those of Stanford-Dogs, the same for both."""
_RESNET_PATCH = 32
"""Pixels of a side that CLIP's ResNets make one token of."""


class OpenClip(nn.Module):
    """A ``VisionLanguageModel`` over a model of open_clip: CLIP, CustomTextCLIP (SigLIP, EVA) or CoCa.

    ``clip`` may be built by hand. Then pictures are resized bicubically and normalised by CLIP's own mean
    and standard deviation, and texts are read by CLIP's byte-pair encoding; with ``architecture`` (and
    ``tag``) both are those of open_clip's model of that name. A bias of the logits (SigLIP) is the same for
    all classes, changes no class probability, and is left out.
    """

    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, clip: nn.Module, architecture: str | None = None, tag: str | None = None) -> None:
        super().__init__()
        if not isinstance(clip.visual, VisionTransformer | ModifiedResNet | TimmModel):
            raise InputError(
                "Expected a model with an image tower of open_clip's but its tower is a "
                f"{type(clip.visual).__name__}."
            )
        self.clip: Any = clip
        self.weights_files: tuple[Path, ...] = ()
        self._architecture, self._tag = architecture, tag
        self._tokenizer: OpenClipTokenizer | None = None

    @property
    def preprocessing(self) -> Preprocessing:
        """Of the named weights, or CLIP's own."""
        size = self.clip.visual.image_size
        return preprocessing_of(
            self._architecture, self._tag, int(size if isinstance(size, int) else size[0])
        )

    @property
    def logit_scale(self) -> Tensor:
        """exp of the parameter, a scalar."""
        return torch.as_tensor(self.clip.logit_scale).exp().reshape(())

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of whole patches."""
        visual = self.clip.visual
        if isinstance(visual, VisionTransformer):
            return height // visual.patch_size[0], width // visual.patch_size[1]
        resnet = isinstance(visual, ModifiedResNet)
        side = _RESNET_PATCH if resnet else int(visual.trunk.feature_info[-1]["reduction"])
        return height // side, width // side

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D, as the tower gives them (CLIP: the projected CLS token), not normalised."""
        if is_plain(self.clip.visual):
            return encode(self.clip.visual, images)
        return torch.as_tensor(self.clip.encode_image(images, normalize=False))

    def embed_images(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D; the same as ``image_features``."""
        return self.image_features(images)

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """N texts → ``ids`` N×L and ``length`` N.

        Raises ``InputError`` for a text that is too long, which open_clip would cut without a word, and where
        the model's tokenizer is on the hub and cannot be fetched.
        """
        if self._tokenizer is None:
            self._tokenizer = (
                tokenizer_of(self._architecture)
                if self._architecture
                else OpenClipTokenizer(SimpleTokenizer(), int(self.clip.context_length))
            )
        text = getattr(self.clip, "text", self.clip)
        return self._tokenizer(texts, int(text.vocab_size))

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``ids`` N×L → N×D, not normalised."""
        return torch.as_tensor(self.clip.encode_text(tokens["ids"], normalize=False))

    def token_embeddings(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``ids`` N×L → N×L×W. Raises ``InputError`` for a text tower that is not open_clip's own."""
        return torch.as_tensor(table_of(self.clip)(tokens["ids"]))

    def embed_prompts(self, embeddings: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×L×W and ``ids`` N×L → N×D, not normalised; raises as ``token_embeddings`` does."""
        return embed_prompts(self.clip, embeddings, tokens["ids"])

    def token_counts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``length`` N; raises as ``token_embeddings`` does."""
        table_of(self.clip)
        return tokens["length"]

    def prompt_dimensions(self) -> PromptDimensions:
        """Raises ``InputError`` for towers that are not CLIP's own."""
        return prompt_dimensions(self.clip)

    def embed_prompted_images(self, images: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """B×3×S×S and prompts n×W of the first blocks → B×D; raises as ``prompt_dimensions`` does."""
        return embed_prompted_images(self.clip, images, prompts)

    def embed_deep_prompts(
        self, embeddings: Tensor, tokens: Mapping[str, Tensor], prompts: Sequence[Tensor], places: Tensor
    ) -> Tensor:
        """N×L×W, ``ids`` N×L and prompts n×W at ``places`` N×n → N×D; raises as ``token_embeddings`` does."""
        return embed_deep_prompts(self.clip, embeddings, tokens["ids"], prompts, places)

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """The image tower for both image functions, the text tower, or the scale's logarithm."""
        if part == "logit_scale":
            return iter((self.clip.logit_scale,))
        if part != "embed_texts":
            return iter(self.clip.visual.parameters())
        text = self.clip
        if hasattr(text, "text"):
            return iter(text.text.parameters())
        modules = (text.token_embedding, text.transformer, text.ln_final)
        projection = text.text_projection
        own = [text.positional_embedding]
        if isinstance(projection, nn.Module):
            own += projection.parameters()
        elif projection is not None:
            own.append(projection)
        return chain(*(module.parameters() for module in modules), own)

    def translated(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Tensors of transformers' CLIP by open_clip's names; others as they are."""
        return as_open_clip(tensors)

    def _read(self, weights_or_tag: str, owner: str) -> None:
        """Load what the option ``weights`` means; ``none`` leaves the weights random."""
        assert self._architecture is not None
        note = full_precision(self.clip)
        self.weights_files = weights.files_of(weights_or_tag, self._architecture, owner, note)
        if self.weights_files:
            where = ", ".join(map(str, self.weights_files))
            weights.load(self.clip, weights.read(self.weights_files), where=where)


class OpenClipOptions(PluginOptions):
    """Options of OpenAI's architectures."""

    weights: str = "openai"
    """A tag of open_clip's (``openai``, ``laion2b_s34b_b79k``, …: fetched once, activation and normalisation
    follow), ``none`` (random, from the run's seed) or a file: OpenAI's, safetensors, a state dict or a
    training checkpoint of open_clip."""
    activation: Literal["quick-gelu", "gelu"] = "quick-gelu"
    """Activation that the weights of a file were trained with: OpenAI's with quick-gelu, LAION's and
    DataComp's with gelu. Nothing in a file tells which, and the wrong one costs accuracy without an error."""


class _Pretrained(OpenClip):
    """One of OpenAI's architectures."""

    protocols: ClassVar[Protocols] = {"reference": {"explain.precision": "fp16"}}
    """Half precision, as the released code loads CLIP on a GPU; for its heads it does not."""

    Options = OpenClipOptions
    architecture: ClassVar[str]
    """open_clip's name of it."""
    recommended = _RECOMMENDED

    def __init__(self, options: OpenClipOptions) -> None:
        tag = options.weights if options.weights in weights.published(self.architecture) else None
        quick = quick_gelu(self.architecture, tag) if tag else options.activation == "quick-gelu"
        super().__init__(build(self.architecture, quick=quick), self.architecture, tag)
        self._read(options.weights, f"clip-{self.architecture.lower()}")

    @classmethod
    def published(cls, options: OpenClipOptions) -> Mapping[str, Checkpoint]:
        """Every tag of the architecture."""
        return weights.published(cls.architecture, "some 0.6 GB in full precision")


class ClipViTB32(_Pretrained):
    """CLIP ViT-B/32: 224 pixels, 7×7 patches, 12 layers of width 768."""

    architecture = "ViT-B-32"


class ClipViTB16(_Pretrained):
    """CLIP ViT-B/16: 224 pixels, 14×14 patches, 12 layers of width 768."""

    architecture = "ViT-B-16"


class AnyOpenClipOptions(PluginOptions):
    """Options of any model of open_clip."""

    architecture: str
    """``ARCHITECTURE@TAG`` as open_clip names them: ``ViT-L-14@laion2b_s32b_b82k``. The tag's activation and
    normalisation are used with it; without one, the architecture's own, so that OpenAI's weights in a file
    want ``ViT-L-14-quickgelu`` or ``ViT-L-14@openai``."""
    weights: str = "tag"
    """``tag`` (that of the architecture), another tag, ``none`` (random, from the run's seed), a file or a
    folder."""


class AnyOpenClip(OpenClip):
    """Any architecture of open_clip by name, with any of its published weights or those of a file."""

    Options = AnyOpenClipOptions

    def __init__(self, options: AnyOpenClipOptions) -> None:
        architecture, tag = parse(options.architecture)
        known = weights.published(architecture)
        chosen = tag if options.weights == "tag" else options.weights
        if chosen is None:
            raise InputError(
                f"Expected a tag after the architecture, as in {architecture}@TAG. {did_you_mean('', known)}",
                next_step="or pass --weights FILE, or --weights none for random ones",
            )
        tag = chosen if chosen in known else tag
        super().__init__(build(architecture, quick=quick_gelu(architecture, tag)), architecture, tag)
        self._read(chosen, f"open_clip:{architecture}")

    @classmethod
    def published(cls, options: AnyOpenClipOptions) -> Mapping[str, Checkpoint]:
        """Every tag of the architecture, and ``tag`` for the one that is named with it."""
        architecture, tag = parse(options.architecture)
        found = weights.published(architecture)
        return {"tag": found[tag], **found} if tag else found
