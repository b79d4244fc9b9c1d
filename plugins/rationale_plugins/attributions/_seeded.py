"""Random numbers that depend on the picture and a seed alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import torch
from torch import Tensor


def generators(images: Tensor, seed: int) -> Iterator[torch.Generator]:
    """One generator a picture, from the bits of its input and the seed: batch and process do not matter."""
    for image in images.detach().float().cpu():
        # Torch's generator on the CPU reads 32 bits of a seed, which is what this checksum has.
        yield torch.Generator().manual_seed(zlib.crc32(image.contiguous().numpy().tobytes(), seed))
