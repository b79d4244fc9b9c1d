"""The contract of a vision-language model.

Shapes: B batch, N texts, S pixels, D joint embedding, F features that a linear head reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from .options import PluginOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

Part = Literal["image_features", "embed_images", "embed_texts"]
"""The functions of a model whose parameters a method may train."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the model's input: resize the short side, centre crop, normalise."""

    size: int
    """Side of the square input in pixels."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    resize: int | None = None
    """Length of the short side before the crop; ``size`` where None."""


class VisionLanguageModel(Protocol):
    """Two towers that share an embedding space; an ``nn.Module``. Constructed as ``cls(options)``.

    The image tower computes its attention with ``torch.nn.functional.scaled_dot_product_attention``,
    CLS token first and the patch tokens last in row-major order, so that attributions need no
    knowledge of the model.
    """

    recommended: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Defaults that suit this model, by method name: dotted recipe keys → values (may be empty).

    They stand between a method's own defaults and what the user passes; on the class, since options are
    settled before any weight is read.
    """

    @property
    def Options(self) -> type[PluginOptions]:  # noqa: N802
        """The class of its options: a class nested in the plugin, or a class attribute."""
        ...

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are prepared."""
        ...

    @property
    def logit_scale(self) -> Tensor:
        """The positive factor on the cosine (CLIP: exp of its parameter), a scalar tensor."""
        ...

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patch tokens for an input of that size in pixels."""
        ...

    def image_features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×F, what a linear head reads (CLIP: the projected embedding, not normalised)."""
        ...

    def embed_images(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D in the joint space, not normalised."""
        ...

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """N texts → tensors with N rows each. Raises ``InputError`` for a text that is too long."""
        ...

    def embed_texts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Tokens of N texts → N×D in the joint space, not normalised."""
        ...

    def parameters_of(self, part: Part) -> Iterator[nn.Parameter]:
        """Exactly the parameters on which that function's result depends."""
        ...
