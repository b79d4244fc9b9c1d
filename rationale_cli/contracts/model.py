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

Part = Literal["image_features", "embed_images", "embed_texts", "logit_scale"]
"""What of a model a method may train."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the model's input: resize, centre crop, normalise."""

    size: int
    """Side of the square input in pixels."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    resize: int | None = None
    """Length of the short side before the crop; ``size`` where None."""
    squash: bool = False
    """Both sides are resized to ``size`` instead: nothing is cropped and proportions are lost."""


class VisionLanguageModel(Protocol):
    """Two towers that share an embedding space; an ``nn.Module``. Constructed as ``cls(options)``.

    The image tower computes its attention with ``torch.nn.functional.scaled_dot_product_attention``,
    CLS token first and the patch tokens last in row-major order, so that attributions need no
    knowledge of the model. Instead of a CLS token, the tower may end in an attention pool over the patch
    tokens.

    Optional: ``published(options) -> Mapping[str, Checkpoint]``, a class method that tells the names
    which the option ``weights`` takes; ``weights_files``, the files that were read, whose hashes the run
    folder then records; ``translated(tensors) -> Mapping[str, Tensor]``, which gives tensors of others'
    checkpoints the model's own names where another library has other ones; and the capabilities
    ``Matching``, ``PromptLearnable``, ``DeepPromptLearnable`` and ``Answering``.
    """

    recommended: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Defaults that suit this model, by method name: dotted recipe keys → values (may be empty).

    They stand between a method's own defaults and what the user passes; on the class, since options are
    settled before any weight is read.
    """

    @property
    def Options(self) -> type[PluginOptions]:
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
        """Exactly the parameters on which that function or property depends."""
        ...


class Matching(Protocol):
    """A capability: a head that reads picture and text together (ALBEF, BLIP).

    T tokens and W width of the image tower, P pairs.
    """

    def image_tokens(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×T×W, all tokens after the last norm."""
        ...

    def pool_images(self, tokens: Tensor) -> Tensor:
        """B×T×W → B×D: ``embed_images`` of the pictures whose tokens these are."""
        ...

    def match(self, image_tokens: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """P×T×W and P texts → P×2, the logits of "no match" and "match"."""
        ...

    def matching_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that only ``match`` uses."""
        ...


class PromptLearnable(VisionLanguageModel, Protocol):
    """A capability: a text tower that also takes a text as embeddings, so that parts of it can be learned.

    L tokens of a text, W width of a token. All three raise ``InputError`` where a model of the class has a
    text tower that cannot do this.
    """

    def token_embeddings(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Tokens of N texts → N×L×W, the same wherever a token stands: before positions are added."""
        ...

    def embed_prompts(self, embeddings: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """N×L×W → N×D: ``embed_texts`` of texts whose tokens have these embeddings.

        ``tokens`` tell where each text ends, and which tokens belong to it.
        """
        ...

    def token_counts(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Tokens of N texts → N whole numbers: how many each has, start and end included."""
        ...


@dataclass(frozen=True)
class PromptDimensions:
    """Where and how wide prompts are that stand before the blocks of both towers."""

    image_width: int
    """Numbers of a token of the image tower."""
    image_blocks: int
    """Its blocks: as many of them can get prompts."""
    text_width: int
    """Numbers of a token of the text tower."""
    text_blocks: int
    """Blocks of the text tower."""


class DeepPromptLearnable(PromptLearnable, Protocol):
    """A capability: towers that take learned tokens in several blocks (Khattak et al. 2023, MaPLe).

    n tokens of a prompt, W width of a token of that tower. A prompt joins the tokens of one block, which
    computes its outputs as it does those of every token; the prompt of the next block takes the place of
    these outputs. After the last prompt they go on like other tokens. A prompt is added as it is: positions
    are not added to it. All raise ``InputError`` where a model of the class has a tower that cannot do this,
    and for more prompts than there are blocks.
    """

    def prompt_dimensions(self) -> PromptDimensions:
        """Widths and numbers of blocks."""
        ...

    def embed_prompted_images(self, images: Tensor, prompts: Sequence[Tensor]) -> Tensor:
        """B×3×S×S and a prompt n×W for each of the first blocks → B×D; ``embed_images`` without any.

        Prompts stand between CLS and the patch tokens, which stay the last ones, and pass through a norm
        that comes before the first block. All have the same n.
        """
        ...

    def embed_deep_prompts(
        self, embeddings: Tensor, tokens: Mapping[str, Tensor], prompts: Sequence[Tensor], places: Tensor
    ) -> Tensor:
        """N×L×W, a prompt n×W for each block from the second on → N×D; ``embed_prompts`` without any.

        ``embeddings`` hold the prompts of the first block already. ``places`` N×n: which tokens of each text
        the prompts replace.
        """
        ...


class Answering(VisionLanguageModel, Protocol):
    """A capability: a model that reads a picture and a question as one sequence and answers in words.

    V tokens of its vocabulary, W width of a token. Its ``image_features`` and ``embed_images`` are ``read``
    with a question of its own, ``embed_texts`` means of the output layer's vectors. The attention of that
    sequence is that of its image tower: what the contract says of CLS holds of the token after which the
    answer begins, and the adapter tells the recorder where tokens stand
    (``rationale_cli.toolkit.attention.arranged``).
    """

    @property
    def question(self) -> str | None:
        """The user's own question, which goes before the task's."""
        ...

    def converse(self, question: str) -> Mapping[str, Tensor]:
        """The model's prompt of a picture and this question, tensors with one row each.

        Raises ``InputError`` for a question that is too long.
        """
        ...

    def read(self, images: Tensor, prompt: Mapping[str, Tensor]) -> Tensor:
        """B×3×S×S and one prompt → B×W: the states from which the first token of the answer is told."""
        ...

    def tell(self, states: Tensor) -> Tensor:
        """B×W → B×V, the logits of that token."""
        ...

    def token_vectors(self, tokens: Tensor) -> Tensor:
        """Tokens of any shape → …×W, the output layer's vectors, with which ``tell`` multiplies states."""
        ...

    def first_tokens(self, answer: str) -> frozenset[int]:
        """The tokens with which the answer may begin: as it is written, in other case, after a blank."""
        ...
