"""Audits of runs, written and drawn."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from rationale_cli.measures.audit_results import AUDITED, PairAudit, RunsAudit
from rationale_cli.measures.auditing import Judged, Question, Sides, audit_pair
from rationale_cli.measures.bootstrap import Resampling
from rationale_cli.measures.multiverse import Choice, grid
from rationale_cli.measures.quadrants import cells
from rationale_cli.reporting import multiverse
from rationale_cli.reporting.protocol_panels import protocol_section
from rationale_cli.reporting.runs_audit import findings, remarks
from rationale_cli.reporting.runs_audit_terminal import show

N = 80
CHOICES = (
    Choice("layers", ("last", "all", "reference"), frozenset({"reference"})),
    Choice("scalar", ("dot", "native")),
    Choice("threshold", ("0.5", "0.4")),
)
BOOST = {("last", 0): -0.3, ("all", 0): 0.2, ("reference", 0): 0.2}
REFERENCE = ("reference", "native", "0.5")


def made(defined: bool = True) -> PairAudit:
    rng = np.random.default_rng(0)
    right, clarity = rng.random((2, N)) < 0.7, rng.random(N)

    def side(layers: str, threshold: str, index: int) -> np.ndarray:
        valid = clarity + BOOST.get((layers, index), 0.0) >= float(threshold)
        return cells(right[index] & defined, valid, np.ones(N, bool)).astype(np.uint8)

    table = {one: Sides(side(one[0], one[2], 0), side(one[0], one[2], 1)) for one in grid(CHOICES)}
    verdicts = {metric: Judged("estimator-dependent", ()) for metric in AUDITED}
    question = Question(
        "ft", "<zs>", "test", "gaa-last-dot", "", CHOICES, table, {"reference": REFERENCE}, verdicts
    )
    return audit_pair(question, Resampling(replicates=200))


@pytest.fixture(scope="module")
def audit() -> PairAudit:
    return made()


def printed(audit: PairAudit, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    show(RunsAudit(1, {}, (audit,)), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_sentence_tells_what_is_protocol(audit: PairAudit) -> None:
    (first, *_) = findings(audit)
    split = next(one for one in audit.decompositions if one.metric == "PT")
    numbers = [
        f"{100 * one:+.1f}".replace("-", "−")
        for one in (split.reference.difference, split.default.difference, split.protocol.value)
    ]
    assert first.startswith(
        f"PT(ft) − PT(<zs>) = {numbers[0]} by the reference's protocol and {numbers[1]} by one"
    )
    assert f"{numbers[2]} [" in first
    assert re.search(r"of it layers \S+, scalar 0\.0\.$", first)


def test_a_part_of_the_protocol_is_not_called_the_protocol(audit: PairAudit) -> None:
    fewer = replace(audit, not_varied=("view",))
    assert "by the reference's layers and scalar and" in findings(fewer)[0]
    assert remarks(fewer) == ["Not varied: view."]
    assert remarks(audit) == []
    assert "--full" in remarks(replace(audit, specifications=audit.specifications[1:]))[0]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_the_terminal(audit: PairAudit, width: int) -> None:
    text = printed(audit, width)
    assert max(map(len, text.splitlines())) <= width
    rows = ["default", "layers all", "τ 0.40", *(["+ layers: last → reference"] if width > 60 else [])]
    assert all(row in text for row in rows)


def test_undefined_is_a_dash_and_not_drawn() -> None:
    nothing = made(defined=False)
    assert "PT(ft) − PT(<zs>) is undefined" in findings(nothing)[0]
    assert "–" in printed(nothing, 120)
    assert multiverse.curve(nothing, "PT") is None
    section = protocol_section([nothing])
    assert len(section["protocols"][0].parts) == 2
    assert multiverse.curve(nothing, "V") is not None


def test_the_curve_marks_names_and_what_each_specification_says(audit: PairAudit) -> None:
    drawing = multiverse.curve(audit, "PT")
    assert drawing is not None
    for text in (
        "default",
        "reference",
        "layers last",
        "τ 0.40",
        "scalar native",
        "difference in PT, points",
    ):
        assert f">{text}" in drawing.replace("\n", ""), text
    assert "&lt;zs&gt;" in drawing
    assert "<zs>" not in drawing
    used = {kind.name for kind in multiverse.KINDS if f"var(--{_variable(kind.shade)})" in drawing}
    assert {"agree in sign and significance", "two estimators, one for each run"} <= used


def test_hundreds_of_specifications_weigh_little(audit: PairAudit) -> None:
    nameless = tuple(replace(one, names=()) for one in audit.specifications)
    many = replace(audit, specifications=audit.specifications + nameless * 50)
    drawing = multiverse.curve(many, "PT")
    assert drawing is not None
    assert len(drawing) < 200_000
    assert drawing.count("<path") < 100


def test_parts_are_drawn_from_one_end_to_the_other(audit: PairAudit) -> None:
    drawings = [multiverse.parts(one, "ft minus zs") for one in audit.decompositions]
    assert all(drawing is not None and ">the reference<" in drawing for drawing in drawings)
    assert all(">last → reference<" in str(drawing) for drawing in drawings)


def _variable(shade: str) -> str:
    from rationale_cli.reporting import ink

    return ink.variable(shade)[6:-1]
