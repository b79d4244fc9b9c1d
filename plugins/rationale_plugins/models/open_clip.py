"""CLIP (Radford et al. 2021) by open_clip: an adapter for any of its CLIPs, and OpenAI's ViT-B/32 and B/16.

Shapes: B pictures, N texts, L tokens, S pixels, D joint embedding, W width of the tower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import open_clip
import torch
import torch.nn.functional as F
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from rationale_cli.contracts import Part, PluginOptions, Preprocessing
from rationale_cli.errors import InputError

from . import _open_clip_weights as weights

_RECOMMENDED: dict[str, dict[str, Any]] = {"ft": {"method.lr": 1e-5}, "flcp": {"method.lr": 1e-5}}
"""The paper's Table 5 has a rate for each dataset; these are those of Stanford-Dogs, the same for both."""


class OpenClip(nn.Module):
    """A ``VisionLanguageModel`` over an ``open_clip.CLIP`` with a vision transformer.

    ``clip`` may be built by hand. Pictures are resized bicubically and normalised by CLIP's own mean and
    standard deviation.
    """

    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, clip: open_clip.CLIP) -> None:
        super().__init__()
        if not isinstance(clip.visual, VisionTransformer):
            raise InputError(
                "Expected a CLIP with open_clip's own vision transformer but its image tower is a "
                f"{type(clip.visual).__name__}."
            )
        self.clip = clip

    @property
    def preprocessing(self) -> Preprocessing:
        """CLIP's own."""
        return Preprocessing(
            self.clip.visual.image_size[0], OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, "bicubic"
        )

    @property
    def logit_scale(self) -> Tensor:
        """exp of the parameter, a scalar."""
        return torch.as_tensor(self.clip.logit_scale).exp().reshape(())

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of whole patches."""
        patch = self.clip.visual.patch_size
        return height // patch[0], width // patch[1]

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D, the projected CLS token, not normalised."""
        if _is_plain(self.clip.visual):
            return _encode(self.clip.visual, images)
        return torch.as_tensor(self.clip.encode_image(images))

    def embed_images(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D; the same as ``image_features``."""
        return self.image_features(images)

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """N texts → ``ids`` N×L by CLIP's byte-pair encoding.

        Raises ``InputError`` for a text that is too long: open_clip would cut it without a word.
        """
        tokenizer, context = _tokenizer(), int(self.clip.context_length)
        if self.clip.vocab_size < tokenizer.vocab_size:
            raise InputError(
                f"Expected a model of CLIP's vocabulary of {tokenizer.vocab_size} tokens but this one has "
                f"{self.clip.vocab_size}.",
            )
        for text in texts:
            length = len(tokenizer.encode(text)) + 2
            if length > context:
                raise InputError(
                    f"Expected a text of at most {context} tokens, start and end included, "
                    f"but got {length}: {text!r}",
                    next_step="shorten the class name or the template",
                )
        return {"ids": tokenizer(list(texts), context_length=context)}

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """``ids`` N×L → N×D, not normalised."""
        return torch.as_tensor(self.clip.encode_text(tokens["ids"]))

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """The image tower for both image functions, the text tower, or the scale's logarithm."""
        if part == "logit_scale":
            return iter((self.clip.logit_scale,))
        if part != "embed_texts":
            return iter(self.clip.visual.parameters())
        text = self.clip
        modules = (text.token_embedding, text.transformer, text.ln_final)
        projection = text.text_projection
        own = [text.positional_embedding]
        if isinstance(projection, nn.Module):
            own += projection.parameters()
        elif projection is not None:
            own.append(projection)
        return chain(*(module.parameters() for module in modules), own)


class OpenClipOptions(PluginOptions):
    """Options of the CLIP models."""

    weights: str = "openai"
    """``openai`` (fetched once), ``none`` (random, from the run's seed) or a file: safetensors, a state dict
    or a training checkpoint of open_clip."""
    activation: Literal["quick-gelu", "gelu"] = "quick-gelu"
    """Activation that the weights were trained with: OpenAI's with quick-gelu, LAION's and DataComp's with
    gelu. Nothing in a file tells which, and the wrong one costs accuracy without an error."""


class _Pretrained(OpenClip):
    """One of OpenAI's architectures."""

    Options = OpenClipOptions
    architecture: ClassVar[str]
    """open_clip's name of it."""
    recommended = _RECOMMENDED

    def __init__(self, options: OpenClipOptions) -> None:
        configuration = open_clip.get_model_config(self.architecture)
        super().__init__(open_clip.CLIP(**configuration, quick_gelu=options.activation == "quick-gelu"))
        if options.weights == "none":
            return
        if options.weights == "openai":
            path = weights.fetch_openai(self.architecture, self.clip)
        else:
            path = Path(options.weights).expanduser()
        weights.load(self.clip, weights.read(path), where=str(path))


class ClipViTB32(_Pretrained):
    """CLIP ViT-B/32: 224 pixels, 7×7 patches, 12 layers of width 768."""

    architecture = "ViT-B-32"


class ClipViTB16(_Pretrained):
    """CLIP ViT-B/16: 224 pixels, 14×14 patches, 12 layers of width 768."""

    architecture = "ViT-B-16"


@cache
def _tokenizer() -> SimpleTokenizer:
    """CLIP's byte-pair encoding; its vocabulary comes with open_clip."""
    return SimpleTokenizer()


def _is_plain(visual: VisionTransformer) -> bool:
    """Whether the tower is CLIP's own: plain blocks, and features that are the last CLS token projected."""
    return (
        visual.pool_type == "tok"
        and visual.attn_pool is None
        and visual.proj is not None
        and not visual.output_tokens
        and not visual.transformer.grad_checkpointing
        and all(type(block) is ResidualAttentionBlock for block in visual.transformer.resblocks)
    )


def _encode(visual: VisionTransformer, images: Tensor) -> Tensor:
    """The same as ``visual(images)`` for a plain tower, B×3×S×S → B×D, in less time.

    In the last block only the CLS token is computed, for the others are read by nothing. That saves most
    of a block in every forward and in the backward of an explanation.
    """
    tokens = visual._embeds(images)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        tokens = _run(block, tokens, slice(None))
    pooled, _ = visual._pool(_run(last, tokens, slice(0, 1)))
    return torch.as_tensor(pooled @ visual.proj)


def _run(block: ResidualAttentionBlock, tokens: Tensor, rows: slice) -> Tensor:
    """A block's output for some of its tokens, B×T×W → B×R×W."""
    normed = block.ln_1(tokens)
    tokens = tokens[:, rows] + block.ls_1(_attend(block.attn, normed, rows))
    return torch.as_tensor(tokens + block.ls_2(block.mlp(block.ln_2(tokens))))


def _attend(attention: nn.MultiheadAttention, tokens: Tensor, rows: slice) -> Tensor:
    """The same as ``attention(tokens[:, rows], tokens, tokens)``, B×T×W → B×R×W.

    ``nn.MultiheadAttention`` wants tokens before pictures where gradients are asked for, and then computes
    the projection in as many small products as there are tokens: half as fast, forward and backward.
    """
    width, weight, bias = attention.embed_dim, attention.in_proj_weight, attention.in_proj_bias
    if rows == slice(None):
        query, key, value = F.linear(tokens, weight, bias).chunk(3, dim=-1)
    else:
        query = F.linear(tokens[:, rows], weight[:width], bias[:width])
        key, value = F.linear(tokens, weight[width:], bias[width:]).chunk(2, dim=-1)
    query, key, value = (
        part.view(*part.shape[:2], attention.num_heads, -1).transpose(1, 2) for part in (query, key, value)
    )
    mixed = F.scaled_dot_product_attention(query, key, value)
    return torch.as_tensor(attention.out_proj(mixed.transpose(1, 2).flatten(2)))
