"""The words at the head of a report: as strong as the verdict, never stronger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rationale_cli.measures.comparison_results import Comparison, Difference
from rationale_cli.measures.estimates import Estimate
from rationale_cli.measures.results import ScoreResult, ScoreTable
from rationale_cli.reporting.findings import Findings, findings
from rationale_cli.reporting.sentences import of_evidence, of_witness


@pytest.fixture
def table(result: ScoreResult) -> ScoreTable:
    return result.tables[0]


def with_differences(table: ScoreTable, run: str, **changes: dict) -> ScoreTable:
    """The table with some differences of one run altered; ``witness_exact`` is ``witness:exact``."""

    def altered(pair: Comparison) -> Comparison:
        if pair.run != run:
            return pair
        keys = {name.replace("_", ":"): change for name, change in changes.items()}
        new = {name: replace(pair.differences[name], **change) for name, change in keys.items()}
        return replace(pair, differences=pair.differences | new)

    return replace(table, comparisons=tuple(altered(pair) for pair in table.comparisons))


def said(result: ScoreResult, table: ScoreTable) -> tuple[Findings, str]:
    found = findings(result, table)
    cards = [sentence.text for card in found.cards for sentence in card.sentences]
    return found, " ".join([*found.headline, *cards, *found.meaning])


FELL = {"difference": -0.2, "low": -0.3, "high": -0.1, "significant": True}
STILL = {"difference": -0.01, "low": -0.1, "high": 0.1, "significant": False, "verdict": "not significant"}


def test_the_witness_finds_the_planted_shortcut(result: ScoreResult, table: ScoreTable) -> None:
    found, text = said(result, table)
    assert "ft-shortcut learned to use the background" in found.headline[0]
    assert "For ft-clean the witness shows no such rise." in found.headline
    assert "ft-clean learned" not in text


@pytest.mark.parametrize(
    ("verdict", "phrase"),
    [
        ("estimator-dependent", "no finding about the model"),
        ("not audited", "The audit is incomplete: no conclusion."),
        ("robust", "It holds for every estimator and threshold"),
    ],
)
def test_a_fall_of_pt_is_as_strong_as_its_verdict(
    result: ScoreResult, table: ScoreTable, verdict: str, phrase: str
) -> None:
    changed = with_differences(table, "ft-clean", PT=FELL | {"verdict": verdict})
    changed = with_differences(changed, "ft-shortcut", PT=STILL)
    pair = next(one for one in changed.comparisons if one.run == "ft-clean")
    assert phrase in of_evidence(pair, "PT").text
    found, _ = said(result, changed)
    assert f"PT fell for ft-clean ({verdict})." in found.headline
    established = "None of these falls is established as a fact about the model."
    assert (established in found.headline) == (verdict != "robust")


def test_where_pt_and_witness_disagree_the_witness_decides(result: ScoreResult, table: ScoreTable) -> None:
    fell, still = FELL | {"verdict": "estimator-dependent"}, STILL
    both = with_differences(with_differences(table, "ft-shortcut", PT=fell), "ft-clean", PT=fell)
    assert "the fall of PT does not tell them apart" in said(result, both)[1]
    spared = with_differences(with_differences(table, "ft-shortcut", PT=still), "ft-clean", PT=fell)
    text = said(result, spared)[1]
    assert "PT fell for ft-clean, where the witness finds nothing" in text
    assert "ft-shortcut uses the background without a significant fall of PT" in text
    agreed = with_differences(with_differences(table, "ft-shortcut", PT=fell), "ft-clean", PT=still)
    assert "it is the witness that carries the conclusion" in said(result, agreed)[1]
    for one in (both, spared, agreed):
        assert "PT alone does not identify a shortcut" in said(result, one)[1]


def test_a_rise_that_stays_at_guessing_is_no_use_of_the_background(table: ScoreTable) -> None:
    pair = next(one for one in table.comparisons if one.run == "ft-shortcut")
    row = next(one for one in table.rows if one.run == "ft-shortcut")
    low = replace(row.witness["exact"], accuracy=Estimate(0.09, 0.05, 0.14, 120))
    sentence = of_witness(pair, replace(row, witness=row.witness | {"exact": low}), "exact")
    assert "uses the background" not in sentence.text
    assert "not above guessing" in sentence.text


def test_a_significant_fall_of_the_witness_is_no_use_either(result: ScoreResult, table: ScoreTable) -> None:
    _, text = said(result, with_differences(table, "ft-shortcut", witness_exact=FELL))
    assert "learned to use" not in text
    assert "Accuracy on the exact background without the object fell" in text


def test_a_filled_mask_is_said_to_leak(table: ScoreTable) -> None:
    pair = next(one for one in table.comparisons if one.run == "ft-shortcut")
    row = next(one for one in table.rows if one.run == "ft-shortcut")
    assert "keeps the outline" in of_witness(pair, row, "background").text
    assert "keeps the outline" not in of_witness(pair, row, "exact").text


def test_undefined_measures_are_not_compared(table: ScoreTable) -> None:
    pair = table.comparisons[0]
    nothing: dict[str, None] = dict.fromkeys(("value", "difference", "low", "high", "p_holm"))
    undefined: Difference = replace(pair.differences["PT"], **nothing, significant=False, verdict="undefined")
    sentence = of_evidence(replace(pair, differences=pair.differences | {"PT": undefined}), "PT")
    assert sentence.text == "PT cannot be compared: one of the two is undefined."


def test_no_fall_is_said_to_be_none(result: ScoreResult, table: ScoreTable) -> None:
    still = with_differences(with_differences(table, "ft-shortcut", PT=STILL), "ft-clean", PT=STILL)
    assert "PT did not fall significantly for any run." in said(result, still)[0].headline
