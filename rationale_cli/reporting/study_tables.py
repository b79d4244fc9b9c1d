"""What people made of a run's evidence, as tables of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..measures.estimates import Estimate
from ..measures.study_results import StudyScore
from .numbers import PERCENT, RATIO, Unit
from .numbers import threshold as written_threshold
from .tables import Cell, Row, Table, estimated

Columns = tuple[tuple[str, str, Unit], ...]

PEOPLE: Columns = (
    ("alpha", "α", RATIO),
    ("alpha_unsure", "α with unsure", RATIO),
    ("agreement", "agreement", PERCENT),
    ("accuracy", "alike", PERCENT),
    ("kappa", "κ", RATIO),
    ("auc", "AUC of RMA", RATIO),
    ("threshold", "τ that people imply", RATIO),
)
VALIDITY: Columns = (("V", "V", PERCENT), ("PT", "PT", PERCENT), ("IR", "IR", PERCENT))
"""Measure, title of its column, unit."""

_PEOPLE_LEGEND = (
    "α: Krippendorff's, of yes and no; with unsure, of all three answers. agreement: how often two people "
    "who decide decide alike. alike, κ: valid by most people against RMA ≥ τ. AUC of RMA: how often a "
    "picture that most call valid has the larger RMA. τ that people imply: where RMA tells their valid from "
    "their invalid best. All but α and agreement hold for the whole split: a quadrant counts by its size."
)
_VALIDITY_LEGEND = (
    "In %, on the whole split. By people: valid where more say yes than no. Intervals rest on resampled "
    "pictures and, by people, on people resampled as well."
)
_STRATA_LEGEND = "Of the pictures that were decided, how many in % most people call valid."


def study_tables(one: StudyScore) -> list[Table]:
    """People among themselves and against RMA, PT and IR by their validity, and each quadrant."""
    head = f"{one.run} · {one.split} · {one.specification}"
    tau = f"τ = {written_threshold(one.threshold)}"
    return [
        Table(
            f"{head} · {_people(one)} on valid reasons, against RMA at {tau}",
            _titles(PEOPLE),
            (Row("people", _answers(one), _cells({**one.among, **one.against}, PEOPLE)),),
            (_PEOPLE_LEGEND,),
            tuple(_findings(one)),
            "people",
        ),
        Table(
            f"{head} · PT and IR with people's validity",
            _titles(VALIDITY),
            (
                Row("by people", _people(one), _cells(one.by_people, VALIDITY)),
                Row("by RMA", tau, _cells(one.by_rma, VALIDITY)),
            ),
            (_VALIDITY_LEGEND,),
            (),
            "validity",
        ),
        Table(
            f"{head} · quadrants by RMA at {tau}",
            ("asked", "decided", "valid by people"),
            tuple(_strata(one)),
            (_STRATA_LEGEND,),
            (),
            "quadrant",
        ),
    ]


def _strata(one: StudyScore) -> Iterator[Row]:
    for stratum in one.strata:
        counts = Cell(str(stratum.asked)), Cell(str(stratum.decided))
        share = estimated(stratum.valid, PERCENT)
        yield Row(stratum.quadrant, f"{stratum.pictures} on the split", (*counts, share))


def _people(one: StudyScore) -> str:
    return "1 person" if one.people == 1 else f"{one.people} people"


def _answers(one: StudyScore) -> str:
    return ", ".join(f"{one.answers.get(name, 0)} {name}" for name in ("yes", "no", "unsure"))


def _findings(one: StudyScore) -> Iterator[str]:
    for person in one.excluded:
        yield f"{person.person} is left out: {person.reason}."
    yield from one.notes


def _titles(columns: Columns) -> tuple[str, ...]:
    return tuple(title for _, title, _ in columns)


def _cells(found: Mapping[str, Estimate], columns: Columns) -> tuple[Cell, ...]:
    return tuple(estimated(found[name], unit) for name, _, unit in columns)
