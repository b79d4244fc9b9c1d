"""Photographs of block towers, judged by 107 people and five published models: published figures come out."""

from __future__ import annotations

from pathlib import Path

import pytest

from rationale_cli.measures.alignment_results import Alignment
from rationale_cli.stages.align import AlignRequest
from rationale_cli.stages.align import run as align
from rationale_cli.stages.human_files import Meaning, read_people


@pytest.fixture(scope="module")
def towers(shared: Path) -> Path:
    folder = shared / "data" / "human_towers"
    if not folder.is_dir():
        pytest.skip("the judgments of towers are not on this machine")
    return folder


@pytest.fixture(scope="module")
def found(towers: Path) -> Alignment:
    return align(AlignRequest(towers / "tower_human_data.csv", answers=towers / "model_answers.csv"))


def test_the_matrix_is_read_as_it_is(towers: Path) -> None:
    people = read_people(towers / "tower_human_data.csv", Meaning())
    assert people.responses.shape == (100, 107)
    assert people.items is None


@pytest.mark.parametrize(
    ("measure", "value"),
    [("accuracy", 0.6561), ("majority", 0.73), ("truth", 0.547), ("one_out", 0.5762), ("reliability", 0.982)],
)
def test_people(found: Alignment, measure: str, value: float) -> None:
    one = found.people.measures[measure]
    assert one.value == pytest.approx(value, abs=1e-3)
    assert one.low < one.value < one.high


@pytest.mark.parametrize(
    ("model", "measure", "value"),
    [
        ("GPT-4V", "accuracy", 0.60),
        ("GPT-4V", "pooled", 0.2478733),
        ("GPT-4V", "pseudo_r", 0.247873),
        ("GPT-4V", "within", 0.2558),
        ("CLAUDE-3", "accuracy", 0.58),
        ("CLAUDE-3", "pooled", 0.0240279),
        ("OTTER", "accuracy", 0.50),
        ("ADAPTER", "accuracy", 0.49),
    ],
)
def test_models(found: Alignment, model: str, measure: str, value: float) -> None:
    one = next(one for one in found.models if one.model == model)
    assert one.measures[measure].value == pytest.approx(value, abs=5e-5)


def test_people_against_their_own_mean(towers: Path, tmp_path: Path) -> None:
    """The row of people: every response against the mean judgment."""
    people = read_people(towers / "tower_human_data.csv", Meaning())
    rows = "".join(f"{row},{mean!r}\n" for row, mean in enumerate(people.responses.mean(axis=1).tolist()))
    (tmp_path / "people.csv").write_text("item,people\n" + rows)
    request = AlignRequest(towers / "tower_human_data.csv", answers=tmp_path / "people.csv")
    (one,) = align(request).models
    assert one.measures["pooled"].value == pytest.approx(0.5686787, abs=1e-6)
    assert one.measures["spearman"].value == pytest.approx(1)


def test_what_is_undefined_is_said(found: Alignment) -> None:
    adapter = next(one for one in found.models if one.model == "ADAPTER")
    assert adapter.constant
    assert adapter.measures["pearson"].value is None
    assert "ADAPTER gave one answer to all 100 items: its correlations are undefined." in found.notes
    assert "FUYU did not answer 1 of the 100 items." in found.notes
    assert {one.model for one in found.models} == {"GPT-4V", "FUYU", "ADAPTER", "OTTER", "CLAUDE-3"}
