from typing import cast

import pytest
import torch
from torch import Tensor, nn

from rationale_cli.contracts import Classifier
from rationale_cli.toolkit.blur import blurred
from rationale_cli.toolkit.perturbation import Removals, Replacement, area, curves, replacement, sensitivity


class Corner(nn.Module):
    """The class is 1 as far as the picture's upper left quarter is bright."""

    def forward(self, images: Tensor) -> Tensor:
        bright = images[:, :, :4, :4].mean(dim=(1, 2, 3))
        return torch.stack((torch.zeros_like(bright), 4 * bright), dim=1)


CLASSIFIER = cast(Classifier, Corner())
IMAGES = torch.ones(2, 3, 8, 8)
TARGETS = torch.tensor([1, 1])
RIGHT = torch.tensor([[1.0, 0.5], [0.2, 0.1]])
WRONG = torch.tensor([[0.1, 0.5], [0.2, 1.0]])


def removals(images: Tensor, kind: Replacement) -> Removals:
    return Removals(CLASSIFIER, images, replacement(images, kind))


def test_what_carries_the_class_goes_first_or_last() -> None:
    relevance = torch.stack((RIGHT, WRONG))
    found = curves(removals(IMAGES, "mean"), relevance, TARGETS, steps=4)
    whole, empty = torch.sigmoid(torch.tensor([4.0, 0.0], dtype=torch.float64))
    expected = torch.stack((*(whole, *[empty] * 4), *([whole] * 4), empty)).view(2, 5)
    torch.testing.assert_close(found.deletion, expected)
    torch.testing.assert_close(found.insertion, expected.flip(0).flip(1))
    assert found.deletion_right.tolist() == (expected > 0.6).tolist()
    assert float(area(found.deletion)[0]) == pytest.approx(float(empty) + float(whole - empty) / 8)


def test_pictures_do_not_touch_each_other() -> None:
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    relevance = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0, 1, 0])
    together = curves(removals(images, "blur"), relevance, targets, 5)
    alone = curves(removals(images[1:2], "blur"), relevance[1:2], targets[1:2], 5)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[1:2], other)


def test_sensitivity_is_high_where_relevance_is_what_leaves() -> None:
    relevance = torch.stack((RIGHT * torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.ones(2, 2)))
    found = sensitivity(removals(IMAGES, "mean"), relevance, TARGETS)
    assert float(found[0]) == pytest.approx(1)
    assert found[1].isnan()


def test_blur_keeps_a_flat_picture_and_its_mean_colour() -> None:
    flat = torch.full((1, 3, 32, 32), 0.7)
    torch.testing.assert_close(blurred(flat), flat)
    half = flat.clone()
    half[..., :16] = 0
    assert float(blurred(half)[..., 15:17].mean()) == pytest.approx(0.35, abs=0.01)


def test_heatmaps_share_the_forwards_that_are_the_same_for_all() -> None:
    asked = []

    class Counted(Corner):
        def forward(self, images: Tensor) -> Tensor:
            asked.append(images)
            return super().forward(images)

    taken = Removals(cast(Classifier, Counted()), IMAGES, replacement(IMAGES, "mean"))

    def cost(relevance: Tensor) -> int:
        before = len(asked)
        curves(taken, relevance, TARGETS, 3)
        sensitivity(taken, relevance, TARGETS)
        return len(asked) - before

    first, second = cost(torch.stack((RIGHT, WRONG))), cost(torch.stack((WRONG, RIGHT)))
    assert second == 2 * (3 - 1)
    assert first > second
