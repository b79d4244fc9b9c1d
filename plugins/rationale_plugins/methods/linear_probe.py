"""Linear probe."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Fitted, MethodOptions, Protocols, Task, VisionLanguageModel
from rationale_cli.toolkit.heads import LinearClassifier, feature_width, train_only


class LinearProbe:
    """A linear head trained with cross-entropy on the frozen image encoder (protocol §4, LP)."""

    protocols: ClassVar[Protocols] = {"reference": {"explain.precision": "no"}}

    class Options(MethodOptions):
        """Options of the linear probe."""

        lr: float = 1e-3
        """Learning rate of the head."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """A head in PyTorch's default initialisation; the encoder stays bit-identical."""
        train_only(model, ())
        classifier = LinearClassifier(model, len(task.classnames), feature_width(model))
        return Fitted(classifier, _HeadStep(classifier))


class _HeadLoss(nn.Module):
    """Cross-entropy of the head on given features."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.head(features), labels)


class _HeadStep(nn.Module):
    """One step of the head; the encoder runs without a graph."""

    def __init__(self, classifier: LinearClassifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.loss = _HeadLoss(classifier.head)

    def cached(self) -> nn.Module:
        """The features never change: train on cached ones."""
        return self.loss

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.classifier.features(images)
        loss: Tensor = self.loss(features, labels)
        return loss
