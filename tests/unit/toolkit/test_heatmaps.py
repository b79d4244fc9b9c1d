"""Heatmaps and their mass on the object against plain numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rationale_cli.toolkit.heatmaps import evidence, heatmaps, upsample

VALUES = st.one_of(st.just(0.0), st.floats(2**-20, 2.0**20, width=32))


def bilinear(grid, size):
    """Upsampling without torch: the centre of pixel i lies at (i + ½)·h/S − ½ on the grid, clamped."""

    def axis(cells, pixels):
        position = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, None)
        low = np.minimum(position.astype(int), cells - 1)
        return low, np.minimum(low + 1, cells - 1), position - low

    (top, bottom, down), (left, right, across) = axis(grid.shape[0], size[0]), axis(grid.shape[1], size[1])
    rows = grid[top] * (1 - down)[:, None] + grid[bottom] * down[:, None]
    return rows[:, left] * (1 - across) + rows[:, right] * across


@st.composite
def maps_and_masks(draw):
    pictures, height, width = draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6))
    size = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    relevance = draw(arrays.arrays(np.float32, (pictures, height, width), elements=VALUES))
    masks = draw(arrays.arrays(np.uint8, (pictures, *size), elements=st.integers(0, 1)))
    return relevance, masks


@settings(max_examples=150, deadline=None)
@given(maps_and_masks())
def test_evidence_equals_the_upsampled_and_normalised_map(case):
    relevance, masks = case
    found = evidence(torch.from_numpy(relevance), torch.from_numpy(masks))
    for index, (grid, mask) in enumerate(zip(relevance.astype(np.float64), masks, strict=True)):
        large = bilinear(grid, mask.shape)
        spread = large.max() - large.min()
        assert bool(found.constant[index]) == (spread <= 2**-21 * large.max())
        if large.sum() == 0:
            assert math.isnan(found.raw[index])
        else:
            assert found.raw[index] == pytest.approx((large * mask).sum() / large.sum(), abs=1e-9)
        if found.constant[index]:
            assert math.isnan(found.rma[index])
            continue
        normalised = (large - large.min()) / spread
        # Taking the minimum off loses as many digits as the map is flat.
        slack = 1e-12 * large.max() / spread
        assert found.rma[index] == pytest.approx(
            (normalised * mask).sum() / normalised.sum(), abs=1e-9 + slack
        )


@settings(max_examples=50, deadline=None)
@given(maps_and_masks())
def test_heatmaps_are_the_same_map_in_pixels(case):
    relevance, masks = case
    shown = heatmaps(torch.from_numpy(relevance), masks.shape[1:]).numpy()
    assert shown.shape == masks.shape
    for grid, found in zip(relevance.astype(np.float64), shown, strict=True):
        large = bilinear(grid, found.shape)
        spread = large.max() - large.min()
        if spread > 1e-5 * large.max():
            slack = 1e-6 * large.max() / spread
            assert np.abs(found - (large - large.min()) / spread).max() <= 1e-5 + slack
        elif spread == 0:
            assert not found.any()
        assert (found >= 0).all()
        assert (found <= 1).all()


def test_a_constant_map_is_no_evidence_but_has_a_raw_share():
    masks = torch.zeros(3, 20, 20, dtype=torch.uint8)
    masks[:, :5] = 1
    relevance = torch.stack([torch.full((4, 4), 0.1), torch.zeros(4, 4), torch.eye(4)])
    found = evidence(relevance, masks)
    assert found.constant.tolist() == [True, True, False]
    assert found.rma.isnan().tolist() == [True, True, False]
    assert found.raw[0] == pytest.approx(0.25)
    assert found.raw[1].isnan()
    assert not heatmaps(relevance, (20, 20))[:2].any()


def test_rounding_noise_on_a_constant_map_is_no_evidence():
    relevance = torch.full((1, 4, 4), 0.3)
    relevance[0, 1, 1] = torch.nextafter(relevance[0, 1, 1], torch.tensor(1.0))
    assert evidence(relevance, torch.ones(1, 16, 16, dtype=torch.uint8)).constant.all()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_map_that_is_not_finite_is_no_evidence(bad):
    relevance = torch.rand(2, 4, 4)
    relevance[0, 0, 0] = bad
    found = evidence(relevance, torch.ones(2, 16, 16, dtype=torch.uint8))
    assert found.constant.tolist() == [True, False]
    assert found.rma[0].isnan()


def test_a_mask_of_any_positive_value_is_the_object_and_an_empty_one_holds_nothing():
    relevance = torch.rand(1, 7, 7).expand(3, -1, -1)
    masks = torch.zeros(3, 28, 28, dtype=torch.uint8)
    masks[0, 3:20, 5:9], masks[1, 3:20, 5:9] = 1, 255
    found = evidence(relevance, masks)
    assert found.rma[0] == found.rma[1]
    assert found.rma[2] == 0


def test_the_unit_of_relevance_does_not_matter():
    torch.manual_seed(0)
    relevance, masks = torch.rand(4, 7, 7), (torch.rand(4, 56, 56) > 0.5).byte()
    small, large = evidence(relevance * 1e-12, masks), evidence(relevance * 1e12, masks)
    assert torch.allclose(small.rma, large.rma, atol=1e-6)
    assert torch.allclose(small.raw, large.raw, atol=1e-6)


def test_upsampling_leaves_corners_unaligned():
    assert upsample(torch.tensor([[[0.0, 1.0]]]), (1, 4)).tolist() == [[[0.0, 0.25, 0.75, 1.0]]]
