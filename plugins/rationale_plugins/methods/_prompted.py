"""What methods of learned prompts share: options, the classifier and its loss.

Shapes: B pictures, C classes, M tokens of the context, W width of a token, D joint embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import (
    Fitted,
    MethodOptions,
    Outputs,
    PromptLearnable,
    Support,
    Task,
    TunedTexts,
    VisionLanguageModel,
    Word,
)
from rationale_cli.errors import InputError
from rationale_cli.toolkit.heads import CosineClassifier, TextClassifier, train_only
from rationale_cli.toolkit.modes import evaluation
from rationale_cli.toolkit.prompts import NEEDS, Position, Prompts, context_of, random_context

from ._feature_step import OFFERS, FeatureLoss, FeatureStep

_LENGTH = 16
"""Tokens of a context that begins at random."""

RECOMMENDED: Mapping[str, Any] = {
    "train.optimizer": "sgd",
    "train.weight_decay": 5e-4,
    "train.schedule": "cosine-epoch",
    "train.warmup_epochs": 1,
    "train.warmup_lr": 1e-5,
    "train.batch_size": 32,
}
"""How CoOp's released code trains, whose successors follow it; momentum is 0.9."""


class PromptOptions(MethodOptions):
    """Options of every method that learns a context."""

    lr: float = 2e-3
    """Learning rate of the context."""
    context: int | None = Field(default=None, ge=1)
    """Number of learned tokens; if not said, as many as ``words`` has, or 16 without any."""
    words: str = ""
    """What the context begins as, for example "a photo of a"; zeros come first where ``context`` is longer.
    Without words it is drawn from N(0, 0.02²)."""
    position: Position = "end"
    """Where the class name stands: at the end, in the middle or in front of the context."""
    chunk: int = Field(default=256, ge=1)
    """Prompts that are encoded at a time. Where there are more, each part is computed once more in the
    backward, which bounds the memory; the result is the same."""


class Resting(CosineClassifier):
    """A classifier whose model stays in evaluation mode: it trains for what frozen towers then compute."""

    def train(self, mode: bool = True) -> Self:
        """All but the model."""
        super().train(mode)
        self._model.eval()
        return self


class PromptedClassifier(Resting, TextClassifier):
    """Class vectors of prompts around a learned context, kept as they were when it was last ``settled``."""

    def __init__(self, model: PromptLearnable, prompts: Prompts, context: Tensor) -> None:
        with torch.no_grad(), evaluation(cast(nn.Module, model)):
            vectors = prompts.encode_names(context)
        super().__init__(model, vectors)
        self.prompts = prompts
        self.context = nn.Parameter(context)

    def tuned(self, context: Tensor) -> Tensor:
        """The context M×W or C×M×W → unit class vectors C×D."""
        return F.normalize(self.prompts.encode_names(context), dim=-1)

    def encode_texts(self, classes: Tensor) -> Tensor:
        """See ``Spoken``."""
        shared = self.context.ndim == 2
        contexts, of = (self.context[None], classes * 0) if shared else (self.context, classes)
        return self.prompts.encode(contexts, of, classes).unsqueeze(1)

    def words_of(self, label: int) -> list[tuple[Word, ...]]:
        """See ``Spoken``."""
        return [self.prompts.words(label)]

    def settle(self) -> None:
        """Compute the class vectors of the context as it is now."""
        with torch.no_grad(), evaluation(cast(nn.Module, self.model)):
            self.class_vectors.copy_(self.tuned(self.context))


class PromptTuning:
    """What the methods do when the context is trained."""

    needs: ClassVar[tuple[str, ...]] = NEEDS
    offers: ClassVar[tuple[str, ...]] = ("tuned_texts", "class_texts", *OFFERS)
    options: PromptOptions

    def __init__(self, options: PromptOptions) -> None:
        self.options = options

    def finish(self, fitted: Fitted, support: Support) -> None:
        """Compute the class vectors once and for all."""
        cast(PromptedClassifier, fitted.classifier).settle()

    def retarget(self, fitted: Fitted, task: Task) -> PromptedClassifier | None:
        """Other names in the same context; None where each class learned one of its own."""
        classifier = cast(PromptedClassifier, fitted.classifier)
        if classifier.context.ndim > 2:
            return None
        model, context = cast(PromptLearnable, classifier.model), classifier.context.detach()
        return PromptedClassifier(model, around(context, model, task, self.options), context)


class PromptLoss(FeatureLoss):
    """Cross-entropy with the class vectors of the context as it is now; subclass it to add to the loss."""

    @property
    def classifier(self) -> PromptedClassifier:
        """Whose context trains."""
        return cast(PromptedClassifier, super().classifier)

    def outputs(self, features: Tensor, labels: Tensor) -> Outputs:
        """See ``FeatureLoss``; features B×D."""
        vectors = self.classifier.tuned(self.classifier.context)
        logits = self.classifier.against(features, vectors)
        return Outputs(F.cross_entropy(logits, labels), vectors, logits=logits, zero_shot_features=features)


class PromptStep(FeatureStep):
    """The step of a learned context, which stands around any name (``TextTuning``)."""

    loss: PromptLoss

    def __init__(self, loss: PromptLoss, options: PromptOptions) -> None:
        super().__init__(loss)
        self.options = options

    def tuned_texts(self, names: Sequence[str]) -> TunedTexts:
        """See ``TextTuning``. Raises ``InputError`` as ``Prompts`` does, and for contexts of each class."""
        classifier = self.loss.classifier
        if classifier.context.ndim > 2:
            raise InputError(
                "Expected one context for all names but each class has its own.",
                where="method.class_specific",
                next_step="leave method.class_specific out, or the regularizer",
            )
        model = cast(PromptLearnable, classifier.model)
        prompts = around(classifier.context, model, Task(tuple(names)), self.options)

        def encoded(rows: Tensor, outputs: Outputs) -> Tensor:
            return prompts.encode(classifier.context.unsqueeze(0), torch.zeros_like(rows), rows)

        return encoded


def first_contexts(model: PromptLearnable, options: PromptOptions, count: int = 1) -> Tensor:
    """count×M×W, all from the words or drawn. Raises ``InputError`` for fewer tokens than the words have."""
    if not options.words:
        length = options.context or _LENGTH
        return random_context(model, count * length).view(count, length, -1)
    words = context_of(model, options.words)
    length = options.context or len(words)
    if length < len(words):
        raise InputError(
            f"Expected at least {len(words)} learned tokens for {options.words!r} but got {length}.",
            where="method.context",
            next_step="leave method.context out, or choose fewer words",
        )
    return F.pad(words, (0, 0, length - len(words), 0)).repeat(count, 1, 1)


def prompted(
    model: VisionLanguageModel, task: Task, options: PromptOptions, *, class_specific: bool = False
) -> PromptedClassifier:
    """Freeze the model and put a context before (or around) the name of each class.

    Raises ``InputError`` as ``Prompts`` and ``first_contexts`` do.
    """
    train_only(model, ())
    learnable = cast(PromptLearnable, model)
    contexts = first_contexts(learnable, options, len(task.classnames) if class_specific else 1)
    prompts = around(contexts[0], learnable, task, options)
    return PromptedClassifier(learnable, prompts, contexts if class_specific else contexts[0])


def around(context: Tensor, model: PromptLearnable, task: Task, options: PromptOptions) -> Prompts:
    """A task's class names for a context M×W; raises as ``Prompts`` does."""
    return Prompts(model, task.classnames, len(context), options.position, options.chunk)
