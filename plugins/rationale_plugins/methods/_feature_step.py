"""The step of methods whose encoder rests."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Classifier
from rationale_cli.toolkit.modes import evaluation


class FeatureLoss(nn.Module):
    """Cross-entropy of a classifier on given features; a subclass computes something else of them."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self._classifier = cast(nn.Module, classifier)

    @property
    def classifier(self) -> Classifier:
        """Whose features they are."""
        return cast(Classifier, self._classifier)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """features B×F, labels B → scalar."""
        return F.cross_entropy(self.classifier.logits(features), labels)


class FeatureStep(nn.Module):
    """The loss for pictures, of a classifier whose features never change: what trains comes after them."""

    def __init__(self, loss: FeatureLoss) -> None:
        super().__init__()
        self.loss = loss

    def cached(self) -> nn.Module:
        """The features never change: train on cached ones."""
        return self.loss

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images B×3×S×S, labels B → scalar."""
        classifier = self.loss.classifier
        with torch.no_grad(), evaluation(cast(nn.Module, classifier.model)):
            features = classifier.features(images)
        loss: Tensor = self.loss(features, labels)
        return loss
