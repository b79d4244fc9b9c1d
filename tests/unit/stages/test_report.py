"""Where a report goes, and what stops it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from rationale_cli.errors import InputError
from rationale_cli.runs.folder import Run
from rationale_cli.stages.report import ReportRequest, of_scored, run
from rationale_cli.stages.score import ScoreRequest, recorded

from ..reporting.fabricate import fabricate
from ..reporting.reading import read


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, ...]:
    root = tmp_path_factory.mktemp("work") / "runs"
    return tuple(fabricate(root, {"zs": "zs", "ft": "ft-shortcut"}, ("test",), n=40))


class Heard:
    """Notes what a stage says of its progress."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.total: dict[str, int] = {}

    def task(self, description: str, total: int):
        from contextlib import nullcontext

        self.done[description], self.total[description] = 0, total

        def advance(done: int, remark: str) -> None:
            self.done[description] += done

        return nullcontext(advance)

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


def test_several_runs_beside_their_folders(runs: tuple[Run, ...]) -> None:
    heard = Heard()
    result = run(ReportRequest(runs), heard)
    assert result.path == runs[0].path.parent / "report.html"
    assert result.size == result.path.stat().st_size
    assert heard.done == heard.total
    assert "drawing" in heard.done


def test_what_is_scored_already_is_not_scored_again(runs: tuple[Run, ...], tmp_path: Path) -> None:
    whole, heard = Heard(), Heard()
    told = run(ReportRequest(runs, tmp_path / "whole.html"), whole)
    again = of_scored(
        recorded(ScoreRequest(runs, mismatch="separate")), tmp_path / "again.html", progress=heard
    )
    assert whole.done.keys() - heard.done.keys() == {"scoring"}
    pages = [one.path.read_text(encoding="utf-8") for one in (told, again)]
    # But for the minute in which it was made.
    one, other = (re.sub(r"\d\d:\d\d UTC", "", page) for page in pages)
    assert one == other


def test_a_single_run_inside_its_folder(runs: tuple[Run, ...]) -> None:
    assert run(ReportRequest(runs[1:])).path == runs[1].path / "report.html"


def test_where_it_was_asked_for(runs: tuple[Run, ...], tmp_path: Path) -> None:
    wanted = tmp_path / "new folder" / "our report.html"
    assert run(ReportRequest(runs, wanted, baseline="zs")).path == wanted
    assert [one.name for one in wanted.parent.iterdir()] == ["our report.html"]


def test_another_estimator(runs: tuple[Run, ...], tmp_path: Path) -> None:
    path = run(ReportRequest(runs, tmp_path / "all.html", specification="gaa-all-dot")).path
    assert "by gaa-all-dot for the annotated class" in path.read_text(encoding="utf-8")


def test_models_that_see_other_parts_of_the_pictures_are_told_apart(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    (first, other) = fabricate(root, {"one": "zs", "two": "zs"}, ("test",), n=40)
    for place in other.path.rglob("spec.yaml"):
        spec = yaml.safe_load(place.read_text())
        place.write_text(
            yaml.safe_dump(spec | {"preprocessing": {"size": 1 + spec["preprocessing"]["size"]}})
        )
    manifest = yaml.safe_load((other.path / "run.yaml").read_text())
    manifest["configuration"]["model"]["use"] = "rationale:squinting"
    (other.path / "run.yaml").write_text(yaml.safe_dump(manifest))
    page = run(ReportRequest((first, Run.open(other.path)), tmp_path / "r.html", mismatch="separate")).path
    text = page.read_text(encoding="utf-8")
    own = first.configuration["model"]["use"].partition(":")[2]
    assert f">test · {own}</label>" in text
    assert ">test · squinting</label>" in text


def test_evidence_that_is_missing_is_told(tmp_path: Path) -> None:
    bare = Run.create(tmp_path / "bare", {"model": {}, "method": {"use": "rationale:zs"}}, {})
    with pytest.raises(InputError, match="evidence"):
        run(ReportRequest((bare,), mismatch="refuse"))
    assert not (tmp_path / "bare" / "report.html").exists()


def test_a_threshold_that_is_none(runs: tuple[Run, ...]) -> None:
    with pytest.raises(InputError, match="threshold"):
        run(ReportRequest(runs, threshold=1.5))


def guided(root: Path) -> tuple[Run, Run]:
    """A run, and the same with a regularizer that saw a twentieth of the masks."""
    before, after = fabricate(root, {"plain": "ft-shortcut", "guided": "lp-shortcut"}, ("test",), n=60)
    configuration = dict(before.configuration)
    rule = {"use": "rationale:gaa-mass", "options": {"weight": 3.0, "form": "log"}}
    train = {**configuration["train"], "mask_fraction": 0.05}
    configuration |= {"regularizer": [rule], "train": train}
    return before.updated(configuration={**before.configuration}), after.updated(configuration=configuration)


def test_runs_with_regularizers_are_marked_and_shown_beside_those_without(tmp_path: Path) -> None:
    page = read(run(ReportRequest(guided(tmp_path), tmp_path / "r.html")).path.read_text(encoding="utf-8"))
    badges = [
        one.text for one in page.find("span") if one.attributes.get("title", "").startswith("tuned with")
    ]
    assert badges == ["gaa-mass × 3, masks of 5 %"]
    (gallery,) = (one for one in page.find("section") if one.attributes.get("id") == "gallery")
    assert [one.text for one in gallery.find("h4")] == ["plain and guided"]
    names = [one.text for one in gallery.find("div") if one.attributes.get("class") == "name"]
    assert names == ["picture", "plain", "guided"] * 4


def test_without_a_twin_nothing_stands_beside_it(tmp_path: Path) -> None:
    _, alone = guided(tmp_path)
    page = run(ReportRequest((alone,), tmp_path / "r.html")).path.read_text(encoding="utf-8")
    assert "gaa-mass × 3" in page
    assert "Before and after" not in page
