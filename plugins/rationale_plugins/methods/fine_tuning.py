"""Full fine-tuning of the image encoder with a linear head."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Fitted, MethodOptions, Protocols, Task, VisionLanguageModel
from rationale_cli.toolkit.heads import LinearClassifier, feature_width, train_only


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
        return Fitted(classifier, _Step(classifier))


class _Step(nn.Module):
    """Cross-entropy of the whole network."""

    def __init__(self, classifier: LinearClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.classifier(images), labels)
