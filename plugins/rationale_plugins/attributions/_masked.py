"""The classifier as a black box: what it says of pictures of which a part is hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from rationale_cli.contracts import Classifier

_AT_ONCE = 64
"""Pictures that a forward takes where a batch is smaller."""

Masks = Callable[[range], Tensor]
"""Numbers of masks → K×S×S: the share of each pixel that is shown."""


def masked_features(
    classifier: Classifier, images: Tensor, masks: Masks, count: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Some masks at a time, K×S×S, and the features of every picture under each of them, K×B×F.

    images B×3×S×S. What is hidden is filled with the mean colour: zero at the model's input. Evaluation mode
    and the absence of gradients are the caller's.
    """
    together = max(1, _AT_ONCE // max(len(images), 1))
    for start in range(0, count, together):
        shown = masks(range(start, min(start + together, count))).to(images)
        pixels = (images * shown[:, None, None]).flatten(0, 1)
        yield shown, classifier.features(pixels).view(len(shown), len(images), -1)
