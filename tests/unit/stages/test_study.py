"""A questionnaire out, answers in."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rationale_cli.contracts import Silent
from rationale_cli.errors import InputError
from rationale_cli.measures.estimates import Estimate
from rationale_cli.runs.evidence import EvidenceTable
from rationale_cli.runs.folder import Run
from rationale_cli.stages.study_checks import obvious
from rationale_cli.stages.study_export import StudyExport, StudyExportRequest
from rationale_cli.stages.study_export import run as export
from rationale_cli.stages.study_files import fitting, read_answers, read_key
from rationale_cli.stages.study_score import StudyScoreRequest
from rationale_cli.stages.study_score import run as score

from ..reporting.fabricate import fabricate

SECRET = re.compile(
    r"secret-run|test/0|rationale|tiny-clip|gaa|\b(rma|right|wrong|correct|RR|RW|WR|WW)\b", re.I
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("runs")
    return fabricate(root, {"secret-run": "ft-shortcut"}, ("test",), n=120, witness=False)[0]


@pytest.fixture(scope="module")
def written(run: Run) -> StudyExport:
    return export(StudyExportRequest(run, run.path.parent / "study.html"))


def embedded(page: Path) -> dict:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"))
    return json.loads(data)


def answers(
    run: Run, written: StudyExport, folder: Path, person: str, tau: float = 0.5, **changes: str
) -> Path:
    """A person who calls valid what RMA ≥ tau does; ``changes`` answer items otherwise."""
    key = read_key(run, written.study)
    table = run.evidence("test")[key.specification].table
    rma = dict(zip(table.id, table.rma, strict=True))
    said = {item: "yes" if rma[picture] >= tau else "no" for item, picture in key.items.items()}
    said |= {**key.checks, **changes}
    listed = [{"item": item, "response": one, "position": 1, "rt": 900} for item, one in said.items()]
    path = folder / f"{person}.json"
    path.write_text(
        json.dumps({"study": written.study, "participant": person, "comment": "", "answers": listed})
    )
    return path


def test_a_questionnaire_tells_nobody_what_the_run_did(run: Run, written: StudyExport) -> None:
    page = written.page.read_text(encoding="utf-8")
    # In base64 any short word may stand by chance.
    told = re.sub(r'"(image|overlay)":"[^"]*"', "", page.split("</style>")[1])
    assert not SECRET.findall(told)
    assert "http://" not in page and "https://" not in page
    items = embedded(written.page)["items"]
    assert [one["id"] for one in items] == sorted(one["id"] for one in items)
    assert {frozenset(one) for one in items} == {frozenset({"id", "classname", "image", "overlay"})}
    key = read_key(run, written.study)
    assert {one["id"] for one in items} == {*key.items, *key.checks}
    assert len(key.checks) == 4 and sorted(key.checks.values()) == ["no", "no", "yes", "yes"]


def test_checks_look_as_other_questions_do(run: Run, written: StudyExport) -> None:
    key = read_key(run, written.study)
    sizes = {
        one["id"]: Image.open(io.BytesIO(base64.b64decode(one["overlay"]))).size
        for one in embedded(written.page)["items"]
    }
    assert {sizes[item] for item in key.checks} == {sizes[item] for item in key.items}


def test_pictures_are_chosen_by_seed_and_named_at_random(
    run: Run, written: StudyExport, tmp_path: Path
) -> None:
    first = read_key(run, written.study)
    request = {"items": 12, "checks": 0}
    keys = [
        read_key(run, export(StudyExportRequest(run, tmp_path / "s.html", **request, seed=seed)).study)
        for seed in (0, 0, 1)
    ]
    pictures = [set(key.items.values()) for key in keys]
    assert pictures[0] == pictures[1] != pictures[2]
    assert all(len(one) == 12 for one in pictures)
    assert not set(keys[0].items) & set(keys[1].items)
    assert pictures[0] <= set(first.items.values()) and keys[0].checks == {}


def test_a_region_hides_the_rest(run: Run, tmp_path: Path) -> None:
    made = export(StudyExportRequest(run, tmp_path / "s.html", show="region", items=4))
    for one in embedded(made.page)["items"]:
        alpha = np.asarray(Image.open(io.BytesIO(base64.b64decode(one["overlay"]))))[..., 3]
        assert 0 < np.mean(alpha == 0) < 0.6
    assert "the clear part" in made.page.read_text("utf-8")


def test_people_who_follow_rma_give_its_figures(run: Run, written: StudyExport, tmp_path: Path) -> None:
    files = tuple(answers(run, written, tmp_path, name) for name in ("ann", "bob", "eve"))
    result = score(StudyScoreRequest(run, files, replicates=50))
    assert (result.people, result.excluded) == (3, ())
    assert result.among["alpha"].value == pytest.approx(1)
    assert [result.against[name].value for name in ("accuracy", "kappa", "auc")] == pytest.approx([1, 1, 1])
    for name in ("V", "PT", "IR"):
        assert result.by_people[name].value == pytest.approx(result.by_rma[name].value)
    table = run.evidence("test")["gaa-last-dot"].table
    asked = [read_key(run, written.study).items[item] for item in read_key(run, written.study).items]
    masses = np.sort([table.rma[list(table.id).index(one)] for one in asked])
    above = masses[masses >= 0.5][0]
    below = masses[masses < 0.5][-1]
    assert result.against["threshold"].value == pytest.approx((above + below) / 2)


def test_a_lower_threshold_of_people_is_found(run: Run, written: StudyExport, tmp_path: Path) -> None:
    files = tuple(answers(run, written, tmp_path, name, tau=0.4) for name in ("ann", "bob"))
    result = score(StudyScoreRequest(run, files, replicates=50))
    assert result.against["threshold"].value == pytest.approx(0.4, abs=0.05)
    assert result.by_people["PT"].value > result.by_rma["PT"].value
    assert isinstance(result.against["threshold"], Estimate) and result.against["threshold"].low is not None


def test_who_fails_the_checks_is_named_and_left_out(run: Run, written: StudyExport, tmp_path: Path) -> None:
    key = read_key(run, written.study)
    wrong = {item: "no" if answer == "yes" else "yes" for item, answer in list(key.checks.items())[:2]}
    files = (answers(run, written, tmp_path, "ann"), answers(run, written, tmp_path, "mallory", **wrong))
    result = score(StudyScoreRequest(run, files, replicates=50))
    assert [(one.person, one.reason) for one in result.excluded] == [
        ("mallory", "passed 2 of 4 attention checks")
    ]
    assert result.people == 1
    assert any("One person" in note for note in result.notes)
    assert score(StudyScoreRequest(run, files, passing=0.5, replicates=50)).people == 2
    with pytest.raises(InputError, match="mallory passed 2 of 4"):
        score(StudyScoreRequest(run, files[1:], replicates=50))


def test_json_and_csv_of_one_person_count_once(run: Run, written: StudyExport, tmp_path: Path) -> None:
    path = answers(run, written, tmp_path, "ann, the first")
    rows = json.loads(path.read_text())["answers"]
    with (tmp_path / "same.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("study", "participant", "item", "response", "position", "rt"))
        writer.writerows((written.study, "ann, the first", *row.values()) for row in rows)
    (one,) = read_answers((path, tmp_path / "same.csv"))
    assert len(one.answers) == len(rows)
    other = answers(run, written, tmp_path, "again", tau=0.9)
    other.write_text(other.read_text().replace('"again"', '"ann, the first"'))
    with pytest.raises(InputError, match="one set of answers a person"):
        read_answers((path, other))


def test_the_result_is_shown_until_the_evidence_changes(
    run: Run, written: StudyExport, tmp_path: Path
) -> None:
    score(StudyScoreRequest(run, (answers(run, written, tmp_path, "ann"),), replicates=50))
    said = []

    class Heard(Silent):
        def warn(self, text: str) -> None:
            said.append(text)

    assert [one.study for one in fitting([run], Heard())] == [written.study] and not said
    path = run.path / "evidence/test/gaa-last-dot/table.parquet"
    kept = path.read_bytes()
    table = EvidenceTable.read(path)
    try:
        pq.write_table(replace(table, rma=table.rma[::-1]).to_arrow(), path)
        assert not list(fitting([run], Heard())) and "other evidence" in said[0]
        with pytest.raises(InputError, match="another one now"):
            score(StudyScoreRequest(run, (answers(run, written, tmp_path, "ann"),)))
    finally:
        path.write_bytes(kept)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{}", "study"),
        ("not json", "the file"),
        ('{"study": "x", "participant": "", "answers": []}', "participant"),
        (
            '{"study": "x", "participant": "a", "answers": [{"item": "i", "response": "maybe"}]}',
            "answers.0.response",
        ),
        ('{"study": "elsewhere", "participant": "a", "answers": []}', "'elsewhere'"),
    ],
)
def test_answers_that_are_none(
    run: Run, written: StudyExport, tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError) as caught:
        score(StudyScoreRequest(run, (tmp_path / "a.json",)))
    assert told in str(caught.value)


def test_items_of_another_study(run: Run, written: StudyExport, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'ann' has 'stranger'"):
        score(StudyScoreRequest(run, (answers(run, written, tmp_path, "ann", stranger="yes"),)))


def test_a_run_that_nobody_can_be_asked_about(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Known: test"):
        export(StudyExportRequest(run, tmp_path / "s.html", split="val"))


def test_obvious_relevance() -> None:
    square = [[[10, 10], [40, 10], [40, 40], [10, 40]]]
    on, off = obvious(square, (10, 10), True), obvious(square, (10, 10), False)
    inside = np.zeros((10, 10), bool)
    inside[1:4, 1:4] = True
    assert on[inside].sum() / on.sum() > 0.7
    assert off[inside].sum() == 0 and off.max() == 255
    assert obvious([], (10, 10), True) is None
    assert obvious([[[0, 0], [100, 0], [100, 100], [0, 100]]], (10, 10), False) is None
    assert obvious(square, (2, 2), True).shape == (6, 6)
