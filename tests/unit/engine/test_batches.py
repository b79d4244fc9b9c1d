"""Samples of a split, and batches of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rationale_cli.contracts import Mask, Preprocessing, Sample
from rationale_cli.engine.batches import Pictures, chunks, limited, loader, readers
from rationale_cli.errors import InputError

SIDE = 8


class Mixed:
    """Of six pictures one cannot be read, two have masks, and one is known without its object."""

    ids = tuple(f"picture {index}" for index in range(6))
    labels = tuple(range(6))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        if index == 3:
            raise InputError("Expected a picture but it is torn.", where="there")
        image = Image.fromarray(np.random.default_rng(index).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
        mask = Mask(Image.new("L", (SIDE, SIDE), 255)) if index in {1, 4} else None
        return Sample(self.ids[index], image, index, mask, image if index == 4 else None)


def batches(indices: list[int], workers: int):
    preprocessing = Preprocessing(SIDE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return list(loader(Pictures(Mixed(), preprocessing, evidence=True), chunks(indices, 4), workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_is_laid_side_by_side_by_whoever_reads_it(workers):
    first, second = batches(list(range(6)), workers)
    assert first.ids == ("picture 0", "picture 1", "picture 2")
    assert [(one.id, one.where) for one in first.unreadable] == [("picture 3", "there")]
    assert first.labels.tolist() == [0, 1, 2]
    expected = [np.asarray(Mixed()[index].image).transpose(2, 0, 1) for index in range(3)]
    assert np.array_equal(first.pixels.numpy(), expected)
    assert first.annotated.tolist() == [False, True, False]
    assert first.masks.float().mean(dim=(1, 2)).tolist() == [0, 1, 0]
    assert not len(first.backgrounds)
    assert second.known.tolist() == [True, False]
    assert torch.equal(second.backgrounds, second.pixels[:1])


def test_a_batch_without_a_readable_picture_is_empty():
    (only,) = batches([3], 0)
    assert (only.ids, len(only.pixels), len(only.masks), len(only.labels)) == ((), 0, 0, 0)
    with pytest.raises(InputError, match="torn"):
        only.complain()


def test_many_pictures_are_read_by_as_many_processes_as_there_are_threads(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert (readers(None, 50_000), readers(None, 10), readers(3, 10), readers(0, 50_000)) == (4, 0, 3, 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert readers(None, 50_000) == 8
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert readers(None, 50_000) == 0


def test_a_share_is_spread_over_the_split():
    assert limited(1000, None, 0.01) == [0, 111, 222, 333, 444, 555, 666, 777, 888, 999]


def test_a_small_share_is_a_batch_at_least():
    assert len(limited(1000, None, 0.01, least=64)) == 64
    assert len(limited(40, None, 0.01, least=64)) == 40
    assert len(limited(1000, 20, 0.01, least=64)) == 20


@given(
    total=st.integers(1, 2000),
    limit=st.none() | st.integers(1, 3000),
    share=st.floats(1e-4, 1),
    least=st.integers(1, 200),
)
def test_a_sample_is_in_order_and_of_the_size_asked_for(total, limit, share, least):
    found = limited(total, limit, share, least)
    assert found == sorted(set(found))
    assert set(found) <= set(range(total))
    assert len(found) <= (limit or total)
    assert len(found) >= min(total, limit or total, least)


@pytest.mark.parametrize("augment", ["none", "standard", "mild", "reference"])
def test_a_mask_is_cropped_and_turned_like_its_picture(augment):
    class Painted:
        """White where the object is, so that pixels and mask must agree."""

        ids = tuple(f"picture {index}" for index in range(6))
        labels = (0,) * 6

        def __len__(self) -> int:
            return len(self.ids)

        def __getitem__(self, index: int) -> Sample:
            inside = np.zeros((40, 50), dtype=np.uint8)
            inside[8:30, 5 + index : 30] = 255
            picture = Image.fromarray(np.stack([inside] * 3, axis=2))
            return Sample(self.ids[index], picture, 0, Mask(Image.fromarray(inside)))

    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def read(masked):
        pictures = Pictures(Painted(), preprocessing, evidence=False, augment=augment, masked=masked)
        (batch,) = loader(pictures, [[(epoch, index) for epoch in range(2) for index in range(6)]], 0)
        return batch

    with_masks, without = read({0, 2, 3, 5}), read(())
    assert torch.equal(with_masks.pixels, without.pixels)
    assert not without.annotated.any()
    assert with_masks.annotated.tolist() == [True, False, True, True, False, True] * 2
    rows = with_masks.annotated
    painted = with_masks.pixels[rows].amax(dim=1) > 100
    assert (painted == with_masks.masks[rows].bool()).float().mean() > 0.9
    assert with_masks.masks[rows].flatten(1).any(dim=1).sum() >= 6
