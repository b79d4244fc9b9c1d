"""The drawn scenes: exact truth, a planted shortcut, and a class that only the pattern tells."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from rationale_plugins.datasets.scenes import (
    CLASSES,
    LANDSCAPES,
    Scenes,
    ScenesOptions,
    SceneSplit,
    own_background,
)

from rationale_cli.contracts import Sample
from rationale_cli.errors import InputError

SPLITS = ("train", "train-clean", "val", "test", "shifted", "swapped")


def pixels(sample: Sample) -> np.ndarray:
    return np.asarray(sample.image).astype(float) / 255


def mask(sample: Sample) -> np.ndarray:
    return np.asarray(sample.evidence.image) > 0


def digest(samples: Sequence[Sample]) -> str:
    hashed = hashlib.sha256()
    for sample in samples:
        for picture in (sample.image, sample.evidence.image, sample.background):
            hashed.update(picture.tobytes())
        hashed.update(f"{sample.id} {sample.label}".encode())
    return hashed.hexdigest()


def split(name: str, **options: float) -> SceneSplit:
    return Scenes(ScenesOptions(**options)).split(name)


def tied(name: str, count: int, **options: float) -> np.ndarray:
    """For each picture, whether its landscape is that of its class."""
    sizes = {"train_size": count, "test_size": count}
    part = split(name, **sizes, **options)
    scenes = [part.scene(index) for index in range(count)]
    return np.array(
        [own_background(CLASSES.index(s.pattern)) == LANDSCAPES.index(s.background) for s in scenes]
    )


@pytest.mark.parametrize("name", SPLITS)
def test_a_picture_depends_on_seed_split_and_index_alone(name: str) -> None:
    part = split(name)
    forwards = [part[index] for index in range(8)]
    backwards = [split(name)[index] for index in reversed(range(8))][::-1]
    assert digest(forwards) == digest(backwards)
    assert digest(forwards) != digest([split(name, seed=1)[index] for index in range(8)])
    assert digest([part[3]]) != digest([part[3 + len(CLASSES)]])


def test_another_process_draws_the_same_pictures() -> None:
    program = (
        "import hashlib\n"
        "from rationale_plugins.datasets.scenes import Scenes, ScenesOptions\n"
        "part = Scenes(ScenesOptions()).split('shifted')\n"
        "print(hashlib.sha256(b''.join(part[i].image.tobytes() for i in (30, 2, 11))).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    part = split("shifted")
    here = hashlib.sha256(b"".join(part[index].image.tobytes() for index in (30, 2, 11))).hexdigest()
    assert told.strip() == here


def test_a_pickled_split_draws_the_same_pictures() -> None:
    part = split("test", seed=4)
    assert digest([pickle.loads(pickle.dumps(part))[5]]) == digest([part[5]])


@pytest.mark.parametrize("name", SPLITS)
def test_the_background_is_the_picture_without_the_object(name: str) -> None:
    part = split(name)
    for index in range(24):
        sample = part[index]
        outside = ~mask(sample)
        image, background = np.asarray(sample.image), np.asarray(sample.background)
        np.testing.assert_array_equal(image[outside], background[outside])
        assert (image[~outside] != background[~outside]).any(axis=-1).mean() > 0.9


def test_objects_cover_15_to_40_per_cent() -> None:
    part = split("train")
    areas = np.array([mask(part[index]).mean() for index in range(240)])
    assert areas.min() >= 0.15
    assert areas.max() <= 0.40
    assert areas.max() - areas.min() > 0.15


@pytest.mark.parametrize("size", [48, 64, 160])
def test_size_is_an_option(size: int) -> None:
    sample = split("test", size=size)[0]
    assert sample.image.size == sample.evidence.image.size == sample.background.size == (size, size)
    assert 0.15 <= mask(sample).mean() <= 0.40


@pytest.mark.parametrize("name", ["train", "test"])
def test_the_landscape_goes_with_the_class_in_90_per_cent(name: str) -> None:
    share = tied(name, 2000).mean()
    assert share == pytest.approx(0.9, abs=0.02)  # three standard deviations


@pytest.mark.parametrize("name", ["train-clean", "shifted"])
def test_without_shortcut_the_landscape_is_independent(name: str) -> None:
    assert tied(name, 2000).mean() == pytest.approx(1 / 12, abs=0.02)


def test_swapped_never_shows_the_own_landscape() -> None:
    assert not tied("swapped", 2000).any()


@pytest.mark.parametrize(("correlation", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_correlation_is_an_option(correlation: float, expected: float) -> None:
    assert tied("test", 300, correlation=correlation).mean() == expected


def test_every_class_has_a_landscape_of_its_own() -> None:
    assert len(CLASSES) >= 12
    assert {own_background(label) for label in range(len(CLASSES))} == set(range(len(LANDSCAPES)))


def test_the_test_splits_show_the_same_objects() -> None:
    for one, other in (("test", "shifted"), ("test", "swapped"), ("train", "train-clean")):
        first, second = split(one)[7], split(other)[7]
        inside = mask(first)
        np.testing.assert_array_equal(inside, mask(second))
        np.testing.assert_array_equal(np.asarray(first.image)[inside], np.asarray(second.image)[inside])


def test_classes_are_balanced_and_ids_stable() -> None:
    part = split("test", test_size=36)
    assert part.ids[12] == part[12].id == "test/00012"
    assert len(set(part.ids)) == len(part) == 36
    assert np.bincount([part[index].label for index in range(36)]).tolist() == [3] * 12


def test_fingerprint_tells_other_data_apart() -> None:
    fingerprints = {
        Scenes(options).fingerprint
        for options in (ScenesOptions(), ScenesOptions(seed=1), ScenesOptions(size=96))
    }
    assert len(fingerprints) == 3
    assert Scenes(ScenesOptions()).fingerprint == Scenes(ScenesOptions()).fingerprint


def test_an_unknown_split_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="swapped"):
        split("validation")


def probe(features: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of ridge regression onto the classes, fitted on the first two thirds, on the rest."""
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    cut = len(features) * 2 // 3
    kernel = features @ features.T + 0.1 * features.shape[1] * np.eye(len(features))
    targets = np.eye(len(CLASSES))[labels[:cut]] - 1 / len(CLASSES)
    weights = np.linalg.solve(kernel[:cut, :cut], targets)
    return float(((kernel[cut:, :cut] @ weights).argmax(1) == labels[cut:]).mean())


