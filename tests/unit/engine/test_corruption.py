"""Corruptions on the fly: the same pictures for everybody."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rationale_cli.engine.corruption import corrupted
from rationale_cli.errors import InputError
from rationale_cli.recipe import Corruption, corruptions

EVERY = corruptions(["all:3"])


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Smooth colours with edges, so that noise, blur and digital corruptions all show."""
    rows, columns = np.mgrid[0:64, 0:64]
    pixels = np.stack([4 * rows, 4 * columns, 255 * ((rows // 8 + columns // 8) % 2)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def test_there_are_fifteen_and_four() -> None:
    assert len(corruptions(["common:1"])) == 15
    assert len(EVERY) == 19
    assert len(corruptions(["all"])) == 95
    assert corruptions(["fog:2", "fog"])[0] == Corruption("fog", 2)
    assert len(corruptions(["fog:2", "fog"])) == 5


@pytest.mark.parametrize("corruption", EVERY, ids=str)
def test_a_corruption_changes_the_picture_and_repeats_itself(corruption, picture) -> None:
    np.random.seed(1)  # noqa: NPY002
    first = np.asarray(corrupted(picture, corruption, "a"))
    drawn = np.random.random()  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(first, np.asarray(corrupted(picture, corruption, "a")))
    np.random.seed(1)  # noqa: NPY002
    assert np.random.random() == drawn  # noqa: NPY002
    assert first.shape == (64, 64, 3)
    assert np.abs(first - np.asarray(picture, dtype=float)).mean() > 1


@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "glass_blur", "snow"])
def test_chance_differs_from_picture_to_picture(name, picture) -> None:
    one, other = (np.asarray(corrupted(picture, Corruption(name, 3), key)) for key in "ab")
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", ["gaussian_noise", "defocus_blur", "contrast", "jpeg_compression"])
def test_a_higher_severity_changes_more(name, picture) -> None:
    clean = np.asarray(picture, dtype=float)
    changes = [
        np.abs(np.asarray(corrupted(picture, Corruption(name, severity), "a")) - clean).mean()
        for severity in (1, 5)
    ]
    assert changes[1] > 1.1 * changes[0]


def test_a_picture_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="at least 32×32 pixels to corrupt but got 31×40"):
        corrupted(Image.new("RGB", (31, 40)), Corruption("fog", 1), "a")


@pytest.mark.parametrize(
    ("text", "told"),
    [("fogg:3", "Did you mean 'fog'"), ("fog:6", "severity from 1 to 5"), ("fog:", "1 to 5")],
)
def test_an_unknown_corruption_is_told(text, told) -> None:
    with pytest.raises(ValueError, match=told):
        corruptions([text])


def test_names_of_splits() -> None:
    assert Corruption.named("gaussian_noise-5") == Corruption("gaussian_noise", 5)
    assert [Corruption.named(text) for text in ("val", "fog-6", "fog", "mist-1")] == [None] * 4
