"""A fine-tuning method: what trains, which classifier comes of it, and what one step's loss is."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Fitted, MethodOptions, Task, VisionLanguageModel
from rationale_cli.toolkit.heads import LinearClassifier, feature_width, train_only


class BiasTuning:
    """Train the image tower's biases and a linear head (BitFit; Ben Zaken, Goldberg, Ravfogel 2022)."""

    class Options(MethodOptions):
        """A method that trains derives its options from MethodOptions, which has the learning rate."""

        lr: float = 1e-3
        """Learning rate of biases and head."""
        smoothing: float = 0.0
        """Label smoothing of the cross-entropy, 0 to 1."""

    # Attributes that a model must have beyond the contract; checked before any weight is read.
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Every parameter that requires a gradient must get one in a step; all others stay as they are."""
        tower = model.parameters_of("image_features")
        train_only(model, [parameter for parameter in tower if parameter.ndim == 1])
        classifier = LinearClassifier(model, len(task.classnames), feature_width(model))
        return Fitted(classifier, Step(classifier, self.options.smoothing))


class Step(nn.Module):
    """One forward is one loss. It holds the classifier, so that many processes agree on the gradients."""

    def __init__(self, classifier: LinearClassifier, smoothing: float) -> None:
        super().__init__()
        self.classifier = classifier
        self.smoothing = smoothing

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """images B×3×S×S, labels B → mean loss of the batch."""
        return F.cross_entropy(self.classifier(images), labels, label_smoothing=self.smoothing)
