"""Whether heatmaps are to be believed, as tables of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..measures.estimates import Estimate
from ..measures.faithfulness import CAUSAL, Faithfulness, Survival
from .numbers import RATIO, UNDEFINED, interval, number
from .tables import Cell, Row, Table, estimated

_SUBJECT = "evidence"

BELIEVED = (
    (CAUSAL, "causal ↑"),
    ("faithful/blur", "insertion − deletion ↑"),
    ("sensitivity", "sensitivity ↑"),
    ("infidelity", "infidelity ↓"),
    ("shuffled/25%", "shuffled 25 % ↓"),
    ("shuffled/100%", "shuffled 100 % ↓"),
    ("other class", "other class ↓"),
    ("mirrored", "mirrored ↑"),
)
PLAUSIBLE = (
    ("energy", "energy ↑"),
    ("pointing", "pointing ↑"),
    ("iou", "IoU ↑"),
    ("auroc", "AUROC ↑"),
    ("average_precision", "AP ↑"),
)
CURVES = tuple(
    (f"{kind}/{instead}", f"{kind}, {instead} {way}")
    for instead in ("blur", "mean")
    for kind, way in (("deletion", "↓"), ("insertion", "↑"), ("positive", "↓"), ("negative", "↑"))
)


def faithfulness_tables(one: Faithfulness) -> list[Table]:
    """Faithfulness and sanity, curves, plausibility, agreement, and what becomes of valid evidence."""
    head = f"{one.run} · {one.split} · {one.n} pictures"
    tables = [
        Table(
            f"{head} · is the heatmap to be believed?",
            tuple(title for _, title in _known(one, BELIEVED)),
            _rows(one, _known(one, BELIEVED)),
            (_BELIEVED_LEGEND,),
            tuple(_findings(one)),
            _SUBJECT,
        ),
        Table(
            f"{head} · as patches go or come, {one.steps} steps",
            tuple(title for _, title in CURVES),
            _rows(one, CURVES),
            (_CURVES_LEGEND,),
            (),
            _SUBJECT,
        ),
        Table(
            f"{head} · against the mask",
            tuple(title for _, title in PLAUSIBLE),
            _rows(one, PLAUSIBLE),
            (_PLAUSIBLE_LEGEND,),
            (),
            _SUBJECT,
        ),
    ]
    if len(one.sets) > 1:
        tables.append(_agreement(one, head))
    if one.survival:
        tables.append(_survival(one.survival, head))
    return tables


_BELIEVED_LEGEND = (
    "causal: rank correlation over pictures of RMA and the object's share of what exchanging object and "
    "background does to the score. insertion − deletion: areas under the target's probability. sensitivity, "
    "infidelity: how far the relevance that leaves with random patches goes with the probability. shuffled: "
    "rank correlation with the heatmap of the model after that share of its last weights was shuffled; other "
    "class, mirrored: with those; on a part of the pictures. ↑ higher is better, ↓ lower."
)
_CURVES_LEGEND = (
    "deletion, insertion: area under the target's probability as the most relevant patches are replaced, or "
    "alone are shown. positive, negative: area under the accuracy as the most, or the least, relevant go."
)
_PLAUSIBLE_LEGEND = (
    "energy: RMA. A heatmap on the object is plausible; whether the model used the object is what the other "
    "tables ask."
)


def _known(one: Faithfulness, columns: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    there = {name for each in one.sets for name in each.measures}
    return tuple(column for column in columns if column[0] in there)


def _rows(one: Faithfulness, columns: Sequence[tuple[str, str]]) -> tuple[Row, ...]:
    return tuple(
        Row(each.name, "control" if each.control else "", tuple(_cells(each.measures, columns)))
        for each in sorted(one.sets, key=lambda each: each.control)
    )


def _cells(measures: Mapping[str, Estimate], columns: Sequence[tuple[str, str]]) -> Iterator[Cell]:
    for name, _ in columns:
        yield estimated(measures.get(name), RATIO)


def _findings(one: Faithfulness) -> Iterator[str]:
    if one.object_share is None:
        yield "No causal score: it needs pictures whose exact background is known, as of the embedded scenes."
    elif ranking := one.ranking():
        yield f"By what exchanging object and background does, the most telling first: {', '.join(ranking)}."
    for each in one.sets:
        if not each.control and each.insensitive:
            yield (
                f"{each.name} hardly changes when all weights of the image tower are shuffled: it shows the "
                "picture, not what the model made of it."
            )


def _agreement(one: Faithfulness, head: str) -> Table:
    names, values = one.agreement.names, one.agreement.values
    rows = tuple(
        Row(f"{place} {name}", "", tuple(Cell(number(value, RATIO)) for value in line))
        for place, (name, line) in enumerate(zip(names, values, strict=True), start=1)
    )
    columns = tuple(str(place) for place in range(1, len(names) + 1))
    legend = ("Mean rank correlation of the heatmaps of each picture; columns by the numbers of the rows.",)
    return Table(f"{head} · how far heatmaps agree", columns, rows, legend, (), _SUBJECT)


def _survival(found: Sequence[Survival], head: str) -> Table:
    rows = []
    for one in found:
        difference = one.difference
        told = Cell(
            number(difference.value, signed=True),
            difference_interval=interval(difference.low, difference.high, signed=True),
        )
        shares = (
            Cell(_percent(one.valid), _limits(one.valid)),
            Cell(_percent(one.invalid), _limits(one.invalid)),
        )
        rows.append(Row(one.set, f"{one.witness}", (*shares, told)))
    return Table(
        f"{head} · do rightly predicted pictures stay right without their object?",
        ("evidence valid", "evidence invalid", "invalid − valid"),
        tuple(rows),
        (
            "In %, of all pictures of the split: exact, the very same picture without the object; box, its "
            "box filled. Above 0 in the last column, valid evidence means that the object is needed.",
        ),
        (),
        _SUBJECT,
    )


def _percent(one: Estimate) -> str:
    return UNDEFINED if one.value is None else number(one.value)


def _limits(one: Estimate) -> tuple[str, str]:
    return ("", "") if one.low is None or one.high is None else (number(one.low), number(one.high))
