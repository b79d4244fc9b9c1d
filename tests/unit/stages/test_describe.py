"""A dataset is described without a model: what is counted, measured and shown."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from rationale_cli.contracts import Boxes, Mask, PluginOptions, Preprocessing, Sample, Specification, Task
from rationale_cli.engine.configuration import Chosen
from rationale_cli.errors import InputError
from rationale_cli.measures.rma import mask_area, normalise, relevant_mass
from rationale_cli.registry import Registry
from rationale_cli.stages.describe import VIEW, DescribeRequest, run
from rationale_cli.testing.fakes import ToyDataset
from rationale_cli.toolkit.geometry import mask_on_view
from rationale_cli.toolkit.heatmaps import upsample

REGISTRY = Registry.discover()
MARGIN, HEAD, TILE, ACROSS, DOWN = 20, 44, 208, 218, 256
"""Where the tiles of a sheet are, in pixels."""


def chosen(plugin, **options) -> Chosen:
    return Chosen("dataset", "test:made", plugin, plugin.Options(**options))


def described(plugin, **request):
    return run(DescribeRequest(chosen(plugin), REGISTRY, **request))


def boxed(*boxes, size=(100, 100)):
    return Sample("", Image.new("RGB", size), 0, Boxes(boxes))


def masked(mask):
    return Sample("", Image.new("RGB", (mask.shape[1], mask.shape[0])), 0, Mask(Image.fromarray(mask)))


def made(*samples, labels=None):
    """A dataset class over ready samples."""

    class Split:
        def __init__(self, name):
            self.ids = [f"{name}/{index}" for index in range(len(samples))]

        def __len__(self):
            return len(samples)

        def __getitem__(self, index):
            if isinstance(samples[index], Exception):
                raise samples[index]
            one = samples[index]
            label = labels[index] if labels else 0
            return Sample(self.ids[index], one.image, label, one.evidence)

    class Made:
        class Options(PluginOptions):
            pass

        task = Task(("ant", "bee", "cat"))
        splits, evaluation, fingerprint = ("train", "test"), ("test",), "made"

        def __init__(self, options):
            pass

        def split(self, name):
            return Split(name)

    return Made


def test_pictures_classes_and_annotations_are_counted() -> None:
    bare = Sample("", Image.new("RGB", (50, 50)), 0)
    found = described(
        made(
            boxed((10, 10, 60, 60)),
            boxed((0, 0, 20, 20), (50, 50, 90, 90)),
            masked(np.full((40, 40), 255, np.uint8)),
            bare,
            InputError("Expected a picture but it is cut.", where="broken.jpg"),
            labels=[0, 0, 2, 2, 0],
        )
    )
    train, test = found.splits
    assert (train.name, train.pictures, train.read, train.classes) == ("train", 5, 0, ())
    assert (test.pictures, test.read, test.annotated, test.sampled) == (5, 5, 3, False)
    assert (test.masks, test.boxes, test.several_boxes) == (1, 2, 1)
    assert test.unreadable == {"test/4": "Expected a picture but it is cut. (broken.jpg)"}
    rows = [(one.name, one.pictures, one.annotated, one.several_boxes) for one in test.classes]
    assert rows == [("ant", 2, 2, 1), ("bee", 0, 0, 0), ("cat", 2, 1, 0)]


def test_areas_are_those_of_the_model_view() -> None:
    # The crop of a wide picture is its middle third, of which the box takes half.
    wide = boxed((0, 0, 150, 100), size=(300, 100))
    found = described(made(wide, boxed((0, 0, 100, 30)))).splits[1].area
    assert found.n == 2
    assert found.quantiles["0"] == pytest.approx(0.3, abs=0.005)
    assert found.quantiles["100"] == pytest.approx(0.5, abs=0.005)
    squashed = described(made(wide), view=Preprocessing(100, VIEW.mean, VIEW.std, squash=True))
    assert squashed.splits[1].area.mean == pytest.approx(0.5, abs=0.005)


def test_an_object_outside_the_crop_is_not_one_that_nobody_marked() -> None:
    cut = boxed((0, 0, 20, 100), size=(300, 100))
    (test,) = described(made(cut, masked(np.zeros((30, 30), np.uint8)), boxed((0, 0, 99, 99)))).splits[1:]
    assert (test.outside, test.blank) == (("test/0",), ("test/1",))
    assert test.area.n == 1
    assert {one.share.n for one in test.controls} == {1}


def test_areas_fall_into_the_bins_that_they_name() -> None:
    areas = [boxed((0, 0, 100, tenths * 10)) for tenths in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]
    view = Preprocessing(100, VIEW.mean, VIEW.std)
    assert described(made(*areas), view=view).splits[1].area.histogram == (0, 1, 1, 1, 1, 1, 1, 1, 1, 2)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_controls_are_the_plugins_held_against_the_masks(threshold) -> None:
    draw = random.Random(0)
    samples = []
    for _ in range(60):
        left, top = draw.randrange(60), draw.randrange(60)
        samples.append(boxed((left, top, left + draw.randrange(20, 40), top + draw.randrange(20, 90))))
    (test,) = described(made(*samples), threshold=threshold).splits[1:]
    masks = np.stack([mask_on_view(one.evidence, one.image.size, VIEW).numpy() for one in samples])
    plugin = REGISTRY.load("attribution", "rationale:center")
    told = {(one.control, one.grid): one.valid for one in test.controls}
    assert set(told) == {(name, grid) for name in ("uniform", "center") for grid in ((7, 7), (14, 14))}
    for grid in ((7, 7), (14, 14)):
        model = SimpleNamespace(patch_grid=lambda height, width, grid=grid: grid)
        (relevance,) = (
            plugin(plugin.Options())
            .explain(
                SimpleNamespace(model=model),
                torch.zeros(1, 3, 224, 224),
                torch.zeros(1).long(),
                (Specification(),),
            )
            .relevance
        )
        heatmap = normalise(upsample(relevance, (224, 224)).numpy())
        mass = relevant_mass(np.repeat(heatmap, len(masks), axis=0), masks)
        assert told["center", grid] == int((mass >= threshold).sum())
        assert told["uniform", grid] == int((mask_area(masks) >= threshold).sum())
    assert 0 < told["center", (7, 7)] < 60 or threshold != 0.5


def test_a_uniform_heatmap_is_valid_on_exactly_half() -> None:
    half = boxed((0, 0, 112, 224), size=(224, 224))
    less = boxed((0, 0, 111, 224), size=(224, 224))
    (test,) = described(made(half, less)).splits[1:]
    assert {one.valid for one in test.controls if one.control == "uniform"} == {1}


def test_workers_see_the_same() -> None:
    def look(workers):
        request = DescribeRequest(chosen(ToyDataset, pictures=20), REGISTRY, workers=workers)
        return run(request).splits

    assert look(0) == look(2)


def test_a_sample_is_spread_over_the_split() -> None:
    request = DescribeRequest(chosen(ToyDataset, pictures=30), REGISTRY, limit=6)
    (test,) = run(request).splits[1:]
    assert (test.pictures, test.read, test.sampled) == (30, 6, True)
    assert all(one.share.low < one.share.high for one in test.controls)


def test_splits_are_chosen() -> None:
    assert [one.read for one in described(ToyDataset, splits=("train",)).splits] == [12, 0]
    assert [one.read for one in described(ToyDataset, splits=None).splits] == [12, 12]
    with pytest.raises(InputError, match=r"Expected a split of 'made' but got 'tset'. Did you mean 'test'"):
        described(ToyDataset, splits=("tset",))


def test_nothing_annotated_leaves_measures_undefined() -> None:
    (test,) = described(made(Sample("", Image.new("RGB", (30, 30)), 0))).splits[1:]
    assert (test.annotated, test.area.n, test.area.mean, test.area.quantiles) == (0, 0, None, {})
    assert {one.share.value for one in test.controls} == {None}


def test_an_empty_split_is_described() -> None:
    (test,) = described(made()).splits[1:]
    assert (test.pictures, test.read, test.area.n) == (0, 0, 0)


def tiles(path: Path, count: int) -> list[np.ndarray]:
    """The pictures of a sheet of one split."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    places = [divmod(number, 8) for number in range(count)]
    corners = [(MARGIN + HEAD + row * DOWN, MARGIN + column * ACROSS) for row, column in places]
    return [pixels[top : top + TILE, left : left + TILE] for top, left in corners]


