"""The training pictures as a method sees them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from rationale_cli.contracts import Silent
from rationale_cli.engine.support import TrainingPictures
from rationale_cli.errors import InputError, PluginError
from rationale_cli.recipe import TrainOptions
from rationale_cli.testing import FakeModel, ToyDataset


class Toy(ToyDataset):
    """The toy dataset; some of its pictures cannot be read."""

    def __init__(self, broken=()):
        super().__init__()
        self.broken = broken

    def split(self, name):
        inner, broken = super().split(name), self.broken

        class Split:
            ids = inner.ids
            labels = inner.labels

            def __len__(self):
                return len(inner)

            def __getitem__(self, index):
                if index in broken:
                    raise InputError("Expected a picture but got noise.", where=f"{index}.png")
                return inner[index]

        return Split()


def support(broken=(), **options):
    built = SimpleNamespace(
        configuration=SimpleNamespace(train=TrainOptions(batch_size=4, **options)),
        dataset=Toy(broken),
        method=SimpleNamespace(validates=True),
        preprocessing=FakeModel().preprocessing,
    )
    return TrainingPictures(built, torch.device("cpu"), Silent())


def seen(pictures, part="train", **how):
    images, labels = zip(*pictures.batches(part, **how), strict=True)
    return torch.cat(images), torch.cat(labels)


def test_all_of_a_part_are_shown_once_a_pass_in_the_same_order():
    pictures = support(shots=2)
    images, labels = seen(pictures, passes=3)
    assert len(images) == 3 * pictures.size("train") == 18
    assert labels[:6].tolist() == labels[6:12].tolist() == labels[12:].tolist()
    assert sorted(labels[:6].tolist()) == [0, 0, 1, 1, 2, 2]
    assert torch.equal(images[:6], images[6:12])
    assert pictures.size("validation") == len(seen(pictures, "validation")[1]) == 6


def test_augmented_views_differ_by_pass_and_are_the_same_again():
    pictures = support(shots=2)
    images, _ = seen(pictures, passes=2, augment="mild")
    assert not torch.equal(images[:6], images[6:])
    again, _ = seen(support(shots=2), passes=2, augment="mild")
    assert torch.equal(images, again)


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(PluginError, match="mild"):
        seen(support(), augment="wild")


def test_unreadable_pictures_stop_or_are_counted():
    with pytest.raises(InputError, match="got noise"):
        seen(support(broken=range(3)))
    pictures = support(broken=range(3), skip_bad=True)
    images, _ = seen(pictures, passes=2)
    assert len(images) == 2 * (pictures.size("train") - len(pictures.skipped))
    assert pictures.skipped
    with pytest.raises(InputError, match="none can be read"):
        seen(support(broken=range(12), skip_bad=True))


def test_nothing_is_opened_before_it_is_asked_for():
    pictures = support(split="no-such-split")
    assert pictures.classes == 3
    with pytest.raises(InputError, match="Expected a split"):
        pictures.size("train")
