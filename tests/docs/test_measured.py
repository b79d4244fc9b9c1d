"""The figures in the method pages are those of the recipes' results that are kept beside them.

After ``rationale run`` of ``prompt-tuning``, ``few-shot`` and ``weight-tuning``,
``python tests/docs/test_measured.py runs`` keeps the new results and writes the tables anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from kept_tables import ROOT, check, has_tables, keep, rows_of, table, write

PAGES = ROOT / "docs" / "explanation" / "methods"
KEPT = PAGES / "measured"
FILES = (
    "prompt-tuning/tuning.csv",
    "prompt-tuning/dor.csv",
    "few-shot/shots.csv",
    "weight-tuning/weights.csv",
)
METRICS = ("accuracy", "PT", "IR", "ECE")
SHOTS = ("0", "1", "2", "4", "8", "16")
MARKS = {"significant": "*", "robust": "*", "estimator-dependent": "*", "not audited": " ?"}

Rows = Sequence[Mapping[str, str]]


def found(rows: Rows, **axes: str) -> Mapping[str, str] | None:
    fitting = [row for row in rows if all(row[axis] == value for axis, value in axes.items())]
    assert len(fitting) < 2, axes
    return fitting[0] if fitting else None


def percent(text: str, *, signed: bool = False) -> str:
    return f"{100 * float(text):{'+' if signed else ''}.1f}".replace("-", "−")


def value(row: Mapping[str, str] | None) -> str:
    """The value, and whether it differs from zero-shot."""
    if row is None or not row["value"]:
        return "–"
    return percent(row["value"]) + MARKS.get(row["verdict"], "")


def change(row: Mapping[str, str] | None) -> str:
    """The difference with its interval."""
    if row is None or not row["difference"]:
        return "–"
    limits = ", ".join(percent(row[f"difference_{end}"], signed=True) for end in ("low", "high"))
    return f"{percent(row['difference'], signed=True)} [{limits}]{MARKS.get(row['verdict'], '')}"


def halves(*methods: str) -> str:
    return pairs(rows_of(KEPT / FILES[0]), methods, "half", ("base", "new"))


def splits(*methods: str) -> str:
    return pairs(rows_of(KEPT / FILES[3]), methods, "split", ("test", "swapped"))


def pairs(rows: Rows, methods: Sequence[str], axis: str, places: tuple[str, str]) -> str:
    """A line a method; each measure at both places of an axis."""
    columns = [(metric, place) for metric in METRICS for place in places]
    head = ["method", *(f"{metric}, {place}" for metric, place in columns)]
    return table(
        head,
        [
            [
                f"`{method}`",
                *(
                    value(found(rows, method=method, metric=metric, **{axis: place}))
                    for metric, place in columns
                ),
            ]
            for method in methods
        ],
    )


def outliers(*methods: str) -> str:
    rows = rows_of(KEPT / FILES[1])
    head = ["method", "classes", *METRICS]
    return table(
        head,
        [
            [
                f"`{method}`",
                half,
                *(
                    change(found(rows, method=method, regularizer="dor", metric=metric, half=half))
                    for metric in METRICS
                ),
            ]
            for method in methods
            for half in ("base", "new")
        ],
    )


def shots(*methods: str) -> str:
    rows = rows_of(KEPT / FILES[2])
    head = ["method", "shots:", *SHOTS[1:]]
    lines = [
        [
            f"`{method}`",
            metric,
            *(value(found(rows, method=method, metric=metric, shots=count)) for count in SHOTS[1:]),
        ]
        for method in methods
        for metric in METRICS
    ]
    zero = [value(found(rows, method="zs", metric=metric, shots="0")) for metric in METRICS]
    told = ", ".join(f"{metric} {one}" for metric, one in zip(METRICS, zero, strict=True))
    return f"Zero-shot: {told}.\n\n{table(head, lines)}"


KINDS = {"halves": halves, "dor": outliers, "shots": shots, "splits": splits}


def pages() -> list[Path]:
    return [path for path in sorted(PAGES.glob("*.md")) if has_tables(path)]


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.stem)
def test_the_figures_of_a_page_are_the_recipes(page: Path) -> None:
    check(page, KINDS, __file__)


def test_every_cell_of_the_kept_results_was_measured() -> None:
    for file in FILES:
        rows = rows_of(KEPT / file)
        assert rows
        assert {row["state"] for row in rows} == {"measured"}
        assert all(len(row["runs"].split()) == (1 if row["method"] == "zs" else 3) for row in rows)


if __name__ == "__main__":
    for runs in sys.argv[1:]:
        for file in FILES:
            if (Path(runs) / file).is_file():
                keep(Path(runs) / file, KEPT / file)
    write(pages(), KINDS)
