"""Claims in words: a line each, with no more certainty than their audit carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..measures.claims import Claim, ClaimAudit, ClaimCell, ClaimWitness, Side
from ..measures.comparison_results import ControlPoint, GridPoint
from ..measures.hypotheses import SUBJECTS
from .numbers import PERCENT, RATIO, Unit, interval, number, probability, threshold, unit_of

_SIDES: dict[Side, str] = {"for": "goes with it", "against": "goes against it", "neither": "tells nothing"}

_ALONE = {
    "exact": "exact background",
    "background": "background alone",
    "box": "picture without the object's box",
    "object": "object alone",
}


@dataclass(frozen=True)
class CellLine:
    """One test of a claim."""

    name: str
    effect: str
    interval: str
    p: str
    side: Side


@dataclass(frozen=True)
class ClaimLine:
    """A tested claim."""

    statement: str
    predicate: str
    """The statement without the subject that its group names."""
    short: str
    source: str
    """Number of the paper's claim; empty where it is ours."""
    verdict: str
    tone: str
    """One word for a style: good, bad, limited, open."""
    effect: str
    interval: str
    cells: str
    """How many are for it, and how many against."""
    estimators: str
    """How many estimators × thresholds agree."""
    controls: str
    """How many controls it goes beyond."""
    short_of: str
    """Those that it does not go beyond."""
    missing: str
    """What the audit lacks."""
    witness: Side | None
    """Which way the witness speaks; None where there is none."""
    witnessed: str
    """The same in words."""
    decides: str
    """What the verdict hangs on, or what would decide it; empty where nothing is open."""
    tests: tuple[CellLine, ...]


@dataclass(frozen=True)
class ClaimGroup:
    """Claims of one setting."""

    subject: str
    lines: tuple[ClaimLine, ...]


@dataclass(frozen=True)
class Untested:
    """Claims of one setting that lack runs."""

    subject: str
    shorts: tuple[str, ...]
    sources: str
    lacking: str
    remedy: str


@dataclass(frozen=True)
class ClaimsText:
    """All claims, as terminal and page show them."""

    heading: str
    """What they were tested by."""
    groups: tuple[ClaimGroup, ...]
    untested: tuple[Untested, ...]
    rule: tuple[str, ...]


RULE = (
    "Each claim speaks of the mean over its cells: a run, or several seeds of one, against its zero-shot run "
    "on one set of pictures. A cell is for or against where its test is significant after Holm over the "
    "claim's cells. Supported: the interval of the mean (95 %, shared pictures counted once) lies on the "
    "claimed side, at least one cell is for, none against, and more than half point that way. Contradicted: "
    "the reverse. Mixed: cells or mean contradict each other. Undecided: too few pictures to tell.",
    "Only the plain words are findings about the models: where heatmaps enter, the mean must hold for layers "
    "{last, all} × scalar {dot, native} at τ from 0.40 to 0.60, and go beyond every control.",
)


def claims_text(claims: Sequence[Claim], specifications: Sequence[str], tau: float) -> ClaimsText:
    """Claims in their order, those of one setting together, the untested apart."""
    groups, untested = [], []
    for setting, members in groupby(claims, key=lambda one: one.hypothesis.setting):
        stated = list(members)
        lines = tuple(_line(one) for one in stated if one.cells)
        if lines:
            groups.append(ClaimGroup(SUBJECTS[setting], lines))
        if lacking := [one for one in stated if not one.cells]:
            untested.append(_untested(SUBJECTS[setting], lacking))
    heading = f"By {', '.join(dict.fromkeys(specifications))} at τ = {threshold(tau)}"
    return ClaimsText(heading, tuple(groups), tuple(untested), RULE)


def _untested(subject: str, claims: Sequence[Claim]) -> Untested:
    sources = dict.fromkeys(one.hypothesis.source for one in claims if one.hypothesis.source)
    return Untested(
        subject,
        tuple(one.hypothesis.short for one in claims),
        ", ".join(sources),
        claims[0].lacking,
        claims[0].remedy,
    )


def _line(claim: Claim) -> ClaimLine:
    stated, unit = claim.hypothesis, unit_of(claim.hypothesis.metric)
    return ClaimLine(
        stated.statement,
        stated.statement.removeprefix(SUBJECTS[stated.setting]).strip(),
        stated.short,
        stated.source,
        claim.verdict,
        _tone(claim),
        number(claim.effect, unit, signed=True),
        interval(claim.low, claim.high, unit, signed=True),
        _cells(claim.cells),
        *_audit(claim),
        None if claim.witness is None else claim.witness.side,
        _witnessed(claim),
        " ".join(_decides(claim)),
        tuple(_test(one, claim) for one in claim.cells),
    )


def _tone(claim: Claim) -> str:
    if claim.verdict == "supported":
        return "good"
    if claim.verdict == "contradicted":
        return "bad"
    return (
        "limited" if claim.decision in ("supported", "contradicted") or claim.verdict == "mixed" else "open"
    )


