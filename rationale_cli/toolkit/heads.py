"""The classifiers that fine-tuning methods share: class vectors from text, or a linear head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contracts import Family, PromptLearnable, Scalar, Task, VisionLanguageModel, Word
from ..errors import InputError
from .modes import evaluation
from .prompts import NEEDS, words_in


class VectorClassifier(nn.Module, ABC):
    """Features × class vectors, the scalars of an explanation, and the delta: what classifiers share.

    A subclass says what features, logits and class vectors are.
    """

    family: Family

    def __init__(self, model: VisionLanguageModel) -> None:
        super().__init__()
        self._model = cast(nn.Module, model)

    @property
    def model(self) -> VisionLanguageModel:
        """The model whose features are classified."""
        return cast(VisionLanguageModel, self._model)

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×F."""

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """B×F → B×C."""

    @abstractmethod
    def vectors(self, features: Tensor) -> Tensor:
        """Class vectors as the logit uses them: C×F, or B×C×F where each picture has its own."""

    def forward(self, images: Tensor) -> Tensor:
        """``logits(features(images))``."""
        return self.logits(self.features(images))

    def score(self, features: Tensor, kind: Scalar) -> Tensor:
        """See ``Classifier.score``."""
        if kind == "native":
            return self.logits(features)
        if kind == "dot":
            return products(features, self.vectors(features))
        if kind == "cosine":
            return products(F.normalize(features, dim=-1), F.normalize(self.vectors(features), dim=-1))
        logits = self.logits(features)
        if kind == "log-softmax":
            return logits.log_softmax(dim=-1)
        if kind == "contrast":
            others = (logits.sum(dim=-1, keepdim=True) - logits) / max(logits.shape[-1] - 1, 1)
            return logits - others
        raise InputError(f"Expected a scalar (dot, native, cosine, log-softmax, contrast) but got {kind!r}.")

    def delta(self) -> dict[str, Tensor]:
        """Parameters that train, and the class vectors where they are not derived from a head."""
        changed = {name: tensor for name, tensor in self.named_parameters() if tensor.requires_grad}
        kept = dict(self.named_buffers(recurse=False))
        return {name: tensor.detach().cpu().contiguous() for name, tensor in (changed | kept).items()}

    def load_delta(self, tensors: Mapping[str, Tensor]) -> None:
        """See ``Classifier.load_delta``."""
        own = {**dict(self.named_parameters()), **dict(self.named_buffers(recurse=False))}
        expected = self.delta()
        problems = [f"missing {name}" for name in expected.keys() - tensors.keys()]
        problems += [f"unexpected {name}" for name in tensors.keys() - expected.keys()]
        problems += [
            f"{name} is {tuple(tensors[name].shape)}, expected {tuple(expected[name].shape)}"
            for name in expected.keys() & tensors.keys()
            if expected[name].shape != tensors[name].shape
        ]
        if problems:
            raise InputError(
                "Expected this classifier's checkpoint but got: " + "; ".join(sorted(problems)[:8])
            )
        with torch.no_grad():
            for name, tensor in tensors.items():
                own[name].copy_(tensor)


class CosineClassifier(VectorClassifier):
    """Logits = scale · cosine of the joint embedding with unit class vectors, which a subclass tells."""

    family: Family = "text"

    def features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D joint embedding, not normalised."""
        return self.model.embed_images(images)

    def logits(self, features: Tensor) -> Tensor:
        """B×D → B×C: scale · cosine."""
        return self.against(features, self.vectors(features))

    def against(self, features: Tensor, vectors: Tensor) -> Tensor:
        """B×D of any length and unit class vectors, C×D or B×C×D → B×C: scale · cosine."""
        return self.model.logit_scale * products(F.normalize(features, dim=-1), vectors)


class TextClassifier(CosineClassifier):
    """Class vectors that come from text and are the same for all pictures (protocol §4, ZS and FLCP).

    ``class_vectors``: C×D; their length matters to no logit but to the scalar ``dot``, so they are
    kept at unit length.
    """

    class_vectors: Tensor

    def __init__(self, model: VisionLanguageModel, class_vectors: Tensor) -> None:
        super().__init__(model)
        self.register_buffer("class_vectors", F.normalize(class_vectors, dim=-1))

    def vectors(self, features: Tensor) -> Tensor:
        """C×D, unit length."""
        return self.class_vectors


class WordedClassifier(TextClassifier):
    """Class vectors of a task's own texts, every template of every name (``Worded``)."""

    def __init__(self, model: VisionLanguageModel, task: Task) -> None:
        super().__init__(model, class_embeddings(model, task))
        self.wordings = task.texts

    def encode_texts(self, classes: Tensor) -> Tensor:
        """See ``Spoken``."""
        texts = [text for label in classes.tolist() for text in self.wordings[label]]
        tokens = _to(self.model.tokenize(texts), classes.device)
        embedded = self.model.embed_texts(tokens)
        return embedded.view(len(classes), -1, embedded.shape[-1])

    def words_of(self, label: int) -> list[tuple[Word, ...]]:
        """See ``Spoken``; a word is what stands between blanks."""
        lacking = [need for need in NEEDS if not hasattr(self.model, need)]
        if lacking:
            raise InputError(
                f"Expected a model that counts the tokens of its texts but {type(self.model).__name__} lacks "
                f"{', '.join(lacking)}."
            )
        return words_in(cast(PromptLearnable, self.model), self.wordings[label])


