"""A vision-language model and a dataset small enough for unit tests: nothing to download, milliseconds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ..contracts import Drawn, Family, Mask, Part, PluginOptions, Preprocessing, Sample, Task
from ..errors import InputError
from ..toolkit.heads import LinearClassifier, TextClassifier, class_embeddings

_SIDE, _PATCH, _HEADS = 32, 8, 2
_WORDS, _LONGEST = 128, 32
_COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 70, 220)}


class FakeModel(nn.Module):
    """A random vision-language model: pictures of 32×32 pixels, a 4×4 grid of patches, two blocks."""

    class Options(PluginOptions):
        """Its size and its seed."""

        width: int = 16
        """Width of tokens and of the joint space."""
        blocks: int = 2
        """Attention blocks of the image tower."""
        seed: int = 0
        """Seed of the weights."""

    recommended: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, options: Options | None = None) -> None:
        super().__init__()
        options = options or self.Options()
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(options.seed)
            width = options.width
            self.patches = nn.Conv2d(3, width, _PATCH, _PATCH)
            self.cls = nn.Parameter(torch.randn(1, 1, width))
            self.positions = nn.Parameter(0.1 * torch.randn(1, 1 + (_SIDE // _PATCH) ** 2, width))
            self.blocks = nn.ModuleList(_Block(width) for _ in range(options.blocks))
            self.norm = nn.LayerNorm(width)
            self.projection = nn.Linear(width, width, bias=False)
            self.words = nn.Embedding(_WORDS, width)
            self.text_projection = nn.Linear(width, width)
            self.log_scale = nn.Parameter(torch.tensor(2.0))

    @property
    def preprocessing(self) -> Preprocessing:
        """32 pixels."""
        return Preprocessing(_SIDE, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear")

    @property
    def logit_scale(self) -> Tensor:
        """Factor on the cosine."""
        return self.log_scale.exp()

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """One token for each 8×8 pixels."""
        return height // _PATCH, width // _PATCH

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×32×32 → B×width, the CLS token after the last norm."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(images), -1, -1), tokens], dim=1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return torch.as_tensor(self.norm(tokens[:, 0]))

    def embed_images(self, images: Tensor) -> Tensor:
        """B×3×32×32 → B×width."""
        return torch.as_tensor(self.projection(self.image_features(images)))

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """Words hashed to numbers; 0 fills up. Raises ``InputError`` above 32 words."""
        ids = torch.zeros(len(texts), _LONGEST, dtype=torch.long)
        for row, text in enumerate(texts):
            words = text.lower().split()
            if len(words) > _LONGEST:
                raise InputError(f"Expected at most {_LONGEST} words but got {len(words)}.")
            numbers = [zlib.crc32(word.encode()) % (_WORDS - 1) + 1 for word in words]
            ids[row, : len(words)] = torch.tensor(numbers)
        return {"ids": ids}

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×32 numbers → N×width: the mean word."""
        return self.embed_prompts(self.token_embeddings(tokens), tokens)

    def token_embeddings(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×32 numbers → N×32×width."""
        return torch.as_tensor(self.words(tokens["ids"]))

    def embed_prompts(self, embeddings: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×32×width → N×width: the mean word."""
        real = (tokens["ids"] > 0).unsqueeze(-1)
        mean = (embeddings * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)
        return torch.as_tensor(self.text_projection(mean))

    def token_counts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×32 numbers → N, the words."""
        return (tokens["ids"] > 0).sum(dim=1)

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """The image tower, with its projection for the joint space, or the words, or the scale."""
        if part == "logit_scale":
            yield self.log_scale
            return
        if part == "embed_texts":
            yield from (*self.words.parameters(), *self.text_projection.parameters())
            return
        yield from (self.cls, self.positions, *self.patches.parameters())
        yield from (*self.blocks.parameters(), *self.norm.parameters())
        if part == "embed_images":
            yield from self.projection.parameters()


class _Block(nn.Module):
    """Pre-norm attention and a linear layer, each with a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )
        self.last = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        joint = self.qkv(self.norm(tokens)).view(batch, count, 3, _HEADS, width // _HEADS)
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(tokens.shape)
        tokens = tokens + self.out(mixed)
        return torch.as_tensor(tokens + self.last(F.gelu(tokens)))


@dataclass(frozen=True)
class _ToySplit:
    name: str
    pictures: int

    @property
    def ids(self) -> Sequence[str]:
        return [f"{self.name}/{index}" for index in range(self.pictures)]

    @property
    def labels(self) -> Sequence[int]:
        return [index % len(_COLOURS) for index in range(self.pictures)]

    def __len__(self) -> int:
        return self.pictures

    def __getitem__(self, index: int) -> Sample:
        """A coloured square on grey noise."""
        random = np.random.default_rng((zlib.crc32(self.name.encode()), index))
        background = random.integers(90, 160, (_SIDE, _SIDE, 3)).astype(np.uint8)
        side = int(random.integers(10, 18))
        top, left = random.integers(0, _SIDE - side, 2)
        mask = np.zeros((_SIDE, _SIDE), dtype=np.uint8)
        mask[top : top + side, left : left + side] = 255
        label = index % len(_COLOURS)
        image = background.copy()
        image[mask > 0] = list(_COLOURS.values())[label]
        return Sample(
            id=self.ids[index],
            image=Image.fromarray(image),
            label=label,
            evidence=Mask(Image.fromarray(mask)),
            background=Image.fromarray(background),
        )


class ToyDataset:
    """Coloured squares on noise, with masks: three classes, splits ``train`` and ``test``."""

    class Options(PluginOptions):
        """How many pictures there are."""

        pictures: int = 12
        """Pictures in each split."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or self.Options()

    @property
    def task(self) -> Task:
        """Red, green and blue."""
        return Task(tuple(_COLOURS), ("a photo of a {} square",))

    @property
    def splits(self) -> tuple[str, ...]:
        """``train`` and ``test``."""
        return ("train", "test")

    @property
    def evaluation(self) -> tuple[str, ...]:
        """``test``."""
        return ("test",)

    @property
    def fingerprint(self) -> str:
        """Nothing but the number of pictures varies."""
        return f"toy-{self.options.pictures}"

    def split(self, name: str) -> _ToySplit:
        """Raises ``InputError`` for an unknown name."""
        if name not in self.splits:
            raise InputError(f"Expected a split (train, test) but got {name!r}.")
        return _ToySplit(name, self.options.pictures)


class FakeSupport:
    """Images B×3×S×S with labels B in the place of a training split (``Support``).

    The held-out part has the same pictures, dimmed; ``validates`` says whether a method may ask for it.
    """

    def __init__(self, images: Tensor, labels: Tensor, classes: int, *, validates: bool = True) -> None:
        self.classes = classes
        self._labels = labels
        self._parts = {"train": images} | ({"validation": images / 2} if validates else {})

    def size(self, part: Drawn) -> int:
        """Number of pictures."""
        return len(self._labels) if part in self._parts else 0

    def batches(
        self, part: Drawn, *, passes: int = 1, augment: str | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Two batches a pass; an augmentation shifts all values a little, otherwise in each pass."""
        if part not in self._parts:
            raise AssertionError(
                f"a method that asks for the part {part!r} needs an attribute validates = True"
            )
        half = (len(self._labels) + 1) // 2
        for number in range(passes):
            shown = self._parts[part] + (0.01 * (number + 1) if augment else 0)
            yield from zip(torch.split(shown, half), torch.split(self._labels, half), strict=True)

    def groups(self, part: Drawn) -> Tensor | None:
        """Two contexts that take turns in each class."""
        return 2 * self._labels + torch.arange(len(self._labels)) // self.classes % 2


def fake_classifier(family: Family = "text") -> TextClassifier | LinearClassifier:
    """A classifier of the toy task on the fake model, in evaluation mode."""
    model, task = FakeModel(), ToyDataset().task
    if family == "text":
        return TextClassifier(model, class_embeddings(model, task)).eval()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return LinearClassifier(model, len(task.classnames), model.Options().width).eval()
