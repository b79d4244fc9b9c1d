"""People's files and runs, brought together."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from rationale_cli.errors import InputError
from rationale_cli.runs.folder import Run
from rationale_cli.stages.align import AlignRequest
from rationale_cli.stages.align import run as align
from rationale_cli.stages.alignment_files import fitting
from rationale_cli.stages.human_files import Meaning, found, read_answers, read_people

from .made_up_runs import make_run

N, PEOPLE = 40, 6
RNG = np.random.default_rng(7)
RIGHT = RNG.random((2, N)) < np.array([[0.5], [0.8]])
SURE = 0.55 + 0.4 * RNG.random(N)
RMA = {"gaa-last-dot": RNG.random(N)}
IDS = np.array([f"test/rings/{index:03d}.png" for index in range(N)], dtype=object)
LABEL = np.arange(N) % 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    root = tmp_path_factory.mktemp("runs")
    told = {"ids": IDS, "label": LABEL, "confidence": SURE}
    return (
        make_run(root, "zs", RIGHT[0], RMA, method="zs", **told),
        make_run(root, "ft", RIGHT[1], RMA, **told),
    )


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line a response: is it rings (class 2)? Items are named by their files' names alone."""
    path = tmp_path_factory.mktemp("people") / "people.csv"
    rng = np.random.default_rng(1)
    rows = [
        (
            f"{index:03d}",
            f"p{person}",
            int((LABEL[index] == 2) ^ (rng.random() < 0.2)),
            rng.integers(400, 900),
        )
        for index in range(N)
        for person in range(PEOPLE)
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("item", "participant", "response", "rt"), *rows])
    return path


def warned(runs: tuple[Run, ...]) -> tuple[list, list[str]]:
    from rationale_cli.contracts import Silent

    class Heard(Silent):
        said: list[str] = []  # noqa: RUF012

        def warn(self, text: str) -> None:
            self.said.append(text)

    heard = Heard()
    return fitting(runs, heard), heard.said


def test_runs_beside_people(runs: tuple[Run, Run], people: Path) -> None:
    result = align(AlignRequest(people, runs, positive="rings"))
    assert (result.split, result.baseline, result.positive) == ("test", "zs", "rings")
    assert (result.people.people, result.people.items, result.people.binary) == (PEOPLE, N, True)
    assert 400 <= result.people.seconds < 900
    assert [(one.model, one.kind) for one in result.models] == [
        ("zs", "answer"), ("zs", "score"), ("ft", "answer"), ("ft", "score"),
    ]  # fmt: skip
    answer, score = result.models[2:]
    prediction = runs[1].predictions("test").table.prediction
    assert answer.measures["accuracy"].value == pytest.approx(np.mean((prediction == 2) == (LABEL == 2)))
    assert "accuracy" not in score.measures
    change = answer.differences["accuracy"]
    assert change.value == pytest.approx(
        answer.measures["accuracy"].value - result.models[0].measures["accuracy"].value
    )
    assert change.low < change.value < change.high
    assert result.models[0].differences == {}


def test_the_score_is_the_probability_of_the_class(runs: tuple[Run, Run], people: Path) -> None:
    (_, score) = align(AlignRequest(people, runs[1:], positive="rings")).models
    probability = softmax(runs[1].predictions("test").logits().astype(float), axis=1)[:, 2]
    means = read_people(people, Meaning()).responses.mean(axis=1)
    assert score.measures["pearson"].value == pytest.approx(np.corrcoef(probability, means)[0, 1])


def test_what_was_written_is_shown_until_the_answers_change(people: Path, tmp_path: Path) -> None:
    told = {"ids": IDS, "label": LABEL}
    before = tuple(
        make_run(tmp_path, name, right, RMA, confidence=SURE, **told)
        for name, right in zip("ab", RIGHT, strict=True)
    )
    align(AlignRequest(people, before, positive="rings"))
    (shown,), said = warned(before)
    assert [one.model for one in shown.models] == ["a", "a", "b", "b"]
    assert said == []
    make_run(tmp_path, "a", RIGHT[1], {}, confidence=SURE, **told)
    (shown,), said = warned(before)
    assert {one.model for one in shown.models} == {"b"}
    assert "rationale align a" in said[0]


def test_answers_beside_a_run(runs: tuple[Run, Run], people: Path, tmp_path: Path) -> None:
    lines = "".join(
        f"{one},{int(k == 2)},{k},{SURE[i]}\n" for i, (one, k) in enumerate(zip(IDS, LABEL, strict=True))
    )
    (tmp_path / "answers.csv").write_text("image,truth,trial,graded\n" + lines)
    request = AlignRequest(people, runs[:1], tmp_path / "answers.csv", positive="rings", baseline="zs")
    result = align(request)
    assert [one.model for one in result.models] == ["zs", "zs", "graded"]
    assert "Left out, since they are no answers of 0 to 1: trial." in result.notes
    assert set(result.models[2].differences) >= {"pearson", "within"}
    chosen = align(AlignRequest(people, (), tmp_path / "answers.csv", ("graded",)))
    assert [one.model for one in chosen.models] == ["graded"]


