"""Which pictures are trained on, and which are held out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rationale_cli.contracts import Sample, Silent
from rationale_cli.engine.shots import selected
from rationale_cli.errors import InputError
from rationale_cli.recipe import TrainOptions

NAMES = ("cat", "dog", "emu")


@dataclass
class Unlabelled:
    """A split that knows a class only from the picture; some pictures cannot be read."""

    classes: list[int]
    broken: set[int] = field(default_factory=set)

    @property
    def ids(self):
        return [str(index) for index in range(len(self.classes))]

    def __len__(self):
        return len(self.classes)

    def __getitem__(self, index):
        if index in self.broken:
            raise InputError("Expected a picture but got noise.", where=f"{index}.png")
        return Sample(str(index), Image.new("RGB", (2, 2)), self.classes[index])


class Labelled(Unlabelled):
    """One that knows it without."""

    @property
    def labels(self):
        return self.classes

    def __getitem__(self, index):
        raise AssertionError("no picture is opened")


def drawn(split, validates=False, **options):
    return selected(split, NAMES, TrainOptions(**options), Silent(), validates=validates)


def counts(split, indices):
    return Counter(split.classes[index] for index in indices)


CLASSES = st.lists(st.integers(0, 2), min_size=1, max_size=60).map(lambda some: some + [0, 1, 2] * 10)


@given(CLASSES, st.integers(1, 6), st.integers(0, 5))
def test_shots_are_of_each_class_and_those_held_out_are_others(classes, shots, seed):
    split = Labelled(classes)
    without = drawn(split, shots=shots, shot_seed=seed)
    found = drawn(split, validates=True, shots=shots, shot_seed=seed)
    assert found.train == without.train
    assert without.validation == ()
    assert counts(split, found.train) == dict.fromkeys(range(3), shots)
    assert counts(split, found.validation) == dict.fromkeys(range(3), min(shots, 4))
    assert not set(found.train) & set(found.validation)
    assert list(found.train) == sorted(found.train)


@given(CLASSES)
def test_without_shots_a_tenth_of_each_class_is_held_out(classes):
    split = Labelled(classes)
    found = drawn(split, validates=True)
    assert sorted(found.train + found.validation) == list(range(len(classes)))
    for label, held_out in counts(split, found.validation).items():
        assert held_out == max(round(0.1 * classes.count(label)), 1)


def test_all_are_taken_without_shots_and_no_label_is_read():
    assert drawn(Unlabelled([0, 1, 2], broken={0, 1, 2})).train == (0, 1, 2)


def test_another_seed_draws_others():
    split = Labelled([0, 1, 2] * 20)
    one, again, other = (drawn(split, shots=4, shot_seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_a_class_s_shots_do_not_depend_on_the_other_classes():
    one = drawn(Labelled([0] * 20 + [1] * 20 + [2] * 20), shots=4)
    other = drawn(Labelled([0] * 20 + [1] * 9 + [2] * 30), shots=4)
    assert one.train[:4] == other.train[:4]


def test_labels_may_be_read_from_pictures():
    classes = [0, 1, 2, 2, 1] * 8
    assert drawn(Unlabelled(classes), shots=3) == drawn(Labelled(classes), shots=3)


def test_a_picture_that_cannot_be_read_is_left_out_when_asked():
    split = Unlabelled([0, 1, 2] * 8, broken={3})
    with pytest.raises(InputError, match="got noise") as told:
        drawn(split, shots=8)
    assert told.value.where == "3.png"
    assert "--skip-bad" in told.value.next_step
    assert 3 not in drawn(split, shots=7, skip_bad=True).train


def test_limit_and_share_thin_out_what_was_drawn():
    split = Labelled([0, 1, 2] * 40)
    whole = drawn(split, validates=True, shots=8)
    limited = drawn(split, validates=True, shots=8, limit=6)
    assert len(limited.train) == len(limited.validation) == 6
    assert set(limited.train) < set(whole.train)
    half = drawn(split, shots=8, share=0.5, batch_size=4)
    assert len(half.train) == 12


def test_too_few_pictures_of_a_class_are_told_with_their_numbers():
    split = Labelled([0] * 12 + [1] * 3 + [2] * 20)
    with pytest.raises(InputError) as told:
        drawn(split, shots=16)
    assert "Expected 16 pictures of each class in the split 'train'" in told.value.what
    assert "2 of 3 classes have fewer: cat (12), dog (3)." in told.value.what
    assert "--shots 3" in told.value.next_step
    with pytest.raises(InputError) as told:
        drawn(split, validates=True, shots=2)
    assert "(2 to train and 2 to choose settings on)" in told.value.what
    assert "--shots 1" in told.value.next_step
    with pytest.raises(InputError, match="dog \\(0\\)") as told:
        drawn(Labelled([0, 2] * 9), shots=1)
    assert "leave --shots out" in told.value.next_step


def test_nothing_to_choose_on_is_refused():
    with pytest.raises(InputError, match="no class has two"):
        drawn(Labelled([0, 1, 2]), validates=True)
