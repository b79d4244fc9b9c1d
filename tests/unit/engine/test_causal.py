from typing import cast

import pytest
import torch
from torch import Tensor, nn

from rationale_cli.contracts import Classifier
from rationale_cli.engine.causal import effects

SIZE = 8
CLASSES = 3


class Bright(nn.Module):
    """Class c as far as the pixel of its column is bright, the object's in row 0 and the other's in row 7."""

    def __init__(self, of_object: float, of_background: float) -> None:
        super().__init__()
        self.weights = of_object, of_background

    def forward(self, images: Tensor) -> Tensor:
        own, ground = self.weights
        return own * images[:, 0, 0, :CLASSES] + ground * images[:, 0, 7, :CLASSES]


def scene(label: int) -> tuple[Tensor, Tensor, Tensor]:
    image, mask = torch.zeros(3, SIZE, SIZE), torch.zeros(SIZE, SIZE)
    image[:, 7, label] = 1
    background = image.clone()
    image[:, 0, label] = 1
    mask[:4] = 1
    return image, mask, background


def found(of_object: float, of_background: float, labels: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    images, masks, backgrounds = (torch.stack(part) for part in zip(*map(scene, labels), strict=True))
    classifier = cast(Classifier, Bright(of_object, of_background))
    one = effects(classifier, images, masks, backgrounds, torch.tensor(labels))
    return one.object, one.background, one.share()


@pytest.mark.parametrize(("own", "ground"), [(3.0, 1.0), (1.0, 0.0), (0.0, 2.0)])
def test_effects_are_those_built_in(own: float, ground: float) -> None:
    """The mean over three classes does not move, so that the label's score falls by the weight."""
    of_object, of_background, share = found(own, ground, [0, 1, 2, 0, 1, 2])
    assert of_object.tolist() == pytest.approx([own] * 6)
    assert of_background.tolist() == pytest.approx([ground] * 6)
    assert share.tolist() == pytest.approx([own / (own + ground)] * 6)


def test_without_another_class_nothing_is_known() -> None:
    assert all(bool(one.isnan().all()) for one in found(1, 1, [2, 2]))


def test_a_classifier_that_looks_at_neither_has_no_share() -> None:
    of_object, _, share = found(0, 0, [0, 1])
    assert of_object.tolist() == [0, 0]
    assert bool(share.isnan().all())
