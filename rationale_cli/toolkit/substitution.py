"""Functions of a model with other weights than its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..contracts import VisionLanguageModel
from .modes import evaluation

ImageFunction = Literal["image_features", "embed_images"]
"""A function of a model from pictures to features."""


def called(
    model: VisionLanguageModel, weights: Mapping[str, Tensor], function: str, *arguments: Any
) -> Tensor:
    """A function of the model with other weights in place of its own; the model stays as it is."""
    named = {f"model.{name}": tensor for name, tensor in weights.items()}
    result: Tensor = functional_call(_Call(cast(nn.Module, model)), named, (function, *arguments))
    return result


class _Call(nn.Module):
    """A module whose forward is any function of a model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: str, *arguments: Any) -> Tensor:
        result: Tensor = getattr(self.model, function)(*arguments)
        return result


def as_it_came(model: VisionLanguageModel, function: ImageFunction) -> Callable[[Tensor], Tensor]:
    """What a function of the model computes now, however its weights are trained later.

    B×3×S×S → B×F in evaluation mode and without a gradient. Keeps a copy of those weights that train, and of
    no others.
    """
    kept = weights_as_they_came(model, function)

    def computed(images: Tensor) -> Tensor:
        with torch.no_grad(), evaluation(cast(nn.Module, model)):
            return called(model, kept, function, images)

    return computed


def weights_as_they_came(model: VisionLanguageModel, function: ImageFunction) -> dict[str, Tensor]:
    """A copy, by name, of those weights behind a function of the model that train."""
    trained = {id(one) for one in model.parameters_of(function) if one.requires_grad}
    named = cast(nn.Module, model).named_parameters()
    return {name: one.detach().clone() for name, one in named if id(one) in trained}
