"""The data set `coco`: polygons, run lengths, crowds, what is remembered, and what it says about mistakes."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rationale_plugins.datasets import _instances
from rationale_plugins.datasets._segmentation import fill
from rationale_plugins.datasets.coco import Coco

from rationale_cli.contracts import Boxes, Mask, Sample
from rationale_cli.errors import InputError
from rationale_cli.testing import check_dataset

SIZE = (60, 40)
LONG_AGO = 1_600_000_000
CATEGORIES = [(18, "dog"), (1, "person"), (17, "cat"), (90, "toothbrush")]


def rectangle(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def runs(left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    """Column by column, as crowds are told."""
    pixels = np.zeros(SIZE, np.uint8)
    pixels[left:right, top:bottom] = 1
    changes = np.flatnonzero(np.diff(pixels.ravel(), prepend=0)).tolist()
    counts = np.diff([0, *changes, pixels.size]).tolist()
    return {"counts": counts, "size": [SIZE[1], SIZE[0]]}


def annotation(number: int, image: int, category: int, box: tuple[float, ...], **told: Any) -> dict[str, Any]:
    left, top, right, bottom = box
    usual = {"segmentation": [rectangle(*box)], "area": 1.5, "iscrowd": 0}
    return {
        **usual,
        "image_id": image,
        "bbox": [left, top, right - left, bottom - top],
        "category_id": category,
        "id": number,
        **told,
    }


ANNOTATIONS = {
    "train": [
        annotation(101, 9, 17, (10, 5, 20, 15)),
        annotation(102, 25, 18, (2, 2, 12, 32)),
        annotation(
            103, 9, 17, (30, 20, 50, 30), segmentation=[rectangle(30, 20, 36, 30), rectangle(40, 20, 50, 30)]
        ),
        annotation(104, 25, 17, (40, 2, 55, 12)),
    ],
    "val": [
        annotation(900, 139, 1, (20, 10, 40, 30)),
        annotation(901, 139, 1, (0, 0, 8, 40), iscrowd=1, segmentation=runs(0, 0, 8, 40)),
        annotation(7, 285, 18, (5.25, 5.25, 14.75, 14.75)),
        annotation(8, 285, 18, (30, 30, 31, 30), segmentation=[rectangle(30, 30, 31, 30)]),
    ],
}
PICTURES = {"train": (9, 25, 30), "val": (139, 285)}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RATIONALE_CACHE", str(tmp_path_factory.mktemp("cache")))


def content(split: str) -> dict[str, Any]:
    images = [
        {"license": 4, "file_name": f"{one:012}.jpg", "width": SIZE[0], "height": SIZE[1], "id": one}
        for one in PICTURES[split]
    ]
    return {
        "info": {"description": "a miniature, [not] {COCO}", "year": 2017},
        "licenses": [{"url": "https://example.org", "id": 4}],
        "images": images,
        "annotations": list(ANNOTATIONS[split]),
        "categories": [{"supercategory": "x", "id": one, "name": name} for one, name in CATEGORIES],
    }


def write(root: Path, split: str, told: Any) -> Path:
    path = root / f"annotations/instances_{split}2017.json"
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    return path


@pytest.fixture
def root(tmp_path) -> Path:
    place = tmp_path / "coco"
    (place / "annotations").mkdir(parents=True)
    for split, numbers in PICTURES.items():
        (place / f"{split}2017").mkdir()
        write(place, split, content(split))
        for number in numbers:
            pixels = np.full((*SIZE[::-1], 3), 60, np.uint8)
            for one in ANNOTATIONS[split]:
                if one["image_id"] == number:
                    left, top, across, down = map(round, one["bbox"])
                    pixels[top : top + down, left : left + across] = (240, one["category_id"] * 2, 30)
            Image.fromarray(pixels).save(place / f"{split}2017/{number:012}.jpg", quality=95)
    return place


def opened(root: Path | None, **options) -> Coco:
    return Coco(Coco.Options(root=root, **options))


def ids(dataset: Coco) -> dict[str, list[str]]:
    return {split: [one.lstrip("0") for one in dataset.split(split).ids] for split in dataset.splits}


def sample(dataset: Coco, identifier: str) -> Sample:
    splits = (dataset.split(name) for name in dataset.splits)
    return next(split[list(split.ids).index(identifier)] for split in splits if identifier in split.ids)


def inside(one: Sample) -> np.ndarray:
    assert isinstance(one.evidence, Mask)
    assert one.evidence.image.size == one.image.size
    return np.asarray(one.evidence.image) > 0


@pytest.mark.parametrize("objects", ["single", "each"])
@pytest.mark.parametrize("evidence", ["masks", "boxes"])
def test_the_contract_holds(root, objects, evidence):
    dataset = opened(root, objects=objects, evidence=evidence)
    check_dataset(dataset)
    assert dataset.splits == ("train", "val")
    assert dataset.evaluation == ("val",)
    assert dataset.task.classnames == ("person", "cat", "dog", "toothbrush")  # by category number


def test_pictures_of_one_class_alone(root):
    dataset = opened(root)
    assert ids(dataset) == {"train": ["9"], "val": ["139", "285"]}
    cats = sample(dataset, "000000000009")
    assert cats.label == 1
    expected = np.zeros(SIZE[::-1], bool)
    expected[5:15, 10:20] = expected[20:30, 30:36] = expected[20:30, 40:50] = True
    assert np.array_equal(inside(cats), expected)
    boxes = sample(opened(root, evidence="boxes"), "000000000009").evidence
    assert boxes == Boxes(((10, 5, 20, 15), (30, 20, 50, 30)))


def test_a_crowd_is_evidence_and_no_sample(root):
    dataset = opened(root)
    assert inside(sample(dataset, "000000000139")).sum() == 20 * 20 + 8 * 40
    assert len(sample(opened(root, evidence="boxes"), "000000000139").evidence.xyxy) == 2
    # Of 285 the second has no height: it is nobody's evidence and no sample either.
    assert ids(opened(root, objects="each")) == {
        "train": ["9#101", "9#103", "25#102", "25#104"],
        "val": ["139#900", "285#7"],
    }
    assert sample(opened(root, evidence="boxes"), "000000000285").evidence == Boxes(
        ((5.25, 5.25, 14.75, 14.75),)
    )


def test_each_object_is_cut_out(root):
    dataset = opened(root, objects="each")
    dog = sample(dataset, "000000000025#102")  # 10 by 30 at the left edge
    assert (dog.label, dog.image.size) == (2, (45, 40))
    assert np.array_equal(np.argwhere(inside(dog)).min(axis=0), (2, 2))
    assert inside(dog).sum() == 300
    boxes = sample(opened(root, objects="each", evidence="boxes", margin=0.0), "000000000025#102")
    assert (boxes.image.size, boxes.evidence) == ((30, 30), Boxes(((2, 0, 12, 30),)))
    assert ids(opened(root, objects="each", smallest=11)) == {"val": ["139#900"]}


def test_either_split_alone_will_do(root):
    both = opened(root)
    (root / "annotations/instances_train2017.json").unlink()
    dataset = opened(root)
    assert (dataset.splits, dataset.task) == (("val",), both.task)
    write(root, "train", "never read: its pictures are not there")
    shutil.rmtree(root / "train2017")
    assert opened(root).fingerprint == dataset.fingerprint
    assert both.fingerprint != dataset.fingerprint


def test_a_smaller_copy_keeps_what_it_has(root):
    (root / "val2017/000000000139.jpg").unlink()
    dataset = opened(root)
    assert ids(dataset)["val"] == ["285"]
    assert dataset.task.classnames == ("person", "cat", "dog", "toothbrush")


def test_the_fingerprint_tells_what_the_data_are(root, tmp_path):
    settings = [{}, {"objects": "each"}, {"evidence": "boxes"}, {"objects": "each", "margin": 0.5}]
    prints = [opened(root, **one).fingerprint for one in settings]
    assert len(set(prints)) == 4
    assert opened(root, template="a drawing of a {}", margin=0.5).fingerprint == prints[0]
    shutil.copytree(root, tmp_path / "copy")
    assert opened(tmp_path / "copy").fingerprint == prints[0]
    Image.new("RGB", SIZE).save(tmp_path / "copy/train2017/000000000030.jpg")  # not annotated
    assert opened(tmp_path / "copy").fingerprint == prints[0]
    Image.new("RGB", SIZE).save(tmp_path / "copy/train2017/000000000009.jpg")
    assert opened(tmp_path / "copy").fingerprint != prints[0]
    changed = content("val")
    changed["annotations"][0] = annotation(
        900, 139, 1, (20, 10, 40, 30), segmentation=[rectangle(20, 10, 40, 31)]
    )
    write(root, "val", changed)
    assert opened(root).fingerprint != prints[0]


def rested(*paths: Path) -> None:
    """As if nothing had changed for long: what changed a moment ago is not remembered."""
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))


def test_annotations_are_read_once(root, monkeypatch):
    paths = [root / f"annotations/instances_{split}2017.json" for split in PICTURES]
    rested(*paths)
    first = opened(root, objects="each")
    monkeypatch.setattr(_instances, "Scanner", None)
    again = opened(root, objects="each")
    assert (ids(again), again.fingerprint) == (ids(first), first.fingerprint)
    assert np.array_equal(inside(again.split("val")[0]), inside(first.split("val")[0]))
    monkeypatch.undo()


@pytest.mark.parametrize("change", ["size", "time"])
def test_changed_annotations_are_read_again(root, change):
    path = root / "annotations/instances_val2017.json"
    rested(path)
    assert opened(root).split("val")[0].label == 0
    text = path.read_text().replace(
        '"category_id": 1,', '"category_id": 17,' if change == "size" else '"category_id":18,'
    )
    path.write_text(text)
    os.utime(path, (LONG_AGO, LONG_AGO + (change == "time")))
    assert opened(root).split("val")[0].label == (1 if change == "size" else 2)


def test_what_changed_a_moment_ago_is_not_remembered(root, monkeypatch):
    opened(root)
    monkeypatch.setattr(_instances, "Scanner", None)
    with pytest.raises(TypeError):
        opened(root)


def test_splits_stand_alone(root):
    split = pickle.loads(pickle.dumps(opened(root).split("val")))
    (root / "val2017/000000000139.jpg").write_bytes(b"damaged")
    with pytest.raises(InputError, match="Expected a picture") as caught:
        split[0]
    assert caught.value.where == str(root / "val2017/000000000139.jpg")
    assert split[1].label == 2


def test_a_file_changed_while_it_is_in_use(root):
    split = opened(root).split("val")
    write(root, "val", "{}")
    with pytest.raises(InputError, match="an annotation that was there before") as caught:
        split[0]
    assert "start again" in str(caught.value)


def test_texts_may_be_any(root):
    told = content("val")
    told["categories"][2]["name"] = "Käuzchen \u732b"
    told["images"][0]["file_name"] = "é.jpg"
    (root / "val2017/000000000139.jpg").rename(root / "val2017/é.jpg")
    shutil.rmtree(root / "train2017")
    for escaped in (True, False):
        path = write(root, "val", "\ufeff" * escaped + json.dumps(told, ensure_ascii=escaped, indent=escaped))
        dataset = opened(root)
        assert dataset.task.classnames[1] == "Käuzchen 猫"
        assert dataset.split("val").ids == ("000000000285", "é")
        assert inside(sample(dataset, "é")).sum() == 20 * 20 + 8 * 40
        path.unlink()


# Broken files


def broken(**changes: Any) -> dict[str, Any]:
    """One annotation of the validation pictures, changed."""
    told = content("val")
    told["annotations"] = [{**told["annotations"][0], **changes}]
    return told


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("", "empty"),
        ("[]", "expected one of '{'"),
        ("nonsense", "expected one of '{'"),
        (json.dumps(content("val"))[:-40], "Expecting|Unterminated|expected one of"),
        (json.dumps(content("val"))[:900], "Expecting|Unterminated|expected one of"),
        (json.dumps(content("val")) + "{", "something follows the end"),
        ('{"images": 7}', r"expected one of '\['"),
        ('{"images": [7]}', r"images\[0\]"),
        ('{"info": ' + "[" * 100_000, "recursion"),
        ({**content("val"), "images": []}, "name the image 139, which is not listed"),
        ({**content("val"), "categories": []}, "name the category 1, which is not listed"),
        (broken(bbox=None), r"annotations\[0\]"),
        (broken(bbox=[1, 2, 3]), r"annotations\[0\].*box \[1, 2, 3\]"),
        (broken(bbox=[1, 2, 3, float("nan")]), r"annotations\[0\].*nan"),
        (broken(bbox=[1, 2, -3, 4]), r"annotations\[0\].*-3"),
        (broken(bbox=["left", 2, 3, 4]), r"annotations\[0\].*left"),
        (broken(image_id="139"), r"annotations\[0\]"),
        (broken(id=2**70), r"annotations\[0\]"),
        ({**content("val"), "annotations": [annotation(1, 139, 1, (1, 1, 9, 9))] * 2}, "the same id"),
    ],
)
def test_a_broken_file_is_named(root, told, message):
    path = write(root, "val", told)
    with pytest.raises(InputError, match=message) as caught:
        opened(root)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ("polygon", "of the type str"),
        ([[1, 2, 3]], "no list of pairs"),
        ([[1, 2, 3, 4]], "less than three corners"),
        ([["a", 2, 3, 4, 5, 6]], "no list of pairs"),
        ([[1, 2, 3, 4, 5, float("inf")]], "something else than numbers"),
        ([{"x": 1}], "no list of pairs"),
        ({"counts": [1, 2], "size": [40, 60]}, "do not add up"),
        ({"counts": [2401, -1], "size": [40, 60]}, "do not add up"),
        ({"counts": [2400], "size": [60, 40]}, "rows and columns"),
        ({"counts": "0\x7f", "size": [40, 60]}, "means nothing"),
        ({"counts": "P", "size": [40, 60]}, "end within a number"),
        ({"counts": "o" * 99, "size": [40, 60]}, "means nothing"),
        ({}, "rows and columns"),
    ],
)
def test_a_broken_segmentation_is_named(root, segmentation, message):
    path = write(root, "val", broken(segmentation=segmentation))
    with pytest.raises(InputError, match=message) as caught:
        opened(root).split("val")[0]
    assert caught.value.where == str(path)
    assert "000000000139" in str(caught.value)


def test_an_annotation_without_segmentation(root):
    write(root, "val", broken(segmentation=None))
    assert opened(root).split("val")[0].evidence is None


def test_names_do_not_lead_out_of_the_folder(root):
    told = content("val")
    told["images"][0]["file_name"] = "../train2017/000000000009.jpg"
    write(root, "val", told)
    assert ids(opened(root))["val"] == ["285"]


def test_a_picture_of_another_size_is_named(root):
    path = root / "val2017/000000000139.jpg"
    Image.new("RGB", (30, 20)).save(path)
    for evidence in ("masks", "boxes"):
        with pytest.raises(InputError, match=r"Expected a picture of 60×40 pixels.* but got 30×20") as caught:
            opened(root, evidence=evidence).split("val")[0]
        assert caught.value.where == str(path)


def test_files_that_do_not_agree(root):
    told = content("val")
    told["categories"][0]["name"] = "wolf"
    write(root, "val", told)
    with pytest.raises(InputError, match=r"Expected category 18 to be 'dog'.*but got 'wolf'"):
        opened(root)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (None, "no folder was named"),
        ("missing", "no such folder"),
        ("val2017", "lacks val2017 and annotations/instances_val2017.json"),
    ],
)
def test_a_folder_that_is_not_coco(root, made, told):
    with pytest.raises(InputError, match=told) as caught:
        opened(made and root / made)
    assert "https://cocodataset.org/#download" in str(caught.value)
    assert "DIR/annotations/instances_train2017.json" in str(caught.value)


# Segmentations


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_run_lengths_are_undone(width, height, data):
    flat = data.draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height))
    pixels = np.array(flat, np.uint8).reshape(width, height)
    changes = np.flatnonzero(np.diff(pixels.ravel(), prepend=0)).tolist()
    counts = np.diff([0, *changes, pixels.size]).tolist()
    for told in (counts, packed(counts)):
        assert np.array_equal(fill({"counts": told, "size": [height, width]}, (width, height)), pixels.T)


def packed(counts: list[int]) -> str:
    """COCO's compressed text: five bits a sign, low ones first, differences from the third count on."""
    signs = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            bits, value = value & 31, value >> 5
            ended = value == (-1 if bits & 16 else 0)
            signs += chr(48 + bits + 32 * (not ended))
            if ended:
                break
    return signs


def test_a_text_that_cocos_own_code_wrote():
    triangle = np.tri(6, 9, 2, dtype=np.uint8)
    assert np.array_equal(fill({"counts": "0b01C1O1O1O1O1", "size": [6, 9]}, (9, 6)), triangle)


def test_pixels_whose_centres_are_inside():
    # 1.4 to 3.6: the centres at 1.5, 2.5 and 3.5 are in it.
    assert fill([rectangle(1.4, 2, 3.6, 4)], (6, 6)).tolist()[2] == [0, 1, 1, 1, 0, 0]
    assert fill([rectangle(1.6, 2, 3.4, 4)], (6, 6)).tolist()[2] == [0, 0, 1, 0, 0, 0]


def test_polygons_are_joined_and_end_at_the_picture():
    both = fill([rectangle(0, 0, 4, 4), rectangle(2, 2, 6, 6)], (6, 6))
    assert both.sum() == 16 + 16 - 4
    assert fill([rectangle(-1e300, 3, 1e300, 1e300)], (6, 6)).sum() == 18
    assert fill([rectangle(7, 7, 9, 9)], (6, 6)).sum() == 0
    assert fill([], (6, 6)).sum() == 0
