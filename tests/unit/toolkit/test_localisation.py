import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rationale_cli.toolkit.heatmaps import upsample
from rationale_cli.toolkit.localisation import localise


def one(relevance: torch.Tensor, mask: torch.Tensor) -> dict[str, float]:
    found = localise(relevance[None], mask[None])
    return {name: float(value) for name, value in found._asdict().items()}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.booleans())
def test_areas_are_those_of_the_definition(seed: int, grid: int, ties: bool) -> None:
    """AUROC by all pairs of pixels; average precision by thresholds."""
    generator = torch.Generator().manual_seed(seed)
    relevance = torch.rand(grid, grid, generator=generator)
    if ties:
        relevance = (relevance * 2).floor()
    mask = (torch.rand(8, 8, generator=generator) > 0.6).to(torch.uint8)
    assume(0 < int(mask.sum()) < 64)
    assume(relevance.amax() > relevance.amin())  # a constant heatmap has no place, see below
    heat = upsample(relevance[None], (8, 8))[0].double().numpy().ravel()
    inside = mask.numpy().ravel() > 0
    pairs = heat[inside][:, None] - heat[~inside][None]
    found = one(relevance, mask)
    assert found["auroc"] == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    precision = [inside[heat >= value].mean() for value in heat[inside]]
    assert found["average_precision"] == pytest.approx(np.mean(precision))


def test_a_heatmap_on_the_object_alone_is_perfect() -> None:
    mask = torch.zeros(8, 8, dtype=torch.uint8)
    mask[:4, :4] = 1
    found = one(upsample(mask[None].float(), (8, 8))[0], mask)
    assert found == {"pointing": 1, "iou": 1, "auroc": 1, "average_precision": 1}


def test_a_heatmap_beside_the_object_points_elsewhere() -> None:
    relevance = torch.zeros(4, 4)
    relevance[3, 3] = 1
    mask = torch.zeros(32, 32, dtype=torch.uint8)
    mask[:8, :8] = 1
    found = one(relevance, mask)
    assert found["pointing"] == 0
    assert found["iou"] < 0.1
    assert found["auroc"] < 0.5


@pytest.mark.parametrize("away", [0, 1, 5])
def test_the_point_may_lie_a_little_beside_the_object(away: int) -> None:
    """15 of 224 pixels are 2.1 of 32."""
    relevance = torch.zeros(32, 32)
    relevance[16, 16] = 1
    mask = torch.zeros(32, 32, dtype=torch.uint8)
    mask[16, 17 + away :] = 1
    assert one(relevance, mask)["pointing"] == (away <= 1)


def test_no_object_or_nothing_else_has_no_place() -> None:
    masks = torch.stack((torch.zeros(8, 8), torch.ones(8, 8)))
    found = localise(torch.rand(2, 4, 4), masks)
    assert all(bool(one.isnan().all()) for one in found)


def test_a_constant_heatmap_has_no_place() -> None:
    found = localise(torch.ones(1, 4, 4), torch.eye(8)[None])
    assert all(bool(one.isnan().all()) for one in found)
