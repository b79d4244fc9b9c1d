"""Questions about pictures from a table: classes, splits, evidence, and what is refused."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from rationale_plugins.datasets.vqa import TABLE, Vqa

from rationale_cli.contracts import Boxes, Mask
from rationale_cli.errors import InputError
from rationale_cli.testing import check_dataset

COLUMNS = ("image", "question", "answer", "split", "mask", "xmin", "ymin", "xmax", "ymax")
COLOUR, NUMBER = "What colour is the ball?", "How many balls are there?"


def written(folder, rows):
    with (folder / TABLE).open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)


def row(number, answer, question=COLOUR, **more):
    return {"image": f"images/{number}.png", "question": question, "answer": answer, **more}


def box(left, top, right, bottom):
    return dict(zip(COLUMNS[5:], (left, top, right, bottom), strict=True))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(8):
        Image.new("RGB", (20, 10), (30 * number, 90, 120)).save(tmp_path / "images" / f"{number}.png")
    mask = Image.new("L", (20, 10))
    mask.paste(255, (0, 0, 5, 5))
    mask.save(tmp_path / "masks" / "2.png")
    rows = [row(n, ("red", "blue")[n % 2], split=("train", "test")[n // 4]) for n in (0, 1, 3, 4, 5, 6, 7)]
    rows[3] |= box(1, 2, 10, 8)
    rows.append(row(4, "red", split="test", **box(12, 0, 20, 5)))
    rows.append(row(2, "red", split="train", mask="masks/2.png"))
    rows += [row(n, str(n // 4), NUMBER) for n in range(8)]
    written(tmp_path, rows)
    return tmp_path


def built(folder, question=COLOUR, **options):
    return Vqa(Vqa.Options(root=folder, question=question, **options))


@pytest.mark.parametrize("question", [COLOUR, NUMBER])
def test_the_contract_holds(folder, question):
    check_dataset(built(folder, question))


def test_answers_are_classes_and_the_question_is_the_tasks(folder):
    data = built(folder)
    assert (data.task.question, data.task.classnames) == (COLOUR, ("blue", "red"))
    assert (data.splits, data.evaluation) == (("train", "test"), ("test",))
    assert [sample.label for sample in data.split("train")] == [1, 0, 1, 0]
    assert data.fingerprint != built(folder, NUMBER).fingerprint


def test_evidence_is_all_boxes_of_a_picture_or_its_mask(folder):
    data = built(folder)
    by_id = {sample.id: sample for name in data.splits for sample in data.split(name)}
    assert by_id["images/4.png"].evidence == Boxes(((1, 2, 10, 8), (12, 0, 20, 5)))
    mask = by_id["images/2.png"].evidence
    assert isinstance(mask, Mask) and int((np.asarray(mask.image) > 0).sum()) == 25
    assert by_id["images/0.png"].evidence is None


def test_without_splits_some_of_every_answer_are_held_out(folder):
    data = built(folder, NUMBER, test_fraction=0.25)
    assert {name: len(data.split(name)) for name in data.splits} == {"train": 6, "test": 2}
    assert sorted(sample.label for sample in data.split("test")) == [0, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(0, "red"), row(0, "blue")], "one answer"),
        ([row(0, "red"), row(9, "blue")], "'images/9.png'"),
        ([row(0, "red"), row(1, "")], "empty"),
        ([row(0, "red", split="train"), row(1, "blue")], "every row or in none"),
        ([row(0, "red", **box(5, 5, 5, 9)), row(1, "blue")], "xmin < xmax"),
        ([row(0, "red"), row(1, "1", NUMBER)], "2 questions"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(folder, rows, message):
    written(folder, rows)
    with pytest.raises(InputError, match=message):
        built(folder, None)


def test_a_table_without_a_column_is_refused(folder):
    (folder / "questions.csv").write_text("image,question\nimages/0.png,what?\n", encoding="utf-8")
    with pytest.raises(InputError, match="answer is missing"):
        built(folder, None)
