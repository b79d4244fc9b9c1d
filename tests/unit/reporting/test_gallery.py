"""The gallery's sample: every quadrant, few bytes, exact at every threshold."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rationale_cli.errors import InputError
from rationale_cli.reporting.gallery import FEWEST, PICTURES, Basis, gallery, within_room
from rationale_cli.runs.folder import Run

BASIS = Basis("gaa-last-dot", 0.5, "normalised")


@pytest.fixture
def runs(made) -> dict[str, Run]:
    return {run.name: run for run in made.runs}


@pytest.fixture
def copied(made, tmp_path: Path) -> dict[str, Run]:
    """One run that a test may damage."""
    shutil.copytree(made.runs[0].path, tmp_path / "zs")
    return {"zs": Run.open(tmp_path / "zs")}


def sampled(runs: dict[str, Run]) -> dict[str, Any] | None:
    return gallery(runs, {name: run.evidence("test") for name, run in runs.items()}, "test", BASIS)


def test_pictures_say_what_the_table_says(runs: dict[str, Run]) -> None:
    shown = sampled(runs)
    for entry in shown["runs"]:
        for name, one in entry["sets"].items():
            table = runs[entry["run"]].evidence("test")[name].table
            rows = {identifier: row for row, identifier in enumerate(table.id)}
            for place, item in enumerate(shown["items"]):
                row = rows[item["id"]]
                assert item["label"] == table.label[row]
                assert entry["prediction"][place] == table.prediction[row]
                assert one["status"][place] == table.status[row]
                for at in range(101):
                    assert (one["level"][place] >= at) == bool(table.rma[row] >= at / 100)
                assert one["valid"][place] == int(table.rma[row] >= 0.5)


def test_every_quadrant_that_was_kept_is_shown(runs: dict[str, Run]) -> None:
    shown = sampled(runs)
    assert len(shown["items"]) <= PICTURES
    kept = {
        item["id"] for item in json.loads((runs["zs"].gallery("test") / "index.json").read_text())["items"]
    }
    sample = {item["id"] for item in shown["items"]}
    for run in runs.values():
        table = run.evidence("test")["gaa-last-dot"].table
        quadrant = 2 * (table.prediction == table.label) + (table.rma >= 0.5)
        there = {q for q, identifier in zip(quadrant, table.id, strict=True) if identifier in kept}
        assert {q for q, identifier in zip(quadrant, table.id, strict=True) if identifier in sample} == there


def test_heatmaps_keep_their_shape(runs: dict[str, Run]) -> None:
    shown = sampled(runs)
    one = shown["runs"][1]["sets"]["gaa-all-native"]
    maps = np.frombuffer(base64.b64decode(one["maps"]), np.uint8).reshape(-1, *one["grid"])
    found = runs[shown["runs"][1]["run"]].evidence("test")["gaa-all-native"]
    row = list(found.table.id).index(shown["items"][3]["id"])
    heatmap = found.heatmaps()[row].astype(np.float64)
    scaled = (heatmap - heatmap.min()) / (heatmap.max() - heatmap.min())
    assert np.abs(maps[3] / 255 - scaled).max() < 0.51 / 255 + 1e-3


def test_thumbnails_are_small_pictures(runs: dict[str, Run]) -> None:
    item = sampled(runs)["items"][0]
    with Image.open(io.BytesIO(base64.b64decode(item["image"]))) as picture:
        assert picture.format == "JPEG"
        assert max(picture.size) <= 160


def test_no_gallery_no_sample(copied: dict[str, Run]) -> None:
    shutil.rmtree(copied["zs"].path / "evidence" / "test" / "gallery")
    assert sampled(copied) is None


def edit(run: Run, change: Callable[[dict], None]) -> Path:
    path = run.path / "evidence" / "test" / "gallery" / "index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    return path


def test_a_damaged_index_is_named(copied: dict[str, Run]) -> None:
    path = edit(copied["zs"], lambda index: index.pop("items"))
    with pytest.raises(InputError, match="index of thumbnails") as error:
        sampled(copied)
    assert error.value.where == str(path)


def test_a_damaged_thumbnail_is_named(copied: dict[str, Run]) -> None:
    for file in (copied["zs"].path / "evidence" / "test" / "gallery").glob("*.jpg"):
        file.write_bytes(b"no picture")
    with pytest.raises(InputError, match="thumbnail") as error:
        sampled(copied)
    assert error.value.where.endswith(".jpg")


def test_an_index_cannot_lead_out_of_its_folder(copied: dict[str, Run], tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.jpg")

    def lead_out(index: dict) -> None:
        for item in index["items"]:
            item["image"] = "../../../../secret.jpg"

    edit(copied["zs"], lead_out)
    with pytest.raises(InputError, match="thumbnail"):
        sampled(copied)


def test_outlines_are_shares_of_the_picture_and_few(copied: dict[str, Run]) -> None:
    def finer(index: dict) -> None:
        index["size"] = 200
        index["items"] = index["items"][:1]
        index["items"][0]["outline"] = [[[x / 10, 50.0] for x in range(2000)]] * 40

    edit(copied["zs"], finer)
    (item,) = sampled(copied)["items"]
    assert len(item["outline"]) <= 12
    assert len(item["outline"][0]) <= 101
    assert item["outline"][0][0] == [0.0, 25.0]
    assert 95 < item["outline"][0][-1][0] <= 100


def test_galleries_of_many_tables_share_their_room(runs: dict[str, Run]) -> None:
    whole = sampled(runs)
    first, *others = within_room([whole, *[whole] * 200, None])
    assert first == whole and others[-1] is None
    short = others[0]
    assert len(short["items"]) == FEWEST < len(whole["items"])
    assert short["items"] == whole["items"][:FEWEST]
    assert "uniform" in whole["sets"] and set(short["sets"]) == set(whole["sets"]) - set(whole["controls"])
    for few, all_of_them in zip(short["runs"], whole["runs"], strict=True):
        assert few["prediction"] == all_of_them["prediction"][:FEWEST]
        for name, one in few["sets"].items():
            size = one["grid"][0] * one["grid"][1]
            maps, before = (base64.b64decode(x["maps"]) for x in (one, all_of_them["sets"][name]))
            assert maps == before[: len(maps)] and len(maps) in (size, FEWEST * size)
            assert one["level"] == all_of_them["sets"][name]["level"][:FEWEST]


def test_a_map_that_is_the_same_for_all_pictures_is_told_once(runs: dict[str, Run]) -> None:
    shown = sampled(runs)
    sets = shown["runs"][0]["sets"]
    lengths = {name: len(base64.b64decode(one["maps"])) for name, one in sets.items()}
    assert lengths["uniform"] == lengths["center"] == 64
    assert lengths["gaa-last-dot"] == 64 * len(shown["items"])