def is_outline(tile: np.ndarray) -> np.ndarray:
    return (tile[..., 0] > 200) & (tile[..., 1] > 180) & (tile[..., 2] < 90)


def test_the_sheet_shows_outlines_where_the_objects_are(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sheet.png"
    samples = [boxed((20, 40, 80, 90)) for _ in range(9)]
    assert described(made(*samples, boxed((0, 0, 9, 99), size=(300, 100))), sheet=path).sheet == path
    *seen, cut = [is_outline(tile) for tile in tiles(path, 10)]
    for one in seen:
        rows, columns = np.flatnonzero(one.any(axis=1)), np.flatnonzero(one.any(axis=0))
        edges = np.array([columns[0], columns[-1], rows[0], rows[-1]]) / TILE
        assert edges == pytest.approx([0.2, 0.8, 0.4, 0.9], abs=0.02)
        assert not one[int(0.5 * TILE) : int(0.8 * TILE), int(0.3 * TILE) : int(0.7 * TILE)].any()
    assert not cut.any()


def test_the_sheet_is_even_over_the_classes_and_the_same_again(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        run(DescribeRequest(chosen(ToyDataset, pictures=90), REGISTRY, sheet=tmp_path / name))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    shown = []
    for tile in tiles(tmp_path / "a.png", 48):
        vivid = (tile.max(axis=-1) - tile.min(axis=-1) > 100) & (np.minimum(tile[..., 0], tile[..., 1]) < 140)
        shown.append(int(np.bincount(tile[vivid].argmax(axis=-1), minlength=3).argmax()))
    assert shown == [0] * 16 + [1] * 16 + [2] * 16
