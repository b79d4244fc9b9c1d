"""A vision-language model: an image tower, a text tower, and what the contract asks about them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Checkpoint, Part, PluginOptions, Preprocessing
from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import load, locate, read_tensors

SIZE, PATCH, HEADS = 64, 16, 4
VOCABULARY, LONGEST = 512, 32


class Block(nn.Module):
    """Attention by the function that attributions record, then a small network; both with a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.joint, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """B×L×W → B×L×W."""
        batch, length, width = tokens.shape
        joint = self.joint(self.before(tokens)).view(batch, length, 3, HEADS, width // HEADS)
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        change: Tensor = self.network(self.between(tokens))
        return tokens + change


class PocketVit(nn.Module):
    """A ViT of 64-pixel pictures and a bag of words, both from random weights (Dosovitskiy et al. 2021)."""

    class Options(PluginOptions):
        """Each field's docstring is printed by `rationale info model pocket-vit`."""

        width: int = 64
        """Width of tokens and of the joint space; a multiple of 4."""
        blocks: int = 2
        """Number of attention blocks."""
        weights: str = "none"
        """``none`` (random, from the run's seed), a file or a folder."""

    # Read from the class before the model is built; by method, keys of `method` and `train` only.
    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {"bias-tuning": {"method.lr": 3e-3}}

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.width
        self.patches = nn.Conv2d(3, width, PATCH, PATCH)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + (SIZE // PATCH) ** 2, width))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(options.blocks)))
        self.norm = nn.LayerNorm(width)
        self.words = nn.Embedding(VOCABULARY, width, padding_idx=0)
        self.text_head = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.tensor(2.0))
        # The first argument may also be a name of `published`; the run folder records the files' hashes.
        self.weights_files = locate(options.weights, self.published(options), "pocket-vit")
        if self.weights_files:
            load(self, read_tensors(self.weights_files), where=str(self.weights_files[0]))

    @classmethod
    def published(cls, options: Options) -> Mapping[str, Checkpoint]:
        """Names for `--weights`: {"v1": Checkpoint("hf://you/pocket-vit/model.safetensors")}; none yet."""
        return {}

    @property
    def preprocessing(self) -> Preprocessing:
        """Pictures are resized, cropped and normalised by the tool; the model only says how."""
        return Preprocessing(SIZE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bilinear")

    @property
    def logit_scale(self) -> Tensor:
        """The factor itself, not its logarithm."""
        return self.scale.exp()

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches."""
        return height // PATCH, width // PATCH

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×F: CLS first, patches last in row-major order, so that heatmaps fall into place."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(images), -1, -1), tokens], dim=1) + self.positions
        features: Tensor = self.norm(self.blocks(tokens)[:, 0])
        return features

    def embed_images(self, images: Tensor) -> Tensor:
        """The joint space is the feature space here; many models project once more."""
        return self.image_features(images)

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """One row of word numbers a text, 0 where there is no word. Never cut a text silently."""
        rows = [[zlib.crc32(word.encode()) % (VOCABULARY - 1) + 1 for word in text.split()] for text in texts]
        if max(map(len, rows)) > LONGEST:
            raise InputError(f"Expected at most {LONGEST} words but got {max(map(len, rows))}.")
        return {"ids": torch.tensor([row + [0] * (LONGEST - len(row)) for row in rows])}

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×L → N×D: the sum of the words, which does not depend on the padding."""
        embeddings: Tensor = self.text_head(self.words(tokens["ids"]).sum(dim=1))
        return embeddings

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """Exactly what each depends on: a method asks, so as to train this and freeze the rest."""
        if part == "embed_texts":
            yield from (*self.words.parameters(), *self.text_head.parameters())
        elif part == "logit_scale":
            yield self.scale
        else:
            yield from (self.cls, self.positions)
            for module in (self.patches, self.blocks, self.norm):
                yield from module.parameters()
