"""What the page on visual cognition says of transfer is what the kept results of its recipe say.

After ``rationale run cognition``, ``python tests/docs/test_visual_cognition.py runs`` keeps the new results
and writes the tables anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kept_tables import ROOT, check, keep, rows_of, table, write

PAGE = ROOT / "docs" / "how-to" / "visual-cognition.md"
KEPT = ROOT / "docs" / "explanation" / "measured" / "cognition"
CELLS, KINDS = "transfer.csv", "transfer-kinds.csv"

Row = Mapping[str, str]


def points(row: Row, *keys: str, signed: bool = True) -> str:
    value, low, high = (
        f"{100 * float(row[key]):{'+' if signed else ''}.1f}".replace("-", "−") for key in keys
    )
    return f"{value} [{low}, {high}]"


def matrix() -> str:
    """Accuracy of every model on every evaluation set, with what tuning changed."""
    found = [row for row in rows_of(KEPT / CELLS) if row["metric"] == "accuracy"]
    columns = list(dict.fromkeys(row["evaluated_on"] for row in found))
    models: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in found:
        key = (row["model"], row["method"], row["tuned_on"])
        models.setdefault(key, {})[row["evaluated_on"]] = row
    lines = [
        [f"`{model}` `{method}`", tuned_on or "–", *(cell(own.get(name)) for name in columns)]
        for (model, method, tuned_on), own in models.items()
    ]
    return table(["model", "tuned on", *columns], lines)


def cell(row: Row | None) -> str:
    if row is None:
        return "–"
    value = f"{100 * float(row['value']):.1f}"
    if not row["difference"]:
        return value
    change = f"{100 * float(row['difference']):+.1f}".replace("-", "−")
    own = "**" if row["kind"] == "same" else ""
    return f"{own}{value}{own} ({change}{'*' if row['verdict'] == 'significant' else ''})"


def of(rows: Sequence[Row], model: str, method: str) -> list[Row]:
    return [row for row in rows if (row["model"], row["method"]) == (model, method)]


def kinds(model: str = "", method: str = "") -> str:
    """A line for each kind, of this model and method; of all rows where they are not named."""
    found = [row for row in rows_of(KEPT / KINDS) if row["metric"] == "accuracy"]
    return table(
        ["kind", "gain in accuracy", "share of the gain within", "verdict"],
        lines_of(of(found, model, method)),
    )


def lines_of(wanted: Sequence[Row]) -> list[list[str]]:
    return [
        [
            "the same" if row["kind"] == "same" else f"other {row['kind'].replace('+', ' and ')}",
            points(row, "gain", "low", "high"),
            points(row, "share_of_gain_within", "share_low", "share_high", signed=False) + " %"
            if row["share_of_gain_within"]
            else "–",
            row["verdict"],
        ]
        for row in wanted
    ]


def conclusion(model: str = "", method: str = "") -> str:
    """The verdict on all kinds, and what it rests on."""
    (told,) = {row["conclusion"] for row in of(rows_of(KEPT / KINDS), model, method)}
    tuned = [row for row in rows_of(KEPT / CELLS) if row["kind"]]
    tuned = of(tuned, model, method) if model else tuned
    runs = {run for row in tuned for run in row["runs"].split()}
    sets = {row["tuned_on"] for row in tuned}
    pictures = max(int(row["n"]) for row in tuned)
    named = f"`{model}` by `{method}`" if model else "all models and methods"
    return (
        f"Of {named}: **{told}** ({len(runs)} tuned runs on {len(sets)} training sets, {pictures} pictures "
        "in each evaluation set).\n"
    )


TABLES = {"matrix": matrix, "kinds": kinds, "conclusion": conclusion}


def test_the_page_says_what_the_kept_results_say() -> None:
    check(PAGE, TABLES, __file__)


if __name__ == "__main__":
    for runs in sys.argv[1:]:
        for name in (CELLS, KINDS):
            keep(Path(runs) / "cognition" / name, KEPT / name)
    write([PAGE], TABLES)
