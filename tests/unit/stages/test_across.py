"""Runs by several attributions, weighed by what was measured of their heatmaps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from rationale_cli.errors import InputError
from rationale_cli.measures.across_results import AcrossAttributions
from rationale_cli.measures.estimates import Estimate
from rationale_cli.measures.faithfulness import CAUSAL, Agreement, Faithfulness, SetFaithfulness
from rationale_cli.measures.results import to_json
from rationale_cli.reporting.across import across_tables
from rationale_cli.runs.folder import Run
from rationale_cli.stages.audit_files import digest
from rationale_cli.stages.faithfulness_files import file_of, write_faithfulness
from rationale_cli.stages.report import ReportRequest
from rationale_cli.stages.report import run as report
from rationale_cli.stages.score import ScoreRequest
from rationale_cli.stages.score import run as score

from .made_up_runs import make_run

N = 200
MAIN, GOOD, TURNED, TRACER = "gaa-last-dot", "legrad-last-dot", "rollout-last-dot", "tracer-last-dot"
SHIFTS = {MAIN: -0.3, "gaa-all-dot": 0.3, GOOD: -0.3, TURNED: 0.3, TRACER: 0.0}
"""Of RMA from the zero-shot to the tuned run."""
CAUSALS = {MAIN: 0.6, GOOD: 0.3, TURNED: 0.1, TRACER: 0.9}

Measures = Mapping[str, Mapping[str, float | None]]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Run, Run]:
    rng = np.random.default_rng(0)
    clarity, right = rng.uniform(0.3, 0.8, N), rng.random(N) < 0.8
    zero = make_run(tmp_path, "zs", right, dict.fromkeys(SHIFTS, clarity), method="zs")
    moved = {name: np.clip(clarity + shift, 0, 1) for name, shift in SHIFTS.items()}
    return zero, make_run(tmp_path, "ft", right, moved)


def believe(run: Run, found: Measures) -> None:
    sets = run.evidence("test")
    known = tuple(
        SetFaithfulness(
            name,
            False,
            {
                measure: Estimate(value, None if value is None else value - 0.25, None, N)
                for measure, value in measures.items()
            },
            digest(sets[name]),
        )
        for name, measures in found.items()
    )
    write_faithfulness(
        run, Faithfulness(run.name, "test", N, 5, known, Agreement((), ()), (), Estimate(0.5, 0.4, 0.6, N))
    )


def causal(lower: float = 0.0) -> Measures:
    return {
        name: {CAUSAL: value - lower, "shuffled/100%": 0.95 if name == TRACER else 0.1}
        for name, value in CAUSALS.items()
    }


def scored(runs: tuple[Run, Run]) -> tuple[AcrossAttributions, AcrossAttributions]:
    (table,) = score(ScoreRequest(runs, replicates=400)).tables
    zero, tuned = table.across
    return zero, tuned


def test_each_attribution_counts_once_by_the_set_like_the_main_one(runs: tuple[Run, Run]) -> None:
    zero, tuned = scored(runs)
    assert [line.name for line in tuned.lines] == [MAIN, GOOD, TURNED, TRACER]
    assert (zero.baseline, tuned.baseline) == (None, "zs")
    assert not zero.held
    (held,) = (one for one in tuned.held if one.metric == "PT")
    assert [one.attributions for one in (held.rise, held.fall, held.unclear)] == [1, 2, 1]


def test_weights_are_shares_of_the_lower_score_and_tracers_have_none(runs: tuple[Run, Run]) -> None:
    believe(runs[0], causal())
    believe(runs[1], causal(lower=0.1))
    _, tuned = scored(runs)
    assert tuned.basis == CAUSAL
    assert {line.name: line.weight for line in tuned.lines} == {
        MAIN: pytest.approx(0.5 / 0.7),
        GOOD: pytest.approx(0.2 / 0.7),
        TURNED: pytest.approx(0, abs=1e-9),
        TRACER: 0,
    }
    (held,) = (one for one in tuned.held if one.metric == "PT")
    assert held.fall.weight == pytest.approx(1)
    (told,) = across_tables(score(ScoreRequest(runs, replicates=400)))
    assert any(
        "hold under 2 of 4 attributions, with 100.0 % of the weight, and turns by 1 (0.0 %" in one
        for one in told.findings
    )
    assert told.findings[-1] == f"Read weights as rough: causal is not clearly above 0 of {GOOD}."
    assert "survives shuffled weights" in {row.remark for row in told.rows}


def test_where_no_cause_is_known_insertion_and_deletion_weigh(runs: tuple[Run, Run]) -> None:
    told = {
        MAIN: {"faithful/blur": 0.4, "faithful/mean": 0.2, CAUSAL: None},
        GOOD: {"faithful/blur": -0.1, "faithful/mean": 0.5},
        TURNED: {"faithful/blur": 0.2, "faithful/mean": 0.3},
        TRACER: {"faithful/blur": 0.2},
    }
    for one in runs:
        believe(one, told)
    _, tuned = scored(runs)
    assert tuned.basis == "insertion − deletion"
    assert [line.weight for line in tuned.lines] == [0.5, 0, 0.5, 0]


def test_what_was_measured_of_other_heatmaps_weighs_nothing(runs: tuple[Run, Run], tmp_path: Path) -> None:
    for one in runs:
        believe(one, causal())
    path = file_of(runs[1], "test")
    for name in (MAIN, GOOD, TURNED, TRACER):
        now = digest(runs[1].evidence("test")[name])
        path.write_text(path.read_text(encoding="utf-8").replace(now, "0" * 16), encoding="utf-8")
    _, tuned = scored(runs)
    assert (tuned.basis, tuned.lacking) == (None, ("ft",))
    assert {line.weight for line in tuned.lines} == {None}
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="could not read it"):
        scored(runs)


def test_page_and_json_tell_it(runs: tuple[Run, Run]) -> None:
    for one in runs:
        believe(one, causal())
    html = report(ReportRequest(runs)).path.read_text(encoding="utf-8")
    assert "Does the finding hold under every method?" in html
    assert "sign and significance hold under 2 of 4 attributions" in html
    assert "Difference in lift by every attribution, ft minus zs" in html
    assert "Are the heatmaps of" in html
    document = to_json(score(ScoreRequest(runs, replicates=400)))
    assert [one["run"] for one in document["tables"][0]["across"]] == ["zs", "ft"]


def test_without_weights_the_page_has_every_other_column(runs: tuple[Run, Run]) -> None:
    html = report(ReportRequest(runs)).path.read_text(encoding="utf-8")
    section = html[html.index('<section id="attributions">') :]
    heads = re.findall(r"<thead><tr>(.*?)</tr>", section[: section.index("</section>")])
    assert ["weight" in head for head in heads] == [False, False]
    for head, body in zip(heads, re.findall(r"<tbody>(.*?)</tbody>", section, re.DOTALL), strict=False):
        cells = [row.count("<td>") for row in body.split("</tr>")[:-1]]
        assert set(cells) == {head.count("<th ") - 1} == {4}


def test_one_attribution_is_no_comparison(tmp_path: Path) -> None:
    right = np.ones(40, bool)
    one = make_run(tmp_path, "one", right, {MAIN: np.full(40, 0.6), "center": np.full(40, 0.5)})
    (table,) = score(ScoreRequest((one,), replicates=400)).tables
    assert table.across == ()