def _cells(cells: Sequence[ClaimCell]) -> str:
    ways = [one.side for one in cells]
    against = f", {ways.count('against')} against" if "against" in ways else ""
    return f"{ways.count('for')} of {len(ways)}{against}"


def _audit(claim: Claim) -> tuple[str, str, str, str]:
    """Estimators, controls, those that it does not go beyond, what is missing."""
    if not claim.hypothesis.explained:
        return "no explainer", "", "", ""
    if claim.audit is None:
        return "", "", "", ""
    agreeing = sum(point.agrees for point in claim.audit.grid)
    known = [one for one in claim.audit.controls if one.agrees is not None]
    short = [one.control for one in known if not one.agrees]
    return (
        f"{agreeing} of {len(claim.audit.grid)}",
        f"{len(known) - len(short)} of {len(known)}",
        ", ".join(short),
        ", ".join(claim.audit.missing),
    )


def _witnessed(claim: Claim) -> str:
    one = claim.witness
    if one is None:
        return ""
    return f"{_ALONE[one.kind]} {_size(one.effect, one, PERCENT)} {_SIDES[one.side]}"


def _decides(claim: Claim) -> Iterator[str]:
    if claim.verdict == "not tested":
        yield f"Lacks {claim.lacking}."
    elif claim.verdict == "mixed":
        yield _mixed(claim.cells)
    elif claim.verdict == "undecided":
        yield _undecided(claim)
    elif claim.audit is not None and claim.audit.standing != "robust":
        yield _hangs_on(claim, claim.audit)
        if claim.remedy:
            yield f"`{claim.remedy}` measures what is missing."
    if turned := _turned(claim):
        yield f"The sign turns at τ = {turned}."


def _hangs_on(claim: Claim, audit: ClaimAudit) -> str:
    """The first control or estimator that says otherwise, and how many more there are."""
    unit = unit_of(claim.hypothesis.metric)
    told = []
    for one in audit.controls:
        if one.agrees is False:
            beyond = (
                f"{number(one.excess, unit, signed=True)} {interval(one.low, one.high, unit, signed=True)}"
            )
            itself = number(one.difference, unit, signed=True)
            told.append(f"Control {one.control} shows {itself} by itself; what goes beyond: {beyond}")
    for point in audit.grid:
        if not point.agrees:
            where = f"By {point.specification} at τ = {threshold(point.threshold)}"
            told.append(f"{where}: {_size(point.difference, point, unit)}")
    if not told:
        return f"{audit.reasons[0][0].upper()}{audit.reasons[0][1:]}."
    return f"{told[0]}, and {len(told) - 1} more." if len(told) > 1 else f"{told[0]}."


def _size(value: float | None, limits: GridPoint | ControlPoint | ClaimWitness, unit: Unit) -> str:
    around = interval(limits.low, limits.high, unit, signed=True)
    return f"{number(value, unit, signed=True)} {around}".rstrip()


def _mixed(cells: Sequence[ClaimCell]) -> str:
    told = [
        f"{side}: {', '.join(one.name for one in cells if one.side == side)}"
        for side in ("for", "against")
        if any(one.side == side for one in cells)
    ]
    return (
        f"Cells differ ({'; '.join(told)}): tell them apart." if len(told) == 2 else "Mean and cells differ."
    )


def _undecided(claim: Claim) -> str:
    if claim.hypothesis.order:
        return "An order holds when every step of it does; more pictures tell the steps apart."
    if claim.low is not None and claim.high is not None and claim.low * claim.high > 0:
        return "The mean lies on one side, but no cell does by itself."
    unit = unit_of(claim.hypothesis.metric)
    size = number(claim.detectable, unit) + ("" if unit == RATIO else " points")
    return f"With these {claim.pictures:,} pictures a mean of {size} or more would be found (power 80 %)."


def _turned(claim: Claim) -> str:
    """Thresholds at which the mean lies significantly on the other side, as ranges."""
    if claim.effect is None or claim.decision not in ("supported", "contradicted"):
        return ""
    places = [
        place
        for place, one in enumerate(claim.sweep)
        if one.low is not None
        and one.high is not None
        and max(one.low * claim.effect, one.high * claim.effect) < 0
    ]
    ranges = []
    for _, members in groupby(enumerate(places), key=lambda item: item[1] - item[0]):
        run = [place for _, place in members]
        ends = [threshold(claim.sweep[place].threshold) for place in (run[0], run[-1])]
        ranges.append("–".join(dict.fromkeys(ends)))
    return ", ".join(ranges)


def _test(one: ClaimCell, claim: Claim) -> CellLine:
    unit = unit_of(claim.hypothesis.metric)
    return CellLine(
        one.name,
        number(one.effect, unit, signed=True),
        interval(one.low, one.high, unit, signed=True),
        probability(one.p_holm),
        one.side,
    )
