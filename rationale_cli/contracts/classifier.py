"""The contract of a classifier: what every fine-tuning method yields.

Shapes: B batch, C classes, F features, S pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from .model import VisionLanguageModel

Scalar = Literal["dot", "native", "cosine", "log-softmax", "contrast"]
"""What is differentiated for an explanation (protocol §2)."""

SCALARS: tuple[Scalar, ...] = ("dot", "native", "cosine", "log-softmax", "contrast")

Family = Literal["text", "linear"]
"""Whether class vectors come from text or from a trained head: the reference treats them apart."""


class Classifier(Protocol):
    """An ``nn.Module`` over one model and one task."""

    @property
    def model(self) -> VisionLanguageModel:
        """The model whose features are classified."""
        ...

    @property
    def family(self) -> Family:
        """Where the class vectors come from."""
        ...

    def features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×F."""
        ...

    def logits(self, features: Tensor) -> Tensor:
        """B×F → B×C: what the classifier computes."""
        ...

    def score(self, features: Tensor, kind: Scalar) -> Tensor:
        """B×F → B×C: the scalar to explain for each class.

        ``native`` is ``logits``; ``dot`` the feature times the class vector (bias left out);
        ``cosine`` their cosine; ``log-softmax`` that of the logits; ``contrast`` a class's logit minus
        the mean of the others. Raises ``InputError`` for a kind that it does not support.
        """
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """``logits(features(images))``."""
        ...

    def delta(self) -> dict[str, Tensor]:
        """The tensors that tuning changed or made: what a checkpoint holds."""
        ...

    def load_delta(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore ``delta``. Raises ``InputError`` naming missing, unexpected or misshapen tensors."""
        ...


class Worded(Classifier, Protocol):
    """A capability: class vectors that are those of written texts (zero-shot, FLCP).

    Its features are the model's ``embed_images``.
    """

    @property
    def wordings(self) -> Sequence[Sequence[str]]:
        """For each class the texts of which its vector is the mean, at least one."""
        ...


class Word(NamedTuple):
    """A word of a text, and where its tokens stand."""

    text: str
    start: int
    stop: int
    """First token and the one after the last, counted from 0 in the row that the text tower reads."""


class Spoken(Classifier, Protocol):
    """A capability: class vectors w = mean of unit embeddings of K texts, which can be encoded anew.

    Scores compare them with features by their cosine.
    """

    def encode_texts(self, classes: Tensor) -> Tensor:
        """P class indices → P×K×D, not normalised, in the graph: by one call of the text tower."""
        ...

    def words_of(self, label: int) -> Sequence[Sequence[Word]]:
        """The words of each of a class's K texts, learned tokens among them.

        Raises ``InputError`` for a text tower whose tokens cannot be told apart.
        """
        ...
