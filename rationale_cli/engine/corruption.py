"""Corruptions on the fly: the pictures of any dataset as ImageNet-C would have them.

They are computed by ``imagecorruptions`` (Michaelis et al., 2019), whose parameters are ImageNet-C's, on the
part of a picture that the model sees, as ImageNet-C was made. Its chance is seeded by picture, corruption and
severity: the same in any number of processes and in every run that is compared.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError, WorkError
from ..recipe import Corruption

SMALLEST = 32
"""Side in pixels below which the library refuses a picture."""

_SEEDED = ("impulse_noise", "glass_blur")
"""Those that take a seed of their own; the others draw from NumPy's global generator."""


def corrupted(picture: Image.Image, corruption: Corruption, identifier: str) -> Image.Image:
    """An RGB picture under a corruption. Raises ``InputError`` where it is smaller than 32 pixels."""
    if min(picture.size) < SMALLEST:
        raise InputError(
            f"Expected pictures of at least {SMALLEST}×{SMALLEST} pixels to corrupt "
            f"but got {picture.width}×{picture.height}.",
            where=identifier,
        )
    seed = zlib.crc32(f"{identifier}/{corruption}".encode())
    with _seeded(seed):
        changed = _function(corruption.name)(
            picture.convert("RGB"), severity=corruption.severity, **_own_seed(corruption, seed)
        )
    return Image.fromarray(np.clip(changed, 0, 255).astype(np.uint8))


def _own_seed(corruption: Corruption, seed: int) -> dict[str, int]:
    return {"seed": seed} if corruption.name in _SEEDED else {}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """NumPy's global generator, seeded and restored."""
    state = np.random.get_state()  # noqa: NPY002 (what the library draws from)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


@cache
def _function(name: str) -> Callable[..., Any]:
    """Imported when it is needed: it takes a second."""
    try:
        from imagecorruptions import corruptions
    except ImportError as error:
        raise WorkError(
            f"Expected the library that corrupts pictures but it cannot be loaded: {error}",
            next_step="where a system library of OpenCV is missing: pip install --force-reinstall "
            "opencv-python-headless",
        ) from error
    found: Callable[..., Any] = getattr(corruptions, name)
    return found
