"""Image towers with the weights of their last layers shuffled: what a heatmap of the model must not survive.

(Adebayo et al. 2018, cascading randomisation. The entries of each tensor are shuffled, not drawn anew, so
that every tensor keeps its scale and activations stay finite.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..contracts import VisionLanguageModel


@contextmanager
def shuffled(model: VisionLanguageModel, share: float, seed: int = 0) -> Iterator[None]:
    """Shuffle the last ``share`` of the image tower's tensors, in the order in which they were registered.

    Everything is as before on leaving.
    """
    tensors = list(dict.fromkeys(model.parameters_of("image_features")))
    first = round((1 - share) * len(tensors))
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors[first:]]
    generator = torch.Generator().manual_seed(seed)
    try:
        for tensor, values in kept:
            _fill(tensor, values.flatten()[torch.randperm(values.numel(), generator=generator)])
        yield
    finally:
        for tensor, values in kept:
            _fill(tensor, values)


def _fill(tensor: nn.Parameter, values: Tensor) -> None:
    with torch.no_grad():
        tensor.copy_(values.view_as(tensor))
