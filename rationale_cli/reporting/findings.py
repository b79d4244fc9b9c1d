"""What a report says in words: never more than its audit carries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..measures.comparison_results import Comparison
from ..measures.results import ScoreResult, ScoreTable
from ..measures.run_results import RunScore
from . import sentences
from .numbers import number, threshold
from .sentences import ALONE, Sentence, moved, uses_background, witness_kind


@dataclass(frozen=True)
class Card:
    """What there is to say of one run against its baseline."""

    run: str
    baseline: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Findings:
    """The head of a report."""

    headline: tuple[str, ...]
    """Sentences, the most telling first."""
    cards: tuple[Card, ...]
    meaning: tuple[str, ...]
    """Paragraphs on what PT and the witness can and cannot tell."""


def findings(result: ScoreResult, table: ScoreTable) -> Findings:
    """Findings of one table; the shifts to other splits of the same data join in."""
    rows = {row.run: row for row in table.rows}
    if not table.comparisons:
        return Findings(_single(table), (), ())
    cards = tuple(
        Card(pair.run, pair.baseline, tuple(_card(result, table, pair, rows[pair.run])))
        for pair in table.comparisons
    )
    users = [pair.run for pair in table.comparisons if uses_background(pair, rows[pair.run])]
    fallen = [pair.run for pair in table.comparisons if moved(pair.differences.get("PT"), -1)]
    seen = any(witness_kind(pair) for pair in table.comparisons)
    headline = (*_witnessed(table, rows, users), *_fallen(table, fallen))
    return Findings(headline, cards, tuple(_meaning(users, fallen)) if seen else (_BLIND,))


_GENERAL = (
    "PT alone does not identify a shortcut: it says where an explainer puts its weight, and that moves with "
    "the explainer, the head and the accuracy. The witness does: it asks the model itself, on pictures "
    "without the object."
)
_BLIND = (
    "PT alone does not identify a shortcut, and there is no witness here: no masks, or evidence without "
    "altered pictures. Nothing in this report tells whether a model uses the background."
)


def _single(table: ScoreTable) -> tuple[str, ...]:
    said = [
        f"{row.run}: {number(row.metrics['accuracy'].value)} % of the answers are right, and "
        f"{number(row.metrics['PT'].value)} % of those rest on valid evidence (PT) by {table.specification} "
        f"at τ = {threshold(table.threshold)}."
        for row in table.rows
    ]
    return (*said, "There is no baseline to compare with, so this says nothing of fine-tuning.")


def _witnessed(table: ScoreTable, rows: dict[str, RunScore], users: Sequence[str]) -> Iterable[str]:
    others = []
    for pair in table.comparisons:
        kind = witness_kind(pair)
        if kind is None:
            continue
        if pair.run not in users:
            others.append(pair.run)
            continue
        one = pair.differences[f"witness:{kind}"]
        guessing = number(rows[pair.run].witness[kind].chance)
        yield (
            f"{pair.run} learned to use the background. Shown {ALONE[kind]}, it is right in "
            f"{number(one.value)} % ({pair.baseline}: {number(one.baseline)} %, guessing: {guessing} %)."
        )
    if others:
        known = "no such rise" if users else "no rise in the use of the background"
        yield f"For {_list(others)} the witness shows {known}."


def _fallen(table: ScoreTable, fallen: Sequence[str]) -> Iterable[str]:
    verdicts = {pair.run: pair.differences["PT"].verdict for pair in table.comparisons if pair.run in fallen}
    if not fallen:
        yield "PT did not fall significantly for any run."
        return
    yield f"PT fell for {_list([f'{run} ({verdicts[run]})' for run in fallen])}."
    if "robust" not in verdicts.values():
        yield "None of these falls is established as a fact about the model."


def _card(result: ScoreResult, table: ScoreTable, pair: Comparison, row: RunScore) -> Iterable[Sentence]:
    if "accuracy" in pair.differences:
        yield sentences.of_accuracy(pair.differences["accuracy"])
    kind = witness_kind(pair)
    if kind is not None:
        yield sentences.of_witness(pair, row, kind)
    for shift in result.shifts:
        here = (shift.run, shift.dataset, shift.reference) == (pair.run, table.dataset, table.split)
        if here and shift.significant:
            yield sentences.of_shift(shift)
    for metric in ("PT", "IR"):
        if metric in pair.differences:
            yield sentences.of_evidence(pair, metric)


def _meaning(users: Sequence[str], fallen: Sequence[str]) -> Iterable[str]:
    yield _GENERAL
    spared = [run for run in fallen if run not in users]
    unmoved = [run for run in users if run not in fallen]
    both = [run for run in users if run in fallen]
    if both and spared:
        yield (
            f"Here PT fell for {_list(both)}, which the witness finds on the background, and for "
            f"{_list(spared)}, for which it finds nothing: the fall of PT does not tell them apart."
        )
    elif spared:
        yield f"Here they disagree: PT fell for {_list(spared)}, where the witness finds nothing."
    if unmoved:
        yield f"Here they disagree: {_list(unmoved)} uses the background without a significant fall of PT."
    if both and not spared and not unmoved:
        yield "Here both point the same way; it is the witness that carries the conclusion."


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
