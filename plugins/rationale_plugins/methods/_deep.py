"""What methods of learned prompts in several blocks of both towers share.

Shapes: B pictures, C classes, n tokens of a prompt, W width of a token, D joint embedding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import (
    DeepPromptLearnable,
    Fitted,
    MethodOptions,
    Outputs,
    PromptDimensions,
    Support,
    Task,
    TunedTexts,
    VisionLanguageModel,
    Word,
)
from rationale_cli.errors import InputError
from rationale_cli.toolkit import deep_prompts, prompts
from rationale_cli.toolkit.heads import TextClassifier, train_only
from rationale_cli.toolkit.modes import evaluation
from rationale_cli.toolkit.prompts import Prompts, context_of, random_context

from ._prompted import RECOMMENDED as OF_PROMPTS
from ._prompted import Resting

_DEPTH = 9
"""Blocks with prompts in the released codes, whose towers have 12."""

RECOMMENDED: Mapping[str, Any] = {**OF_PROMPTS, "train.batch_size": 4, "train.augment": "standard"}
"""How the released codes train; features change with the prompts, so cropped pictures cost nothing more."""


class DeepPromptOptions(MethodOptions):
    """Options of every method that learns prompts in several blocks of both towers."""

    context: int = Field(default=2, ge=1)
    """Learned tokens of each block."""
    words: str = "a photo of a"
    """What the first prompt of the text tower begins as: the first of these words, as many tokens as
    ``context`` says. The other words stay before the class name as they are. Without words it is drawn from
    N(0, 0.02²)."""
    depth: int | None = Field(default=None, ge=1)
    """Blocks of each tower that get prompts, from the first on; if not said, 9, or as many as both towers
    have."""
    chunk: int = Field(default=256, ge=1)
    """Prompts that are encoded at a time. Where there are more, each part is computed once more in the
    backward, which bounds the memory; the result is the same."""


class LearnedPrompts(nn.Module, ABC):
    """The prompts of both towers; a subclass says which parameters they are made of."""

    @abstractmethod
    def of_texts(self) -> tuple[Tensor, ...]:
        """n×W for each block of the text tower that gets one."""

    @abstractmethod
    def of_images(self) -> tuple[Tensor, ...]:
        """n×W for each block of the image tower that gets one."""

    def after_texts(self, embeddings: Tensor) -> Tensor:
        """What becomes of the text tower's N×D; a subclass may learn something there, too."""
        return embeddings

    def after_images(self, embeddings: Tensor) -> Tensor:
        """What becomes of the image tower's B×D."""
        return embeddings


