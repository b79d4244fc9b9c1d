"""A recipe's gallery: pictures that all methods predict right, with what each looked at."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rationale_cli.recipe.layouts import GalleryLayout
from rationale_cli.reporting.gallery import Basis
from rationale_cli.reporting.side_by_side import Explained, SideBySide, side_by_side, side_by_side_csv
from rationale_cli.runs.folder import Run

BASIS = Basis("gaa-last-dot", 0.5, "normalised")
LAYOUT = GalleryLayout("figure-3", "Right answers", 6)
METHODS = {"zs": "zs", "ft": "ft-shortcut", "lp": "lp-shortcut"}


@pytest.fixture(scope="module")
def runs(fabricate: Callable[..., list[Run]], tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return fabricate(tmp_path_factory.mktemp("gallery"), METHODS, ("test",), n=120)


def explained(runs: list[Run], **axes: str) -> list[Explained]:
    told = {"model": "tiny-clip", "dataset": "scenes", "seed": "0", **axes}
    return [Explained({**told, "method": run.name}, run, "test", BASIS) for run in runs]


@pytest.fixture(scope="module")
def shown(runs: list[Run]) -> SideBySide:
    return side_by_side(LAYOUT, explained(runs))


def kept(run: Run) -> set[str]:
    return {item["id"] for item in json.loads((run.gallery("test") / "index.json").read_text())["items"]}


def test_every_method_is_right_on_every_picture(runs: list[Run], shown: SideBySide) -> None:
    (sheet,) = shown.sheets
    assert sheet.methods == tuple(METHODS)
    assert sheet.heading == "tiny-clip · scenes"
    assert len(sheet.pictures) == 6
    everywhere = None
    for place, run in enumerate(runs):
        table = run.evidence("test")["gaa-last-dot"].table
        rows = {identifier: row for row, identifier in enumerate(table.id)}
        annotated = np.isin(table.status, (0, 3))
        right = set(table.id[(table.prediction == table.label) & annotated])
        everywhere = right if everywhere is None else everywhere & right
        for picture in sheet.pictures:
            row = rows[picture.id]
            assert picture.id in right
            assert picture.panes[place].mass == pytest.approx(table.rma[row])
            assert picture.panes[place].valid == (table.rma[row] >= 0.5)
    assert sheet.right == len(everywhere)


def test_heatmaps_are_those_of_the_run(runs: list[Run], shown: SideBySide) -> None:
    picture = shown.sheets[0].pictures[0]
    found = runs[1].evidence("test")["gaa-last-dot"]
    heatmap = found.heatmaps()[list(found.table.id).index(picture.id)].astype(float)
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.panes[1].heat))))
    assert drawn.shape == (*heatmap.shape, 4)
    opacity = drawn[..., 3].astype(float)
    assert np.corrcoef(opacity.ravel(), heatmap.ravel())[0, 1] > 0.99
    assert np.unravel_index(opacity.argmax(), opacity.shape) == np.unravel_index(
        heatmap.argmax(), heatmap.shape
    )


def test_only_pictures_that_every_run_keeps(runs: list[Run], tmp_path: Path) -> None:
    copies = []
    for run in runs:
        shutil.copytree(run.path, tmp_path / run.name)
        copies.append(Run.open(tmp_path / run.name))
    index = copies[2].gallery("test") / "index.json"
    content = json.loads(index.read_text())
    content["items"] = content["items"][::2]
    index.write_text(json.dumps(content))
    (sheet,) = side_by_side(GalleryLayout("g", "g", 100), explained(copies)).sheets
    assert sheet.pictures
    assert {picture.id for picture in sheet.pictures} <= set.intersection(*map(kept, copies))


def test_the_choice_is_the_same_each_time_and_even_over_classes(runs: list[Run], shown: SideBySide) -> None:
    again = side_by_side(LAYOUT, explained(list(reversed(runs)))).sheets[0]
    assert {one.id for one in again.pictures} == {one.id for one in shown.sheets[0].pictures}
    assert len({one.classname for one in again.pictures}) == 6


def test_a_sheet_a_model_dataset_and_setup(runs: list[Run]) -> None:
    listed = [*explained(runs), *explained(runs, model="blip"), *explained(runs, setup="∇A", seed="1")]
    sheets = side_by_side(LAYOUT, listed).sheets
    assert [sheet.heading for sheet in sheets] == [
        "tiny-clip · scenes",
        "blip · scenes",
        "∇A · tiny-clip · scenes",
    ]


def test_a_regularizer_has_a_pane_of_its_own(runs: list[Run]) -> None:
    zs, ft, lp = explained(runs)
    guided = Explained({**ft.axes, "regularizer": "gaa-mass"}, lp.run, "test", BASIS)
    (sheet,) = side_by_side(
        LAYOUT, [zs, Explained({**ft.axes, "regularizer": "none"}, ft.run, "test", BASIS), guided]
    ).sheets
    assert sheet.methods == ("zs", "ft", "ft + gaa-mass")


def test_of_several_seeds_the_first(runs: list[Run]) -> None:
    zs, ft, lp = explained(runs)
    again = Explained({**ft.axes, "seed": "1"}, lp.run, "test", BASIS)
    (sheet,) = side_by_side(LAYOUT, [zs, ft, again]).sheets
    assert sheet.methods == ("zs", "ft")
    assert [one.run.name for one in sheet.explained] == ["zs", "ft"]


def test_without_thumbnails_there_are_no_pictures(runs: list[Run], tmp_path: Path) -> None:
    shutil.copytree(runs[0].path, tmp_path / "zs")
    shutil.rmtree(tmp_path / "zs" / "evidence" / "test" / "gallery")
    (sheet,) = side_by_side(LAYOUT, explained([Run.open(tmp_path / "zs"), runs[1]])).sheets
    assert sheet.pictures == ()
    assert sheet.right > 0


def test_nothing_explained_is_no_sheet() -> None:
    assert side_by_side(LAYOUT, []).sheets == ()


def test_csv_has_a_line_a_picture_and_method(shown: SideBySide) -> None:
    found = list(csv.DictReader(io.StringIO(side_by_side_csv(shown))))
    assert len(found) == 6 * 3
    first = shown.sheets[0].pictures[0]
    assert [line["picture"] for line in found[:3]] == [first.id] * 3
    assert [line["run"] for line in found[:3]] == list(METHODS)
    assert [float(line["rma"]) for line in found[:3]] == pytest.approx([pane.mass for pane in first.panes])