def test_pairs_for_brms(runs: tuple[Run, Run], people: Path, tmp_path: Path) -> None:
    align(AlignRequest(people, runs[1:], positive="rings", export=tmp_path / "pairs.csv"))
    with (tmp_path / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == N * PEOPLE
    prediction = runs[1].predictions("test").table.prediction
    assert [int(row["Model"]) for row in rows[:N]] == (prediction == 2).astype(int).tolist()
    assert {row["Ind"] for row in rows} == {f"p{person}" for person in range(PEOPLE)}
    with pytest.raises(InputError, match="zs, ft"):
        align(AlignRequest(people, runs, positive="rings", export=tmp_path / "pairs.csv"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "--positive CLASS"),
        ({"positive": "ring"}, "Did you mean 'rings'"),
        ({"positive": "rings", "split": "val"}, "Known: test"),
        ({"positive": "rings", "baseline": "lp"}, "Known: ft, zs"),
    ],
)
def test_what_is_not_known(runs: tuple[Run, Run], people: Path, changes: dict, told: str) -> None:
    with pytest.raises(InputError) as caught:
        align(AlignRequest(people, runs, **changes))
    assert told in str(caught.value)


def test_items_of_other_pictures(runs: tuple[Run, Run], tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("item,a,b\n" + "".join(f"tower{i},1,0\n" for i in range(5)))
    with pytest.raises(InputError, match="at least 3 items"):
        align(AlignRequest(tmp_path / "other.csv", runs, positive="rings"))


def test_rows_without_names_need_them(runs: tuple[Run, Run], tmp_path: Path) -> None:
    matrix = tmp_path / "matrix.csv"
    matrix.write_text(",0,1\n" + "".join(f"{row},{row % 2},{(row + 1) % 3 // 2}\n" for row in range(N)))
    assert read_people(matrix, Meaning()).items is None
    with pytest.raises(InputError, match="only numbered"):
        align(AlignRequest(matrix, runs, positive="rings"))
    (tmp_path / "names.csv").write_text("image,note\n" + "".join(f"{one},\n" for one in IDS[::-1]))
    result = align(AlignRequest(matrix, runs[1:], tmp_path / "names.csv", (), positive="rings"))
    assert result.people.items == N
    (tmp_path / "names.csv").write_text("image,note\na,\nb,\n")
    with pytest.raises(InputError, match=f"judged items, {N}, but got 2"):
        align(AlignRequest(matrix, runs[1:], tmp_path / "names.csv", (), positive="rings"))


def test_names_of_items_are_found() -> None:
    ids = ["test/a/1.png", "test/b/1.png", "test/a/2.png", "3"]
    assert found(["test/b/1.png", "1", "2.jpg", "x/3.jpg", "9"], ids) == {
        "test/b/1.png": 1, "2.jpg": 2, "x/3.jpg": 3,
    }  # fmt: skip


def test_words_and_gaps(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("item;ann;bob\n1;falls;NA\n2;stands;falls\n3;;stands\n")
    read = read_people(path, Meaning("falls"))
    assert read.people == ("ann", "bob")
    np.testing.assert_array_equal(read.responses, [[1, np.nan], [0, 1], [np.nan, 0]])
    with pytest.raises(InputError, match="--positive falls"):
        read_people(path, Meaning())
    with pytest.raises(InputError, match=r"line 3, column 'ann'") as caught:
        read_people(path, Meaning("falls", ("falls", "standing")))
    assert "Did you mean 'standing'" in str(caught.value)


def test_ratings(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = "".join(f"{i},{','.join(map(str, rng.integers(0, 101, 5)))}\n" for i in range(1, 13))
    (tmp_path / "ratings.csv").write_text("item,a,b,c,d,e\n" + rows)
    (tmp_path / "model.csv").write_text("item,response\n" + "".join(f"{i},{i * 7}\n" for i in range(1, 13)))
    result = align(AlignRequest(tmp_path / "ratings.csv", answers=tmp_path / "model.csv"))
    (one,) = result.models
    assert (one.model, one.kind) == ("model", "score")
    assert set(one.measures) == {"pearson", "spearman", "within", "pooled", "pseudo_r", "normalised"}
    assert any("ratings" in note for note in result.notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("item,participant,response\na,p,1\na,p,0\n", "line 3"),
        ("item,participant,response,rt\na,p,1,soon\n", "response time"),
        ("item,a,a\n1,0,1\n", "participant once"),
        ("item,a,b\n1,0,1\n1,0,1\n", "item once"),
        ("item,a,b\n", "header"),
        ("", "header"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "people.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        read_people(tmp_path / "people.csv", Meaning())
    assert told in str(caught.value)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text("item,gpt\n1,0\n")
    with pytest.raises(InputError, match="Did you mean 'gpt'"):
        read_answers(tmp_path / "answers.csv", Meaning(), ("gtp",))
