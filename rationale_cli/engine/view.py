"""How pictures are prepared: the model's own way, and what a run's ``view`` changes of it."""

from __future__ import annotations

from dataclasses import replace

from ..contracts import Preprocessing
from ..errors import InputError
from ..recipe import ViewOptions

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's pixels, as torchvision states them."""


def prepared(own: Preprocessing, view: ViewOptions, *, further: bool = False) -> Preprocessing:
    """The model's preprocessing with what ``view`` changes.

    ``further`` is for a dataset beside the run's own: its pictures are cropped as the model does. Raises
    ``InputError`` for a crop of pictures that the model squashes.
    """
    changed = own
    if view.normalise == "imagenet":
        changed = replace(changed, mean=IMAGENET[0], std=IMAGENET[1])
    if view.interpolation != "model":
        changed = replace(changed, interpolation=view.interpolation)
    if view.crop is not None and not further:
        if own.squash:
            raise InputError(
                "view.crop: Expected a model that crops pictures but this one squashes them.",
                next_step="leave view.crop out",
            )
        changed = replace(changed, resize=round(own.size / view.crop))
    return changed
