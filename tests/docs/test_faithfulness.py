"""The ranking in the page on faithfulness is that of the kept results of the command that it shows.

``python tests/docs/test_faithfulness.py RUNS`` keeps the results of the runs ``zs`` and ``ft`` in that folder
and writes the tables anew.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kept_tables import ROOT, check, keep, table, write

PAGE = ROOT / "docs" / "explanation" / "faithfulness.md"
KEPT = PAGE.parent / "measured" / "faithfulness"
COLUMNS = {
    "causal": "causal",
    "faithful/blur": "insertion − deletion, blur",
    "faithful/mean": "the same, mean colour",
    "sensitivity": "sensitivity",
    "shuffled/100%": "shuffled 100 %",
    "auroc": "AUROC",
}

Document = Mapping[str, Any]


def ranking(run: str) -> str:
    """Every evidence set, best first by the causal score; controls in their place among them."""
    document = json.loads((KEPT / f"{run}.json").read_text(encoding="utf-8"))
    ranked = sorted(document["sets"], key=_causal, reverse=True)
    head = ["", "attribution", *COLUMNS.values()]
    lines, place = [], 0
    for one in ranked:
        place += not one["control"]
        name = f"`{one['name']}`" + (" (control)" if one["control"] else "")
        cells = [_cell(one["measures"].get(column)) for column in COLUMNS]
        lines.append(["" if one["control"] else str(place), name, *cells])
    share = document["object_share"]
    n, again = document["n"], max(one["measures"]["mirrored"]["n"] for one in document["sets"])
    told = (
        f"`{document['run']}`, {n} pictures of `{document['split']}`, {again} of them explained again, "
        f"{document['steps']} steps; the object's share of what decides: {_cell(share)}."
    )
    return f"{told}\n\n{table(head, lines)}"


def _causal(one: Document) -> float:
    value = one["measures"].get("causal", {}).get("value")
    return -math.inf if value is None else float(value)


def _cell(one: Document | None) -> str:
    if one is None or one["value"] is None:
        return "–"
    value, low, high = (f"{one[key]:.2f}".replace("-", "−") for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


KINDS = {"ranking": ranking}


def test_the_ranking_of_the_page_is_the_one_kept() -> None:
    check(PAGE, KINDS, __file__)


if __name__ == "__main__":
    for runs in sys.argv[1:]:
        for run in ("zs", "ft"):
            keep(Path(runs) / run / "faithfulness" / "test.json", KEPT / f"{run}.json")
    write([PAGE], KINDS)
