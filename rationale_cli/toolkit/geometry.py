"""One geometry for picture and evidence: resized, centre cropped, normalised.

The mask travels as bytes 0/1 through the same resize (bilinear) and crop as the picture: rounding keeps
it 0/1, which is the reference's rule for segmentation masks. A mask of grey levels (``Mask.share``) is
resized as it is and cut afterwards, the reference's rule for CUB.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..contracts import Boxes, Evidence, Mask, Preprocessing
from ..errors import InputError

_MODES = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_ASPECT_TOLERANCE = 0.02
Channels = tuple[float, float, float]


def model_view(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The S×S part of a picture that the model sees, as a picture."""
    return _resize_and_crop(image, preprocessing, _MODES[preprocessing.interpolation])


def to_bytes(image: Image.Image) -> Tensor:
    """RGB picture → 3×H×W uint8."""
    planes = np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
    return torch.from_numpy(np.array(planes, order="C"))


def normalise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """B×3×S×S uint8 → the model's input, float32, on the device of ``pixels``."""
    mean, std = _statistics(tuple(preprocessing.mean), tuple(preprocessing.std), pixels.device)
    # In place: the memory of three further copies costs more than the arithmetic.
    return pixels.float().div_(255).sub_(mean).div_(std)


@cache
def _statistics(mean: Channels, std: Channels, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both 3×1×1. Kept on the device: to bring them there waits for all that it is computing."""
    return torch.tensor(mean, device=device).view(3, 1, 1), torch.tensor(std, device=device).view(3, 1, 1)


def mask_of(evidence: Evidence, size: tuple[int, int]) -> Image.Image:
    """Mask or boxes → 'L' picture of 0/1 bytes at the picture's size (width, height).

    A box covers the pixels from floor(left, top) up to ceil(right, bottom), exclusive. Raises
    ``InputError`` where a mask's sides are not those of the picture times a common scale.
    """
    if isinstance(evidence, Boxes):
        return _filled(evidence, size)
    return _binary(evidence, size)


def mask_on_view(evidence: Evidence, size: tuple[int, int], preprocessing: Preprocessing) -> Tensor:
    """Mask or boxes of a picture of ``size`` → S×S uint8 0/1 on the model's input."""
    if isinstance(evidence, Mask) and evidence.share is not None and evidence.image.size == size:
        grey = _resize_and_crop(evidence.image.convert("L"), preprocessing, Image.Resampling.BILINEAR)
        mask = mask_of(replace(evidence, image=grey), grey.size)
    else:
        mask = _resize_and_crop(mask_of(evidence, size), preprocessing, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(mask, dtype=np.uint8))


def bounding_boxes(masks: Tensor) -> Tensor:
    """B×S×S masks → B×S×S bool: the smallest box around each; nothing where the mask is empty."""
    rows, columns = masks.amax(dim=2) > 0, masks.amax(dim=1) > 0
    return _span(rows).unsqueeze(2) & _span(columns).unsqueeze(1)


def _span(flags: Tensor) -> Tensor:
    """B×S bool → true from the first to the last true entry."""
    counts = flags.int()
    return (counts.cumsum(dim=1) > 0) & (counts.flip(1).cumsum(dim=1).flip(1) > 0)


def _resize_and_crop(image: Image.Image, preprocessing: Preprocessing, mode: Image.Resampling) -> Image.Image:
    """Pillow does what torchvision's transforms do to Pillow pictures, with the same rounding."""
    if preprocessing.squash:
        side = (preprocessing.size, preprocessing.size)
        return image if image.size == side else image.resize(side, mode)
    short = preprocessing.resize or preprocessing.size
    width, height = image.size
    if min(width, height) != short:
        image = image.resize(
            (int(short * width / min(image.size)), int(short * height / min(image.size))), mode
        )
    left = round((image.width - preprocessing.size) / 2)
    top = round((image.height - preprocessing.size) / 2)
    return image.crop((left, top, left + preprocessing.size, top + preprocessing.size))


def _filled(boxes: Boxes, size: tuple[int, int]) -> Image.Image:
    width, height = size
    mask = np.zeros((height, width), dtype=np.uint8)
    for left, top, right, bottom in boxes.xyxy:
        rows = slice(max(int(np.floor(top)), 0), max(int(np.ceil(bottom)), 0))
        mask[rows, max(int(np.floor(left)), 0) : max(int(np.ceil(right)), 0)] = 1
    return Image.fromarray(mask)


def _binary(evidence: Mask, size: tuple[int, int]) -> Image.Image:
    grey = (
        evidence.image if evidence.image.mode in {"1", "L", "P", "I", "I;16"} else evidence.image.convert("L")
    )
    levels = np.asarray(grey)
    inside = levels > 0 if evidence.share is None else levels >= 255 * evidence.share
    mask = Image.fromarray(inside.view(np.uint8))
    if mask.size == size:
        return mask
    across, down = mask.size[0] / size[0], mask.size[1] / size[1]
    if abs(across / down - 1) > _ASPECT_TOLERANCE:
        raise InputError(
            f"Expected a mask of the picture's proportions {size[0]}×{size[1]} "
            f"but got {mask.size[0]}×{mask.size[1]}."
        )
    return mask.resize(size, Image.Resampling.NEAREST)
