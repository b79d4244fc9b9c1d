"""Claims on the terminal and on the page: the same words, and only words."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rationale_cli.measures.claims import Claim, ClaimAudit, ClaimCell, ClaimWitness, Side, ThresholdPoint
from rationale_cli.measures.comparison_results import ControlPoint, GridPoint
from rationale_cli.measures.hypotheses import hypotheses
from rationale_cli.reporting.claims import ClaimLine, ClaimsText, claims_text
from rationale_cli.reporting.claims_terminal import show_claims
from rationale_cli.stages.report import ReportRequest
from rationale_cli.stages.report import run as report

from .reading import read

STATED = {one.key: one for one in hypotheses()}


def cell(name: str, side: Side) -> ClaimCell:
    return ClaimCell(name, (name,), ("zs",), "d", "test", -0.1, -0.2, -0.05, 0.001, 0.002, side)


CLAIM = Claim(
    hypothesis=STATED["main:PT"],
    verdict="supported",
    threshold=0.5,
    effect=-0.149,
    low=-0.207,
    high=-0.09,
    p=0.001,
    detectable=0.08,
    pictures=1200,
    cells=(cell("lp", "neither"), cell("ft", "for")),
    audit=ClaimAudit(
        "robust",
        (GridPoint("gaa-last-dot", "last", "dot", 0.5, -0.1, -0.2, -0.05, 0.001, True),) * 3,
        (
            ControlPoint("uniform", -0.02, -0.1, -0.2, -0.05, True),
            ControlPoint("center", None, None, None, None, None),
        ),
        (),
        (),
    ),
    witness=ClaimWitness("exact", "against", -0.05, -0.08, -0.02),
)


def line(claim: Claim) -> ClaimLine:
    return claims_text([claim], ["gaa-last-dot"], 0.5).groups[0].lines[0]


def test_a_claim_in_words() -> None:
    found = line(CLAIM)
    assert (found.effect, found.interval, found.cells) == ("−14.9", "[−20.7, −9.0]", "1 of 2")
    assert (found.estimators, found.controls, found.short_of) == ("3 of 3", "1 of 1", "")
    assert found.witnessed == "exact background −5.0 [−8.0, −2.0] goes against it"
    assert (found.tone, found.decides) == ("good", "")
    assert [(one.name, one.side, one.p) for one in found.tests] == [
        ("lp", "neither", "p = 0.002"),
        ("ft", "for", "p = 0.002"),
    ]


def test_what_a_verdict_hangs_on() -> None:
    assert CLAIM.audit is not None
    point = CLAIM.audit.grid[0]
    failing = replace(point, specification="gaa-all-dot", threshold=0.4, difference=0.02, agrees=False)
    short = replace(
        CLAIM.audit,
        standing="not beyond controls",
        grid=(point, point, failing),
        controls=(replace(CLAIM.audit.controls[0], agrees=False),),
    )
    found = line(replace(CLAIM, verdict="supported, but not beyond the controls", audit=short))
    assert (found.controls, found.short_of, found.tone) == ("0 of 1", "uniform", "limited")
    control = "Control uniform shows −2.0 by itself; what goes beyond: −10.0 [−20.0, −5.0]"
    assert found.decides == f"{control}, and 1 more."
    only = replace(short, standing="estimator-dependent", controls=())
    estimator = line(replace(CLAIM, verdict="supported by this estimator only", audit=only))
    assert estimator.decides == "By gaa-all-dot at τ = 0.40: +2.0 [−20.0, −5.0]."
    lacking = replace(
        CLAIM.audit, standing="not audited", missing=("gaa-all-dot",), reasons=("no conclusion",)
    )
    bare = replace(CLAIM, verdict="supported, not audited", audit=lacking, remedy="rationale explain ft")
    assert "`rationale explain ft`" in line(bare).decides
    assert line(bare).missing == "gaa-all-dot"


def test_what_would_decide_it() -> None:
    undecided = line(replace(CLAIM, verdict="undecided", audit=None, high=0.02))
    assert (
        undecided.decides
        == "With these 1,200 pictures a mean of 8.0 points or more would be found (power 80 %)."
    )
    mixed = replace(CLAIM, verdict="mixed", audit=None, cells=(cell("lp", "against"), cell("ft", "for")))
    assert line(mixed).decides == "Cells differ (for: ft; against: lp): tell them apart."
    assert line(mixed).cells == "1 of 2, 1 against"


def test_a_mean_that_no_cell_carries() -> None:
    one_sided = replace(CLAIM, verdict="undecided", audit=None, cells=(cell("lp", "neither"),))
    assert line(one_sided).decides == "The mean lies on one side, but no cell does by itself."


def test_where_the_sign_turns() -> None:
    turning = {0.7: (0.01, 0.05), 0.75: (0.02, 0.06), 0.8: (-0.01, 0.04), 0.9: (0.01, 0.02)}
    sweep = tuple(
        ThresholdPoint(tau, 0.03, *turning.get(tau, (-0.2, -0.1)))
        for tau in (0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
    )
    assert line(replace(CLAIM, sweep=sweep)).decides == "The sign turns at τ = 0.70–0.75, 0.90."
    assert line(replace(CLAIM, sweep=sweep, verdict="undecided", high=0.02)).decides.endswith("(power 80 %).")


def test_without_an_explainer_there_is_no_audit() -> None:
    found = line(replace(CLAIM, hypothesis=STATED["main:accuracy"], audit=None, witness=None))
    assert (found.estimators, found.controls, found.witnessed) == ("no explainer", "", "")


def test_a_lift_is_no_percentage() -> None:
    assert line(replace(CLAIM, hypothesis=STATED["main:lift"])).effect == "−0.15"


@pytest.fixture(scope="module")
def text() -> ClaimsText:
    untested = [
        Claim(
            one,
            "not tested",
            None,
            None,
            None,
            None,
            None,
            None,
            0,
            (),
            None,
            lacking="a run",
            remedy="make it",
        )
        for one in STATED.values()
        if one.setting == "adamw"
    ]
    return claims_text([CLAIM, *untested], ["gaa-last-dot", "gaa-last-dot"], 0.5)


@pytest.mark.parametrize("width", [60, 120])
def test_on_a_terminal(text: ClaimsText, width: int) -> None:
    out = io.StringIO()
    show_claims(text, Console(file=out, width=width, force_terminal=True, no_color=True, highlight=False))
    told = re.sub(r"\x1b\[[\d;]*m", "", out.getvalue())
    assert max(map(len, told.splitlines())) <= width
    flat = re.sub(r"\s+", " ", told)
    assert "By gaa-last-dot at τ = 0.50" in flat
    assert "−14.9 [−20.7, −9.0]" in flat
    assert "raises accuracy, lowers PT, raises IR, raises the lift (C6): lacks a run. `make it`" in flat
    assert "Only the plain words are findings" in flat


def test_not_asked_for_there_is_none(hostile) -> None:
    assert not read(hostile.html).find("section", id="claims")


def test_on_the_page_with_names_that_are_only_words(hostile, tmp_path: Path) -> None:
    result = report(ReportRequest(hostile.runs, tmp_path / "r.html", claims=True))
    page = read(result.path.read_text(encoding="utf-8"))
    (section,) = page.find("section", id="claims")
    told = re.sub(r"\s+", " ", section.text)
    assert result.told is not None
    for group in result.told.groups:
        assert group.subject in told
        for one in group.lines:
            for part in (one.predicate, one.verdict, one.effect, one.interval, one.decides):
                assert part in told
    for missing in result.told.untested:
        assert missing.lacking in told
        assert missing.remedy in told
    assert "<img src=x onerror=alert(1)> $x_1$ lr-0.00001" in told
    assert not page.find("img")
    assert len(page.find("script")) == 2
