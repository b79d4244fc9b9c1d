"""The linear head that classifies as the class vectors of zero-shot do."""

from __future__ import annotations

import torch
from torch import Tensor

from rationale_cli.contracts import Support, Task
from rationale_cli.errors import InputError
from rationale_cli.toolkit.heads import LinearClassifier, class_embeddings

_ENOUGH = 512
"""Pictures from which a mean length is taken."""


def text_head(classifier: LinearClassifier, task: Task, support: Support) -> Tensor:
    """C×F: scale · class vector / mean length of the features.

    A head reads features as they are, while zero-shot divides each by its length: answers are those of
    zero-shot, and so are the logits of a picture whose feature is as long as the mean. Raises ``InputError``
    for a model whose head reads other features than the joint embedding.
    """
    lengths: list[Tensor] = []
    for images, _ in support.batches("train"):
        features = classifier.features(images)
        if not lengths:
            _check_joint(classifier, images, features)
        lengths.append(features.norm(dim=-1))
        if sum(map(len, lengths)) >= _ENOUGH:
            break
    model = classifier.model
    return model.logit_scale * class_embeddings(model, task) / torch.cat(lengths).mean()


def _check_joint(classifier: LinearClassifier, images: Tensor, features: Tensor) -> None:
    joint = classifier.model.embed_images(images)
    if features.shape != joint.shape or not torch.allclose(features, joint, rtol=1e-3, atol=1e-5):
        raise InputError(
            "Expected a head that reads the embedding which texts are compared with but that of "
            f"{type(classifier.model).__name__} reads features before it: no zero-shot head exists for them.",
            next_step="tune with --method wise-ft, whose head reads the embedding, or with flcp",
        )
