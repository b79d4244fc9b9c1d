from typing import cast

import pytest
import torch
from torch import Tensor, nn

from rationale_cli.contracts import Classifier
from rationale_cli.toolkit.blur import blurred
from rationale_cli.toolkit.perturbation import Removals, Replacement, area, curves, replacement, taken


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
    found = taken(removals(IMAGES, "mean"), relevance, TARGETS)
    assert float(found.sensitivity()[0]) == pytest.approx(1)
    assert found.sensitivity()[1].isnan()
    assert float(found.infidelity()[0]) == pytest.approx(0)
    assert 0.5 < float(found.infidelity()[1]) < 1


def test_infidelity_is_that_of_captum() -> None:
    metrics = pytest.importorskip("captum.metrics", reason="captum is not installed")
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    relevance = torch.rand(2, 2, 2, generator=torch.Generator().manual_seed(1))
    gone = removals(images, "mean")
    picked, _ = gone.drawn((2, 2))

    def perturb(repeated: Tensor) -> tuple[Tensor, Tensor]:
        """Every picture as often as patches are drawn: what leaves, and what is left."""
        masks = picked.repeat(len(images), 1).view(-1, 1, 2, 2).double()
        inside = masks.repeat_interleave(4, 2).repeat_interleave(4, 3).expand_as(repeated)
        return inside, torch.where(inside > 0, 0.0, repeated)

    # Captum sums over pixels.
    pixels = (relevance / 48).repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None].expand_as(images)
    wanted = metrics.infidelity(
        lambda shown: CLASSIFIER(shown.float()).double().softmax(dim=-1)[:, 1],
        perturb,
        images.double(),
        pixels.double(),
        n_perturb_samples=len(picked),
        normalize=True,
    )
    found = taken(gone, relevance, TARGETS)
    size = found.probability.square().mean(dim=1)
    torch.testing.assert_close(found.infidelity() * size, wanted.double())


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

    gone = Removals(cast(Classifier, Counted()), IMAGES, replacement(IMAGES, "mean"))

    def cost(relevance: Tensor) -> int:
        before = len(asked)
        curves(gone, relevance, TARGETS, 3)
        taken(gone, relevance, TARGETS)
        return len(asked) - before

    first, second = cost(torch.stack((RIGHT, WRONG))), cost(torch.stack((WRONG, RIGHT)))
    assert second == 2 * (3 - 1)
    assert first > second