@pytest.fixture(scope="module")
def samples() -> dict[str, list[Sample]]:
    return {
        name: [part[index] for index in range(600)]
        for name in ("train", "train-clean")
        for part in [split(name)]
    }


def blurred(pictures: list[np.ndarray]) -> np.ndarray:
    """Rows of block means, 4×4 pixels a block."""
    stack = np.stack(pictures).astype(float)
    blocks = stack.reshape(len(stack), 16, 4, 16, 4, -1).mean(axis=(2, 4))
    return blocks.reshape(len(stack), -1)


def test_neither_mask_nor_background_nor_colour_tells_the_class(samples: dict[str, list[Sample]]) -> None:
    clean = samples["train-clean"]
    labels = np.array([sample.label for sample in clean])
    inside = [mask(sample) for sample in clean]
    colours = np.stack([pixels(s)[m].mean(0) for s, m in zip(clean, inside, strict=True)])
    masks = blurred([m[..., None] for m in inside])
    backgrounds = blurred([np.asarray(sample.background) for sample in clean])
    # Chance is 1/12; 200 pictures judged, so three standard deviations are 0.059.
    for features in (masks, backgrounds, colours):
        assert probe(features, labels) < 1 / 12 + 0.06


def test_with_the_shortcut_the_background_tells_the_class(samples: dict[str, list[Sample]]) -> None:
    tuned = samples["train"]
    labels = np.array([sample.label for sample in tuned])
    assert probe(blurred([np.asarray(sample.background) for sample in tuned]), labels) > 0.4