class LinearClassifier(VectorClassifier):
    """A linear head on the image features (protocol §4, LP and FT): logits = f · Wᵀ + b."""

    family: Family = "linear"

    def __init__(self, model: VisionLanguageModel, classes: int, width: int) -> None:
        super().__init__(model)
        self.head = nn.Linear(width, classes)

    def features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×F, not normalised."""
        return self.model.image_features(images)

    def vectors(self, features: Tensor) -> Tensor:
        """C×F, the head's rows."""
        return self.head.weight

    def logits(self, features: Tensor) -> Tensor:
        """B×F → B×C."""
        return cast(Tensor, self.head(features))


def products(features: Tensor, vectors: Tensor) -> Tensor:
    """features B×F, vectors C×F or B×C×F → B×C, each feature times each of its class vectors."""
    if vectors.ndim == 2:
        return features @ vectors.T
    return (vectors @ features.unsqueeze(-1)).squeeze(-1)


def class_embeddings(model: VisionLanguageModel, task: Task, batch: int = 256) -> Tensor:
    """C×D unit class vectors: the mean over templates of normalised prompt embeddings.

    In evaluation mode and without a gradient. Raises what the tokeniser raises.
    """
    texts = [text for texts in task.texts for text in texts]
    vectors = text_embeddings(model, texts, batch).view(len(task.classnames), len(task.templates), -1)
    return F.normalize(vectors.mean(dim=1), dim=-1)


def text_embeddings(model: VisionLanguageModel, texts: Sequence[str], batch: int = 256) -> Tensor:
    """N texts → N×D, of unit length, in evaluation mode and without a gradient.

    Raises what the tokeniser raises.
    """
    device = model.logit_scale.device
    with torch.no_grad(), evaluation(cast(nn.Module, model)):
        parts = [
            F.normalize(model.embed_texts(_to(model.tokenize(texts[start : start + batch]), device)), dim=-1)
            for start in range(0, len(texts), batch)
        ]
    return torch.cat(parts)


def prompt_tokens(model: VisionLanguageModel, task: Task, templates: int = 1) -> dict[str, Tensor]:
    """Tokens of every class in the first ``templates``, C·templates rows: those of a class one after another.

    Raises what the tokeniser raises.
    """
    chosen = task.templates[:templates]
    return dict(model.tokenize([one.format(name) for name in task.classnames for one in chosen]))


def feature_width(model: VisionLanguageModel) -> int:
    """F, found by one blank picture."""
    size = model.preprocessing.size
    with torch.no_grad():
        blank = torch.zeros(1, 3, size, size, device=model.logit_scale.device)
        return int(model.image_features(blank).shape[-1])


def embedding_width(model: VisionLanguageModel) -> int:
    """D, found by one text."""
    return text_embeddings(model, ["a"]).shape[-1]


def train_only(model: VisionLanguageModel, trained: Sequence[nn.Parameter]) -> None:
    """Set ``requires_grad`` on exactly these parameters of a model."""
    chosen = {id(parameter) for parameter in trained}
    for parameter in cast(nn.Module, model).parameters():
        parameter.requires_grad_(id(parameter) in chosen)


def _to(tokens: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tokens.items()}
