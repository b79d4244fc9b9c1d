"""Relevant mass against loops over pixels, and against the reference implementation."""

from __future__ import annotations

from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.measures.rma import above_area, has_evidence, mask_area, normalise, relevant_mass

SHAPE = (3, 4, 5)
HEATMAPS = hnp.arrays(np.float64, SHAPE, elements=st.floats(0, 100, allow_subnormal=False))
MASKS = hnp.arrays(np.bool_, SHAPE)


@given(HEATMAPS, MASKS)
def test_relevant_mass_is_the_sum_inside_over_the_sum(heatmaps: np.ndarray, masks: np.ndarray) -> None:
    for heat, mask, mass in zip(heatmaps, masks, relevant_mass(heatmaps, masks), strict=True):
        if heat.max() == heat.min():
            assert np.isnan(mass)
            continue
        inside = sum(heat[y, x] for y in range(4) for x in range(5) if mask[y, x])
        assert mass == pytest.approx(inside / sum(heat.ravel()))


@given(HEATMAPS)
def test_normalised_maps_span_zero_to_one(heatmaps: np.ndarray) -> None:
    for heat, scaled in zip(heatmaps, normalise(heatmaps), strict=True):
        if heat.max() == heat.min():
            assert np.isnan(scaled).all()
        else:
            assert (scaled.min(), scaled.max()) == (0, 1)
            assert np.argmax(scaled) == np.argmax(scaled.ravel() == 1)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.25, np.nan, np.inf])
def test_a_heatmap_of_one_value_is_no_evidence(value: float) -> None:
    heat = np.full((1, 2, 2), value)
    assert not has_evidence(heat)[0]
    assert np.isnan(relevant_mass(heat, np.ones((1, 2, 2)))[0])


def test_one_bad_pixel_is_no_evidence() -> None:
    heat = np.array([[[1.0, 2.0], [np.nan, 0.0]]])
    assert not has_evidence(heat)[0]


def test_an_empty_mask_has_no_mass_and_no_area() -> None:
    heat, empty = np.array([[[1.0, 2.0]]]), np.zeros((1, 1, 2))
    assert relevant_mass(heat, empty)[0] == 0
    assert mask_area(empty)[0] == 0


def test_what_lies_above_a_uniform_map() -> None:
    heat, mask = np.array([[[3.0, 1.0]]]), np.array([[[255, 0]]])
    assert above_area(relevant_mass(heat, mask), mask_area(mask)) == pytest.approx([0.25])


def test_reference_values(shared: Path) -> None:
    golden = np.load(shared / "golden" / "clip_gaa.npz", allow_pickle=False)
    for path, name in enumerate(("zs_last_heatmap", "zs_all_heatmap", "head_all_heatmap")):
        for mask in range(len(golden["masks"])):
            masks = np.repeat(golden["masks"][mask][None], len(golden[name]), axis=0)
            assert relevant_mass(golden[name], masks) == pytest.approx(golden["rma"][path, :, mask], abs=1e-5)
