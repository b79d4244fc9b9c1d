"""How an image processor of transformers lays out the pixels of a square picture, found by numbered pixels.

Families differ: LLaVA takes pictures as they are, Qwen patches in an order of its own, each frame twice. A
processor that is shown the numbers of the pixels instead of colours tells the layout by itself; the same for
any batch, differentiable, and as fast as one look-up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from rationale_cli.contracts import Preprocessing
from rationale_cli.errors import InputError

_NEXT_TO_ZERO = 1e-12
_BYTES = 3
"""Enough to number the pixels of a picture of 2,300 pixels a side."""


class PixelLayout(nn.Module):
    """B×3×S×S, normalised → the ``pixel_values`` of a processor; holds no weights.

    Raises ``InputError`` for a processor that resizes, pads or cuts pictures of this side.
    """

    index: Tensor

    def __init__(self, processor: Any, side: int, where: str) -> None:
        super().__init__()
        self.side = side
        self.preprocessing = _preprocessing(processor, side)
        index = _numbered(processor, side)
        self._rows, *self._shape = index.shape
        self.register_buffer("index", index.flatten(), persistent=False)
        if not self._tells(processor):
            raise InputError(
                f"Expected a processor that takes pictures of {side}×{side} pixels as they are but it "
                "resizes, pads or cuts them.",
                where=where,
                next_step="choose the side that the model was trained with: --set model.size=…",
            )

    @property
    def blank(self) -> Image.Image:
        """A picture of the side, of which a prompt needs nothing but the size."""
        return Image.new("RGB", (self.side, self.side))

    def forward(self, images: Tensor) -> Tensor:
        """What the processor makes of B pictures; raises ``InputError`` for another size."""
        if images.shape[-2:] != (self.side, self.side):
            raise InputError(
                f"Expected pictures of {self.side}×{self.side} pixels but got {tuple(images.shape[-2:])}."
            )
        values = images.flatten(1)
        # Some models take a picture that is zero throughout for filling, and leave it out.
        values = values + _NEXT_TO_ZERO * (values == 0).all(dim=1, keepdim=True)
        return values[:, self.index].reshape(len(images) * self._rows, *self._shape)

    def _tells(self, processor: Any) -> bool:
        """Whether the layout gives a random picture as the processor does."""
        if int(self.index.min()) < 0 or int(self.index.max()) >= 3 * self.side**2:
            return False
        pixels = np.random.default_rng(0).integers(0, 256, (self.side, self.side, 3), dtype=np.uint8)
        wanted = processor(images=Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
        mean, std = (
            torch.tensor(one).view(3, 1, 1) for one in (self.preprocessing.mean, self.preprocessing.std)
        )
        normalised = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - mean) / std
        found = self(normalised.unsqueeze(0))
        return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)


def _numbered(processor: Any, side: int) -> Tensor:
    """``pixel_values`` of the number that each value has among 3×S×S, a byte of it at a time."""
    numbers = np.arange(3 * side**2).reshape(3, side, side).transpose(1, 2, 0)
    index = torch.zeros((), dtype=torch.long)
    for place in range(_BYTES):
        picture = Image.fromarray((numbers >> 8 * place & 255).astype(np.uint8))
        told = processor(images=picture, do_rescale=False, do_normalize=False, return_tensors="pt")
        index = index + (told["pixel_values"].long() << 8 * place)
    return index


def _preprocessing(processor: Any, side: int) -> Preprocessing:
    """Cut to a square where the processor cuts, else squashed."""
    plain = not processor.do_normalize
    mean, std = ((0.0,) * 3, (1.0,) * 3) if plain else (processor.image_mean, processor.image_std)
    return Preprocessing(
        side,
        (float(mean[0]), float(mean[1]), float(mean[2])),
        (float(std[0]), float(std[1]), float(std[2])),
        "bilinear" if int(processor.resample) == 2 else "bicubic",
        squash=not getattr(processor, "do_center_crop", False),
    )
