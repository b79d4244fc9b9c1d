"""Full fine-tuning of the image encoder with a linear head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Fitted, MethodOptions, Protocols, Support, Task, VisionLanguageModel
from rationale_cli.toolkit.heads import LinearClassifier, feature_width, train_only

from ._text_head import text_head


class FineTuning:
    """The linear probe's network, same initialisation, with the image encoder trainable (protocol §4, FT)."""

    protocols: ClassVar[Protocols] = {"reference": {"explain.precision": "no"}}

    class Options(MethodOptions):
        """Options of fine-tuning."""

        lr: float = 1e-5
        """Learning rate of encoder and head."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """The parameters behind ``image_features`` and the head train; the text tower rests."""
        train_only(model, tuple(model.parameters_of("image_features")))
        classifier = LinearClassifier(model, len(task.classnames), feature_width(model))
        return Fitted(classifier, NetworkStep(classifier))

    def zero_shot(
        self, fitted: Fitted, task: Task, tuned: Mapping[str, Tensor], support: Support
    ) -> Mapping[str, Tensor]:
        """The encoder as it came under a head of the class vectors.

        Raises ``InputError`` where the head reads other features than the texts are compared with.
        """
        classifier = cast(LinearClassifier, fitted.classifier)
        weight = text_head(classifier, task, support)
        bias = torch.zeros_like(classifier.head.bias)
        return {**classifier.delta(), "head.weight": weight, "head.bias": bias}


class NetworkStep(nn.Module):
    """Cross-entropy of the whole network."""

    def __init__(self, classifier: LinearClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images B×3×S×S, labels B → mean loss of the batch."""
        return F.cross_entropy(self.classifier(images), labels)
