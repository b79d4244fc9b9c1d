"""CoCoOp: a learned context that depends on the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import (
    Fitted,
    Outputs,
    PromptLearnable,
    Task,
    TunedTexts,
    VisionLanguageModel,
)
from rationale_cli.toolkit.heads import embedding_width, train_only
from rationale_cli.toolkit.prompts import NEEDS, Prompts

from ._feature_step import OFFERS, FeatureLoss, FeatureStep
from ._prompted import RECOMMENDED, PromptOptions, Resting, around, first_contexts

_REDUCTION = 16


class CoCoOp:
    """CoOp whose context is moved by each picture; both towers rest.

    Zhou et al. 2022, "Conditional Prompt Learning for Vision-Language Models": every token of the context is
    shifted by π(f), a bottleneck on the picture's unit feature f. Each picture has class vectors of its own.
    """

    class Options(PromptOptions):
        """Options of CoCoOp."""

        words: str = "a photo of a"
        """What the context begins as; zeros come first where ``context`` is longer. Without words it is
        drawn from N(0, 0.02²)."""

    needs: ClassVar[tuple[str, ...]] = NEEDS
    offers: ClassVar[tuple[str, ...]] = ("tuned_texts", "class_texts", *OFFERS)
    recommended: ClassVar[Mapping[str, Any]] = {**RECOMMENDED, "train.batch_size": 1, "train.epochs": 10}

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Context and bottleneck train, the latter from PyTorch's default initialisation."""
        train_only(model, ())
        learnable = cast(PromptLearnable, model)
        context = first_contexts(learnable, self.options)[0]
        width = embedding_width(model)
        hidden = max(width // _REDUCTION, 1)
        net = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, context.shape[-1]))
        prompts = around(context, learnable, task, self.options)
        classifier = ConditionalClassifier(learnable, prompts, context, net.to(context))
        return Fitted(classifier, _Step(_Loss(classifier), self.options))

    def retarget(self, fitted: Fitted, task: Task) -> ConditionalClassifier:
        """Other names in the same context, moved by the same bottleneck."""
        own = cast(ConditionalClassifier, fitted.classifier)
        model, context = cast(PromptLearnable, own.model), own.context.detach()
        return ConditionalClassifier(model, around(context, model, task, self.options), context, own.meta_net)


class ConditionalClassifier(Resting):
    """Logits = scale · cosine of a picture's feature with the class vectors that the picture itself makes.

    Every scalar of an explanation is a function of the feature by both its ways, the feature that is compared
    and the class vectors w(f) that it makes: ``dot`` is f·w(f), ``cosine`` and ``native`` its cosine, without
    and with the scale. ``meta_net``: the bottleneck, B×D → B×W.
    """

    def __init__(
        self, model: PromptLearnable, prompts: Prompts, context: Tensor, meta_net: nn.Sequential
    ) -> None:
        super().__init__(model)
        self.prompts = prompts
        self.context = nn.Parameter(context)
        self.meta_net = meta_net

    def contexts(self, features: Tensor) -> Tensor:
        """B×D → B×M×W, the context as each picture moves it."""
        shift: Tensor = self.meta_net(F.normalize(features, dim=-1))
        return self.context + shift.unsqueeze(1)

    def vectors(self, features: Tensor) -> Tensor:
        """B×D → B×C×D, of unit length."""
        contexts = self.contexts(features)
        pictures = torch.arange(len(features), device=features.device)
        classes = torch.arange(len(self.prompts), device=features.device)
        pairs = pictures.repeat_interleave(len(classes)), classes.repeat(len(pictures))
        vectors = self.prompts.encode(contexts, *pairs)
        return F.normalize(vectors, dim=-1).view(len(pictures), len(classes), -1)


class _Loss(FeatureLoss):
    """Cross-entropy with the class vectors that each picture makes."""

    def outputs(self, features: Tensor, labels: Tensor) -> Outputs:
        """See ``FeatureLoss``; features B×D."""
        classifier = cast(ConditionalClassifier, self.classifier)
        vectors = classifier.vectors(features)
        logits = classifier.against(features, vectors)
        return Outputs(F.cross_entropy(logits, labels), vectors, logits=logits, zero_shot_features=features)


class _Step(FeatureStep):
    """The step of a context that pictures move, which stands around any name (``TextTuning``)."""

    loss: _Loss

    def __init__(self, loss: _Loss, options: PromptOptions) -> None:
        super().__init__(loss)
        self.options = options

    def tuned_texts(self, names: Sequence[str]) -> TunedTexts:
        """See ``TextTuning``. Raises ``InputError`` as ``Prompts`` does."""
        classifier = cast(ConditionalClassifier, self.loss.classifier)
        model = cast(PromptLearnable, classifier.model)
        prompts = around(classifier.context, model, Task(tuple(names)), self.options)

        def encoded(rows: Tensor, outputs: Outputs) -> Tensor:
            features = cast(Tensor, outputs.zero_shot_features)[: len(rows)]
            pictures = torch.arange(len(rows), device=rows.device) % len(features)
            return prompts.encode(classifier.contexts(features), pictures, rows)

        return encoded
