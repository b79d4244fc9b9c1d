"""``rationale data blocks`` in real processes: what it writes, and that ``folder`` reads the same."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rationale_plugins.datasets.blocks import Blocks, BlocksOptions
from rationale_plugins.datasets.folder import Folder

SMALL = ("--set", "dataset.train_size=4", "--set", "dataset.test_size=2", "--set", "dataset.pixels=32")
COLUMNS = {
    "id",
    "image",
    "mask",
    "task",
    "style",
    "split",
    "n_blocks",
    "label",
    "margin",
    "geometry-json",
    "seed",
}


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "stimuli.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def written(module_rationale, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "towers"
    outcome = module_rationale("data", "blocks", "-o", str(folder), "--split", "train,other-style", *SMALL)
    return folder, outcome


def test_images_masks_and_table_are_written(written):
    folder, outcome = written
    assert "writing other-style: 100%, 2/2" in outcome.stderr
    assert "stimuli.csv: train 4, other-style 2" in outcome.stdout
    rows = table(folder)
    assert set(rows[0]) >= COLUMNS
    assert [row["split"] for row in rows] == ["train"] * 4 + ["other-style"] * 2
    assert {row["style"] for row in rows} == {"cubeworld", "photo"}
    assert sorted(row["label"] for row in rows[:4]) == ["stable", "stable", "unstable", "unstable"]
    for row in rows:
        blocks = json.loads(row["geometry-json"])["blocks"]
        assert len(blocks) == int(row["n_blocks"])
        assert (float(row["margin"]) > 0) == (row["label"] == "stable")
        parts = sorted((folder / "parts" / row["id"]).iterdir())
        assert len(parts) == len(blocks)
        union = np.any([np.asarray(Image.open(one)) > 0 for one in parts], axis=0)
        evidence = np.asarray(Image.open(folder / row["mask"])) > 0
        assert evidence.any()
        assert not (evidence & ~union).any()
        if row["label"] == "stable":
            np.testing.assert_array_equal(evidence, union)


def test_a_folder_holds_what_is_made_on_the_fly(written):
    folder, _ = written
    options = BlocksOptions(train_size=4, test_size=2, pixels=32)
    made, read = Blocks(options), Folder(Folder.Options(root=folder))
    assert read.task.classnames == made.task.classnames
    assert set(read.splits) == {"train", "other-style"}
    for name in read.splits:
        for ours, theirs in zip(made.split(name), read.split(name), strict=True):
            assert (ours.id, ours.label) == (theirs.id, theirs.label)
            assert ours.image.tobytes() == theirs.image.tobytes()
            assert ours.evidence.image.tobytes() == theirs.evidence.image.tobytes()


def test_a_folder_is_overwritten_only_when_that_is_said(written, rationale):
    folder, _ = written
    before = (folder / "stimuli.csv").read_bytes()
    words = ("data", "blocks", "-o", str(folder), "--split", "test", *SMALL)
    outcome = rationale(*words, code=2)
    assert "new or empty" in outcome.stderr
    assert "--overwrite" in outcome.stderr
    assert (folder / "stimuli.csv").read_bytes() == before
    outcome = rationale(*words, "--task", "causal-removal", "--overwrite", "--json")
    told = json.loads(outcome.stdout)
    assert told["splits"] == {"test": 2}
    assert told["table"] == str(folder / "stimuli.csv")
    rows = table(folder)
    assert {row["task"] for row in rows} == {"causal-removal"}
    assert len(list((folder / "images").rglob("*.png"))) == 2
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]


def test_the_commands_of_the_page_work_as_typed(repo, rationale, tmp_path):
    page = (repo / "docs/how-to/visual-cognition.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.S) for line in block.splitlines()]
    commands = [words for words in map(shlex.split, lines) if words[:2] == ["rationale", "data"]]
    assert len(commands) == 3
    for _, *words in commands:
        rationale(*words)
    assert len(table(tmp_path / "removals")) == 8
    assert (tmp_path / "folder-sheet.png").is_file()


def test_what_is_not_ours_is_never_replaced(rationale, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    outcome = rationale("data", "blocks", "-o", "mine", "--overwrite", *SMALL, code=2)
    assert "never replaced" in outcome.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--task", "juggling"), "dataset.task"),
        (("--split", "tset"), "did you mean 'test'?"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_nothing(rationale, tmp_path, words, told):
    outcome = rationale("data", "blocks", "-o", "towers", *words, code=2)
    assert told in outcome.stderr.lower()
    assert not list(tmp_path.iterdir())
