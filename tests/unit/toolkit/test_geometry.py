"""Picture and mask go through one geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from rationale_cli.contracts import Boxes, Mask, Preprocessing
from rationale_cli.errors import InputError
from rationale_cli.toolkit.geometry import mask_of, mask_on_view, model_view, normalise, to_bytes

HALF = (0.5, 0.5, 0.5)


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(width * height).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(20, 300),
    st.integers(20, 300),
    st.sampled_from([32, 64, 65]),
    st.sampled_from([None, 72]),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_the_view_is_that_of_torchvision(
    width: int, height: int, size: int, resize: int | None, mode: str
) -> None:
    preprocessing = Preprocessing(size, HALF, HALF, mode, resize)  # type: ignore[arg-type]
    image = picture(width, height)
    resized = tv.resize(image, [resize or size], interpolation=tv.InterpolationMode(mode))
    expected = tv.center_crop(resized, [size, size])
    np.testing.assert_array_equal(np.asarray(model_view(image, preprocessing)), np.asarray(expected))


@pytest.mark.parametrize("size", [(40, 80), (32, 32), (33, 20)])
def test_squashing_keeps_the_whole_picture_and_its_mask(size: tuple[int, int]) -> None:
    preprocessing = Preprocessing(32, HALF, HALF, "bicubic", squash=True)
    image = picture(*size)
    expected = tv.resize(image, [32, 32], interpolation=tv.InterpolationMode.BICUBIC)
    np.testing.assert_array_equal(np.asarray(model_view(image, preprocessing)), np.asarray(expected))
    whole = mask_on_view(Boxes(((0, 0, *size),)), size, preprocessing)
    assert int(whole.sum()) == 32 * 32
    left = mask_on_view(Boxes(((0, 0, size[0] / 2, size[1]),)), size, preprocessing)
    assert bool(left[:, :15].all())
    assert not left[:, 18:].any()


def test_normalised_pixels() -> None:
    preprocessing = Preprocessing(8, (0.1, 0.2, 0.3), (0.5, 0.25, 0.125))
    pixels = to_bytes(picture(8, 8))[None]
    expected = (pixels[0, 2, 3, 4] / 255 - 0.3) / 0.125
    assert torch.isclose(normalise(pixels, preprocessing)[0, 2, 3, 4], expected)


def test_boxes_are_united_and_clipped() -> None:
    mask = np.asarray(mask_of(Boxes(((-5, 1, 3, 4), (6.2, 0, 99, 2.5))), (10, 6)))
    expected = np.zeros((6, 10), np.uint8)
    expected[1:4, 0:3] = 1
    expected[0:3, 6:10] = 1
    np.testing.assert_array_equal(mask, expected)


def test_a_mask_of_another_scale_fits_and_one_of_another_shape_does_not() -> None:
    small = Image.fromarray(np.array([[0, 255], [9, 0]], np.uint8))
    mask = np.asarray(mask_of(Mask(small), (40, 40)))
    assert mask[:20, 20:].all()
    assert mask[20:, :20].all()
    assert mask.sum() == 800
    with pytest.raises(InputError, match="40×20 but got 2×2"):
        mask_of(Mask(small), (40, 20))


def test_a_mask_goes_where_its_object_goes() -> None:
    pixels = np.zeros((90, 150, 3), np.uint8)
    pixels[30:70, 60:110] = 255
    inside = Mask(Image.fromarray(pixels[..., 0]))
    preprocessing = Preprocessing(32, HALF, HALF, "bilinear", 40)
    view = np.asarray(model_view(Image.fromarray(pixels), preprocessing))[..., 0]
    mask = mask_on_view(inside, (150, 90), preprocessing).numpy()
    assert set(np.unique(mask)) == {0, 1}
    # A mask of 0/1 is rounded after either direction of the resize, a picture after both: corners may differ.
    assert np.count_nonzero(mask != (view > 127)) <= 4
    assert mask.sum() > 200
