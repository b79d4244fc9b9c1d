"""What a report says in words: never more than its audit carries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..measures.results import Comparison, Difference, RunScore, ScoreResult, ScoreTable, Shift, Verdict
from .numbers import RATIO, interval, number, threshold

ALONE = {
    "exact": "the exact background without the object",
    "background": "the background alone (mask filled)",
    "box": "the picture with the object's box removed",
}
"""Pictures without the object, the most telling first: only the first leaks neither shape nor place."""

_NAMES = {"accuracy": "Accuracy", "V": "The valid-evidence rate V", "PT": "PT", "IR": "IR"}


@dataclass(frozen=True)
class Sentence:
    """One finding and the verdict that it carries."""

    text: str
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Card:
    """What there is to say of one run against its baseline."""

    run: str
    baseline: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Findings:
    """The head of a report."""

    headline: str
    cards: tuple[Card, ...]
    meaning: tuple[str, ...]
    """Paragraphs on what PT and the witness can and cannot tell."""


def findings(result: ScoreResult, table: ScoreTable) -> Findings:
    """Findings of one table; the shifts to other splits of the same data join in."""
    pairs = [(comparison, _row(table, comparison.run)) for comparison in table.comparisons]
    cards = tuple(
        Card(pair.run, pair.baseline, tuple(_sentences(pair, row, table, _shifts(result, table, pair.run))))
        for pair, row in pairs
    )
    users = [pair.run for pair, row in pairs if uses_background(pair, row)]
    fallen = [pair.run for pair, _ in pairs if _moved(pair.differences.get("PT"), -1)]
    return Findings(_headline(table, users, fallen), cards, tuple(_meaning(table, users, fallen)))


def uses_background(comparison: Comparison, row: RunScore) -> bool:
    """Whether accuracy without the object rose significantly, and its interval lies above guessing."""
    kind = _kind(comparison)
    if kind is None:
        return False
    own = row.witness[kind]
    above = own.accuracy.low is not None and own.accuracy.low > own.chance
    return above and _moved(comparison.differences[f"witness:{kind}"], +1)


def _headline(table: ScoreTable, users: Sequence[str], fallen: Sequence[str]) -> str:
    if not table.comparisons:
        return _single(table)
    others = [pair.run for pair in table.comparisons if pair.run not in users and _kind(pair) is not None]
    parts = []
    if users:
        parts.append(f"{_list(users)} learned to use the background.")
    if others:
        known = "the witness shows no such rise." if users else "the witness shows no rise in background use."
        parts.append(f"For {_list(others)} {known}")
    if not users and not others:
        parts.append("No witness was computed, so nothing here tells whether a model uses the background.")
    dependent = [run for run in fallen if _pt(table, run).verdict != "robust"]
    if fallen:
        robust = [run for run in fallen if run not in dependent]
        said = [f"PT fell for {_list(fallen)}"]
        said += [f"robustly for {_list(robust)}"] if robust and dependent else []
        said += ["robustly"] if robust and not dependent else []
        said += ["but no such fall is more than a matter of the estimator"] if not robust else []
        parts.append(", ".join(said) + ".")
    return " ".join(parts)


def _single(table: ScoreTable) -> str:
    said = [
        f"{row.run}: {number(row.metrics['accuracy'].value)} % of the answers are right, and "
        f"{number(row.metrics['PT'].value)} % of those rest on valid evidence (PT) by {table.specification} "
        f"at τ = {threshold(table.threshold)}."
        for row in table.rows
    ]
    return " ".join([*said, "There is no second run to compare with."])


def _sentences(
    pair: Comparison, row: RunScore, table: ScoreTable, shifts: Iterable[Shift]
) -> Iterable[Sentence]:
    if "accuracy" in pair.differences:
        yield _plain(pair.differences["accuracy"])
    kind = _kind(pair)
    if kind is not None:
        yield _witness(pair, row, kind)
    yield from (_shifted(shift) for shift in shifts if shift.significant)
    for metric in ("PT", "IR"):
        if metric in pair.differences:
            yield _audited(pair, metric)


def _plain(one: Difference) -> Sentence:
    if not one.significant:
        return Sentence(f"{_NAMES[one.metric]} did not change significantly: {_size(one)}.", one.verdict)
    return Sentence(f"{_NAMES[one.metric]} {_went(one)}: {_size(one)}.", one.verdict)


def _witness(pair: Comparison, row: RunScore, kind: str) -> Sentence:
    one = pair.differences[f"witness:{kind}"]
    chance = f"guessing: {number(row.witness[kind].chance)} %"
    if _moved(one, +1):
        says = "the model uses the background" if uses_background(pair, row) else "still not above guessing"
        leak = " (a filled mask keeps the outline, so shape may add to this)" if kind == "background" else ""
        return Sentence(
            f"Accuracy on {ALONE[kind]} rose: {_size(one)}; {chance}. So {says}{leak}.", one.verdict
        )
    how = "fell" if one.significant else "did not rise significantly"
    return Sentence(f"Accuracy on {ALONE[kind]} {how}: {_size(one)}; {chance}.", one.verdict)


def _shifted(shift: Shift) -> Sentence:
    fell = "fell" if shift.difference < 0 else "rose"
    text = (
        f"From {shift.reference} to {shift.split} accuracy {fell} by {number(abs(shift.difference))} points "
        f"{interval(shift.low, shift.high, signed=True)}"
    )
    beyond = shift.beyond_baseline
    if beyond is not None and beyond.value is not None:
        text += (
            f"; against the baseline's own change that is {number(beyond.value, signed=True)} "
            f"{interval(beyond.low, beyond.high, signed=True)}"
        )
    return Sentence(f"{text}.", "significant")


def _audited(pair: Comparison, metric: str) -> Sentence:
    one = pair.differences[metric]
    if one.difference is None:
        return Sentence(f"{metric} cannot be compared: one of the two is undefined.", one.verdict)
    if not one.significant:
        return Sentence(f"{metric} did not change significantly: {_size(one)}.", one.verdict)
    text = f"{metric} {_went(one)} by the default estimator: {_size(one)}."
    if one.verdict == "robust":
        text = f"{metric} {_went(one)}: {_size(one)}. It holds for every estimator and threshold of the audit and beyond the controls."
    elif one.verdict == "estimator-dependent":
        text += f" {_failures(one)}: not a finding about the model."
    elif one.verdict == "not audited":
        text += " The audit is incomplete: no conclusion."
    lift = pair.differences.get("lift")
    if metric == "IR" and lift is not None and lift.value is not None:
        text += f" IR follows accuracy: the evidence lift is {number(lift.value, RATIO)} (1 = independent)."
    return Sentence(text, one.verdict)


def _failures(one: Difference) -> str:
    grid = sum(not point.agrees for point in one.grid)
    controls = sum(point.agrees is False for point in one.controls)
    said = [f"{grid} of {len(one.grid)} specifications say otherwise"] if grid else []
    said += [f"{controls} of {len(one.controls)} controls show as much"] if controls else []
    return " and ".join(said)


def _meaning(table: ScoreTable, users: Sequence[str], fallen: Sequence[str]) -> Iterable[str]:
    if not table.comparisons:
        return
    general = (
        "PT alone does not identify a shortcut: it says where an explainer puts its weight, and that moves with "
        "the explainer, the head and the accuracy. The witness does: it asks the model itself, on pictures "
        "without the object."
    )
    yield general
    spared = [run for run in fallen if run not in users]
    unmoved = [run for run in users if run not in fallen]
    both = [run for run in users if run in fallen]
    if both and spared:
        yield (
            f"Here PT fell for {_list(both)}, which the witness finds on the background, and for {_list(spared)}, "
            "for which it finds nothing: the fall of PT does not tell them apart."
        )
    elif spared:
        yield f"Here PT fell for {_list(spared)} without any sign of background use by the witness: they disagree."
    if unmoved:
        yield f"Here {_list(unmoved)} uses the background without a significant fall of PT: they disagree."
    if both and not spared and not unmoved:
        yield "Here both point the same way; it is the witness that carries the conclusion."


def _kind(comparison: Comparison) -> str | None:
    return next((kind for kind in ALONE if f"witness:{kind}" in comparison.differences), None)


def _moved(one: Difference | None, sign: int) -> bool:
    return one is not None and one.significant and one.difference is not None and one.difference * sign > 0


def _went(one: Difference) -> str:
    return "rose" if (one.difference or 0) > 0 else "fell"


def _size(one: Difference) -> str:
    return (
        f"{number(one.baseline)} → {number(one.value)} %, {number(one.difference, signed=True)} points "
        f"{interval(one.low, one.high, signed=True)}"
    )


def _pt(table: ScoreTable, run: str) -> Difference:
    return next(pair.differences["PT"] for pair in table.comparisons if pair.run == run)


def _row(table: ScoreTable, run: str) -> RunScore:
    return next(row for row in table.rows if row.run == run)


def _shifts(result: ScoreResult, table: ScoreTable, run: str) -> list[Shift]:
    return [
        shift
        for shift in result.shifts
        if (shift.run, shift.dataset, shift.reference) == (run, table.dataset, table.split)
    ]


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
