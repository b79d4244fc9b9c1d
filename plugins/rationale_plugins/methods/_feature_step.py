"""The step of methods whose encoder rests."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Classifier
from rationale_cli.toolkit.modes import evaluation


class FeatureStep(nn.Module):
    """Cross-entropy of a classifier whose features never change: what trains comes after them."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self._loss = _FeatureLoss(classifier)

    def cached(self) -> nn.Module:
        """The features never change: train on cached ones."""
        return self._loss

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        classifier = self._loss.classifier
        with torch.no_grad(), evaluation(cast(nn.Module, classifier.model)):
            features = classifier.features(images)
        loss: Tensor = self._loss(features, labels)
        return loss


class _FeatureLoss(nn.Module):
    """The same loss on given features."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self._classifier = cast(nn.Module, classifier)

    @property
    def classifier(self) -> Classifier:
        return cast(Classifier, self._classifier)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.classifier.logits(features), labels)
