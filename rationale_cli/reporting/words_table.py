"""Which words carried the scores of a split, as a table of text."""

from __future__ import annotations

from ..measures.words import WordShare, WordShares
from .numbers import PERCENT, RATIO, number
from .tables import Cell, Row, Table, estimated

MOST = 12
"""Words of a table: those with the largest shares, in reading order."""
_LEGEND = (
    "share: of the relevance of all words (GAA on the text tower) in the score of the annotated class; mean "
    "over pictures, 95 % interval. logit without: what becomes of the class's logit where the word is left "
    "out of its texts, which rests on no attribution; where both differ, believe it. Later words of a text "
    "also hold what earlier ones said."
)


def words_table(one: WordShares) -> Table:
    """Words × share and, where texts are written, the logit without each."""
    written = any(word.without is not None for word in one.words)
    shown = _shown(one)
    rows = [Row(word.word, "", _cells(word, written)) for word in shown]
    left_out = len(one.words) - len(shown)
    findings = (f"{left_out} words with smaller shares are not shown.",) if left_out else ()
    elsewhere = (
        f"On tokens of start, end and filling lie {number(one.elsewhere.value)} % of the whole relevance."
    )
    return Table(
        f"{one.run} · {one.split} · {one.n} pictures · which words carried it?",
        ("share, %", "logit without") if written else ("share, %",),
        tuple(rows),
        (_LEGEND,),
        (*findings, elsewhere),
        "word",
    )


def _shown(one: WordShares) -> list[WordShare]:
    largest = sorted(one.words, key=lambda word: -(word.share.value or 0.0))[:MOST]
    return [word for word in one.words if word in largest]


def _cells(word: WordShare, written: bool) -> tuple[Cell, ...]:
    share = estimated(word.share, PERCENT)
    return (share, estimated(word.without, RATIO, signed=True)) if written else (share,)
