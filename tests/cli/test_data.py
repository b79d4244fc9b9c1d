"""``rationale data describe`` in real processes, on folders as users have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NOISE = np.random.default_rng(0)


def picture(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(NOISE.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two classes with boxes: one picture of several, one whose object the crop leaves out."""
    rows = ["path,xmin,ymin,xmax,ymax"]
    for kind, name, width, boxes in (
        ("ant", "a", 100, [(0, 0, 100, 80)]),
        ("ant", "b", 100, [(40, 40, 60, 60), (0, 0, 10, 10)]),
        ("bee", "c", 300, [(0, 0, 30, 100)]),
        ("bee", "d", 100, []),
    ):
        picture(tmp_path / "photographs" / "test" / kind / f"{name}.png", width, 100)
        rows += [",".join(map(str, (f"test/{kind}/{name}.png", *box))) for box in boxes]
        picture(tmp_path / "photographs" / "train" / kind / f"{name}.png", 100, 100)
    (tmp_path / "photographs" / "boxes.csv").write_text("\n".join(rows))
    return tmp_path / "photographs"


def test_a_folder_is_described_and_shown(rationale, photographs, tmp_path):
    outcome = rationale("data", "describe", "folder", "--data", str(photographs))
    assert "reading test: 100%, 4/4" in outcome.stderr
    for line in (
        "rationale:folder: 2 classes, seen as 224×224 pixels (short side 224, centre cropped)",
        "train: 4 pictures (not read: --split train)",
        "test: 4 pictures (all read)",
        "  annotated: 3 (3 by boxes, of these 1 by several)",
        "  nothing of the object is left by the crop: 1 (bee/c)",
        "  classes: 2 of 2 pictures each",
        "    uniform at 7×7 and 14×14 patches   50.0 %, 1 of 2",
        "Sheet: folder-sheet.png",
    ):
        assert line in outcome.stdout.splitlines()
    assert Image.open(tmp_path / "folder-sheet.png").format == "PNG"


def test_json_is_one_document_with_every_class(rationale, photographs):
    words = ("--data", str(photographs), "--split", "all", "--threshold", "0.9", "--json", "-o", "s.png")
    found = json.loads(rationale("data", "describe", "folder", *words).stdout)
    assert (found["dataset"], found["classes"], found["sheet"]) == ("rationale:folder", 2, "s.png")
    assert (found["threshold"], found["view"]["size"]) == (0.9, 224)
    train, test = found["splits"]
    assert (train["name"], train["annotated"], train["area"]["mean"]) == ("train", 0, None)
    assert test["outside"] == ["bee/c"]
    assert [one["annotated"] for one in test["classes"]] == [2, 1]
    assert {one["share"]["value"] for one in test["controls"] if one["control"] == "uniform"} == {0.0}


def test_scenes_need_no_data(rationale):
    outcome = rationale("data", "describe", "scenes", "--split", "test", "--limit", "24", "--size", "64")
    assert "test: 600 pictures (a sample of 24)" in outcome.stdout
    assert "  annotated: 24 (24 by masks)" in outcome.stdout


def test_unreadable_pictures_are_named_and_stop_nothing(rationale, photographs):
    (photographs / "test" / "ant" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    outcome = rationale("data", "describe", "folder", "--data", str(photographs))
    assert "  unreadable: 1 (ant/a)" in outcome.stdout
    assert "1 unreadable" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["foldr"], "Did you mean 'folder'?"),
        (["folder"], "pass --data DIR"),
        (["scenes", "--data", "."], "dataset.root: unknown option"),
        (["scenes", "--split", "tset"], "Did you mean 'test'?"),
        (["scenes", "--set", "train.epochs=3"], "train.epochs: Expected settings of 'dataset'"),
        (["scenes", "--resize", "100"], "Expected --resize of at least the 224 pixels"),
        (["scenes", "--resize", "256", "--squash"], "Expected --resize or --squash but got both"),
    ],
)
def test_bad_input_is_told(rationale, tmp_path, words, told):
    outcome = rationale("data", "describe", *words, code=2)
    assert told in outcome.stderr
    assert outcome.stdout == ""
    assert not list(tmp_path.glob("*.png"))


def test_real_photographs(rationale, shared):
    words = ("--data", str(shared / "data" / "coco128"), "--split", "train", "--json")
    outcome = rationale("data", "describe", "folder", *words)
    (train,) = [one for one in json.loads(outcome.stdout)["splits"] if one["read"]]
    assert (train["annotated"], train["outside"]) == (83, ["bus/000000000260"])
    assert train["area"]["n"] == 82
    assert 0.25 < train["controls"][0]["share"]["value"] < 0.35
