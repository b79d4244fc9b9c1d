"""Features of the training pictures, for methods that choose or compute something from them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..contracts import Classifier, Drawn, Support


def encoded(
    classifier: Classifier, support: Support, part: Drawn, *, passes: int = 1, augment: str | None = None
) -> tuple[Tensor, Tensor]:
    """Features of the part's pictures N×F, float32, each the mean over the passes; and labels N.

    No gradient is recorded. Raises as ``Support.batches`` does.
    """
    rows, labels = [], []
    with torch.no_grad():
        for images, classes in support.batches(part, passes=passes, augment=augment):
            rows.append(classifier.features(images).float())
            labels.append(classes)
    features = torch.cat(rows)
    count = len(features) // passes
    return features.view(passes, count, -1).mean(dim=0), torch.cat(labels)[:count]