class DeepClassifier(Resting, TextClassifier):
    """Class vectors and features by towers with learned prompts.

    The class vectors are kept as they were when last ``settled``; features are always those of the prompts as
    they are. ``names``: the class names with what stands around the first prompt.
    """

    def __init__(self, model: DeepPromptLearnable, names: Prompts, learned: LearnedPrompts) -> None:
        with torch.no_grad(), evaluation(cast(nn.Module, model)):
            first, *deeper = learned.of_texts()
            vectors = learned.after_texts(names.encode_names(first, deeper))
        super().__init__(model, vectors)
        self.names = names
        self.learned = learned

    @property
    def model(self) -> DeepPromptLearnable:
        """The model that takes the prompts."""
        return cast(DeepPromptLearnable, super().model)

    def features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D joint embedding, not normalised."""
        embeddings = self.model.embed_prompted_images(images, self.learned.of_images())
        return self.learned.after_images(embeddings)

    def class_texts(self) -> Tensor:
        """C×D by the prompts as they are now, not normalised."""
        return self.texts(self.names, torch.arange(len(self.names), device=self.class_vectors.device))

    def texts(self, names: Prompts, rows: Tensor) -> Tensor:
        """R of some names, whatever they are, by the prompts as they are now → R×D, not normalised."""
        first, *deeper = self.learned.of_texts()
        return self.learned.after_texts(
            names.encode(first.unsqueeze(0), torch.zeros_like(rows), rows, deeper)
        )

    def against(self, features: Tensor, vectors: Tensor) -> Tensor:
        """B×D and C×D, both of any length → B×C: scale · cosine."""
        return super().against(features, F.normalize(vectors, dim=-1))

    def encode_texts(self, classes: Tensor) -> Tensor:
        """See ``Spoken``."""
        return self.texts(self.names, classes).unsqueeze(1)

    def words_of(self, label: int) -> list[tuple[Word, ...]]:
        """See ``Spoken``; a learned token is another one in each block."""
        return [self.names.words(label)]

    def settle(self) -> None:
        """Compute the class vectors of the prompts as they are now."""
        with torch.no_grad(), evaluation(cast(nn.Module, self.model)):
            self.class_vectors.copy_(F.normalize(self.class_texts(), dim=-1))


class DeepStep(nn.Module):
    """Cross-entropy by prompts that any text (``TextTuning``) and any picture (``ImageTuning``) can get.

    Both towers are run anew for every step: the prompts change what they compute. A subclass adds to the loss
    in ``outputs``.
    """

    def __init__(self, classifier: DeepClassifier, options: DeepPromptOptions) -> None:
        super().__init__()
        self.classifier = classifier
        self.options = options

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images B×3×S×S, labels B → scalar."""
        return self.outputs(images, labels).loss

    def outputs(self, images: Tensor, labels: Tensor) -> Outputs:
        """images B×3×S×S, labels B → the loss and what else is offered."""
        features, texts = self.classifier.features(images), self.classifier.class_texts()
        logits = self.classifier.against(features, texts)
        return Outputs(F.cross_entropy(logits, labels), texts, features, logits)

    def zero_shot(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D by the model as it came, which is the model without prompts."""
        model = self.classifier.model
        with torch.no_grad(), evaluation(cast(nn.Module, model)):
            return model.embed_images(images)

    def tuned_texts(self, names: Sequence[str]) -> TunedTexts:
        """See ``TextTuning``. Raises ``InputError`` as ``Prompts`` does."""
        around = named(self.classifier.model, names, self.options)

        def encoded(rows: Tensor, outputs: Outputs) -> Tensor:
            return self.classifier.texts(around, rows)

        return encoded

    def tuned_images(self, images: Tensor, zero_shot: Tensor) -> Tensor:
        """See ``ImageTuning``."""
        with evaluation(self.classifier):
            return self.classifier.features(images)

    def zero_shot_images(self) -> Callable[[Tensor], Tensor]:
        """See ``ImageTuning``."""
        return self.zero_shot


class DeepPromptTuning(ABC):
    """What the methods do; a subclass says what its prompts are made of, and its loss."""

    needs: ClassVar[tuple[str, ...]] = (*prompts.NEEDS, *deep_prompts.NEEDS)
    offers: ClassVar[tuple[str, ...]] = (
        "tuned_texts",
        "tuned_images",
        "class_texts",
        "image_features",
        "logits",
        "zero_shot_features",
    )
    options: DeepPromptOptions

    def __init__(self, options: DeepPromptOptions) -> None:
        self.options = options

    @abstractmethod
    def learned(self, model: DeepPromptLearnable, first: Tensor, depth: int) -> LearnedPrompts:
        """Prompts of so many blocks before training; ``first`` n×W is the text's."""

    def step(self, classifier: DeepClassifier, task: Task) -> DeepStep:
        """What trains it; a subclass may have one of its own."""
        return DeepStep(classifier, self.options)

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Freeze the model and put prompts into it.

        Raises ``InputError`` for a model whose towers take none, for more blocks than it has, and as
        ``Prompts`` does.
        """
        train_only(model, ())
        deep = cast(DeepPromptLearnable, model)
        depth = _depth(deep.prompt_dimensions(), self.options)
        first, _ = opening(deep, self.options)
        learned = self.learned(deep, first, depth).to(first)
        classifier = DeepClassifier(deep, named(deep, task.classnames, self.options), learned)
        return Fitted(classifier, self.step(classifier, task))

    def finish(self, fitted: Fitted, support: Support) -> None:
        """Compute the class vectors once and for all."""
        cast(DeepClassifier, fitted.classifier).settle()

    def retarget(self, fitted: Fitted, task: Task) -> DeepClassifier:
        """Other names in the same prompts."""
        own = cast(DeepClassifier, fitted.classifier)
        return DeepClassifier(own.model, named(own.model, task.classnames, self.options), own.learned)


def opening(model: DeepPromptLearnable, options: DeepPromptOptions) -> tuple[Tensor, str]:
    """The text's first prompt n×W before training, and the words between it and the class name.

    Raises ``InputError`` where no number of whole words has as many tokens as the prompt.
    """
    words = options.words.split()
    if not words:
        return random_context(model, options.context), ""
    lengths = []
    for count in range(1, len(words) + 1):
        context = context_of(model, " ".join(words[:count]))
        if len(context) == options.context:
            return context, " ".join(words[count:])
        lengths.append(len(context))
    raise InputError(
        f"Expected a context of {_either(lengths)} tokens, whole words of {options.words!r}, but got "
        f"{options.context}.",
        where="method.context",
        next_step='choose one of these numbers, or pass method.words="" to begin at random',
    )


def named(model: DeepPromptLearnable, names: Sequence[str], options: DeepPromptOptions) -> Prompts:
    """Names behind the first prompt and the words that are not learned; raises as ``Prompts`` does."""
    _, kept = opening(model, options)
    return Prompts(model, [f"{kept} {name}".strip() for name in names], options.context, chunk=options.chunk)


def _depth(dimensions: PromptDimensions, options: DeepPromptOptions) -> int:
    most = min(dimensions.image_blocks, dimensions.text_blocks)
    if options.depth is None:
        return min(_DEPTH, most)
    if options.depth > most:
        raise InputError(
            f"Expected prompts in at most {most} blocks, for the image tower has {dimensions.image_blocks} "
            f"and the text tower {dimensions.text_blocks}, but got {options.depth}.",
            where="method.depth",
            next_step="lower method.depth, or leave it out",
        )
    return options.depth


def _either(numbers: Sequence[int]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} or {last}" if others else last
