"""What object and background do to a score, by exchanging them: the truth that heatmaps are held against.

Where the picture without its object is known exactly (drawn scenes), object i can stand on background j with
nothing else changed. How far the score of the class falls is an effect of the exchange itself: no explainer
is involved.

Shapes: B pictures, S pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..contracts import Classifier

PARTNERS = 4
"""Other pictures, at least, that each object and background is exchanged with."""


class Effects(NamedTuple):
    """B values each, float64, on the scale of logits; NaN where no picture of another class was at hand."""

    object: Tensor
    """How far the label's score falls when an object of another class stands on the picture's background."""
    background: Tensor
    """How far it falls when the picture's object stands on the background of another class."""

    def share(self) -> Tensor:
        """The object's share of both, between 0 and 1; NaN where neither carries the class."""
        own, other = self.object.clamp(min=0), self.background.clamp(min=0)
        return torch.where(own + other > 0, own / (own + other), torch.nan)


def effects(
    classifier: Classifier,
    images: Tensor,
    masks: Tensor,
    backgrounds: Tensor,
    labels: Tensor,
    *,
    logits: Tensor | None = None,
    partners: int = PARTNERS,
) -> Effects:
    """Normalised images and backgrounds B×3×S×S, masks B×S×S, labels B → effects.

    The score is the label's logit less the mean of all. ``partners``, that many at least, are the next
    pictures of the batch that belong to another class; ``logits`` B×C of the pictures as they are, where
    they are known. Runs without gradients in the mode the classifier is in.
    """
    inside = (masks > 0).unsqueeze(1)
    whole = _scores(classifier, images) if logits is None else _centred(logits)
    own = whole.gather(1, labels[:, None]).squeeze(1)
    falls = torch.zeros(2, len(images), dtype=torch.float64, device=images.device)
    counts = torch.zeros_like(falls)
    for shift in range(1, len(images)):
        apart = labels != labels.roll(-shift)
        # Object i on background i + shift: of i the background was exchanged, of i + shift the object.
        scores = _scores(classifier, torch.where(inside, images, backgrounds.roll(-shift, dims=0)))
        other_background = scores.gather(1, labels[:, None]).squeeze(1)
        other_object = scores.roll(shift, dims=0).gather(1, labels[:, None]).squeeze(1)
        for row, other, counted in ((0, other_object, apart.roll(shift)), (1, other_background, apart)):
            falls[row] += torch.where(counted, own - other, 0)
            counts[row] += counted
        if bool((counts >= partners).all()):
            break
    mean = torch.where(counts > 0, falls / counts, torch.nan)
    return Effects(mean[0], mean[1])


def _scores(classifier: Classifier, images: Tensor) -> Tensor:
    with torch.no_grad():
        return _centred(classifier(images))


def _centred(logits: Tensor) -> Tensor:
    """B×C, less their mean, in double precision."""
    wide = logits.double()
    return wide - wide.mean(dim=1, keepdim=True)
