"""The figures of what things cost are those of the benchmarks' results that are kept.

``python tests/docs/test_speed.py`` writes their tables anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kept_tables import ROOT, check, table, write

PAGES = [ROOT / "docs" / "explanation" / f"{name}.md" for name in ("speed", "attributions")]

Document = Mapping[str, Any]


def read(file: str) -> Document:
    document: Document = json.loads((ROOT / file).read_text(encoding="utf-8"))
    return document


def explain(file: str) -> str:
    document = read(file)
    models = list(dict.fromkeys(row["model"] for row in document["rows"]))
    cells = {(row["model"], row["timing"]["name"]): row for row in document["rows"]}
    works = list(dict.fromkeys(row["timing"]["name"] for row in document["rows"]))
    head = ["", *(f"`{model}`, {what}" for model in models for what in ("time", "memory"))]
    lines = [[work, *(one for model in models for one in _cost(cells.get((model, work))))] for work in works]
    batches = ", ".join(f"{cells[model, works[0]]['batch']} of `{model}`" for model in models)
    gains = "\n".join(_gain(cells, model) for model in models)
    return f"{_machine(document['machine'])} Pictures a batch: {batches}.\n\n{table(head, lines)}\n{gains}\n"


def _cost(row: Document | None) -> tuple[str, str]:
    if row is None:
        return "–", "–"
    one = row["timing"]
    memory = "–" if row["memory"] is None else f"{row['memory']:.2f}"
    return f"{one['ratio']:.2f} ({one['lower']:.2f}–{one['upper']:.2f})", memory


def _gain(cells: Mapping[tuple[str, str], Document], model: str) -> str:
    told = []
    for layers in ("last", "all"):
        slow, fast = (cells[model, name]["timing"]["ratio"] for name in (f"released code, {layers}", layers))
        told.append(f"{slow / fast:.1f} times as fast as the released code's loop ({layers})")
    return f"- `{model}`: {' and '.join(told)}."


def _machine(machine: Document) -> str:
    count = machine["threads"]
    threads = f", {count} thread{'s' * (count > 1)}" if count else ""
    return f"{machine['device']}{threads}, {machine['precision']}, torch {machine['torch']}."


def sizing(file: str) -> str:
    """Hours for 50,000 pictures and four methods on the machine of the measurement."""
    document = read(file)
    works = ("forward", "last", "all", "audit grid")
    rates: dict[str, dict[str, float]] = {}
    for row in document["rows"]:
        rates.setdefault(row["model"], {})[row["timing"]["name"]] = row["timing"]["images_per_second"]
    lines = [
        [f"`{model}`", *(f"{4 * 50_000 / own[work] / 3600:.1f} h" for work in works)]
        for model, own in rates.items()
    ]
    return table(["4 methods × 50,000 pictures", *works], lines)


def attributions(file: str) -> str:
    """Ratios of processor time, of the last layer and of all where an attribution has layers."""
    document = read(file)
    rows = document["rows"]
    costs = {(row["model"], row["attribution"], row["layers"]): row for row in rows}
    batches = {row["model"]: row["batch"] for row in rows if row["attribution"] == "forward"}
    names = list(dict.fromkeys(row["attribution"] for row in rows if row["attribution"] != "forward"))
    lines = [[f"`{name}`", *(_ratios(costs, model, name) for model in batches)] for name in names]
    told = ", ".join(f"{batch} of `{model}`" for model, batch in batches.items())
    head = ["", *(f"`{model}`" for model in batches)]
    return f"{_machine(document['machine'])} Pictures a batch: {told}.\n\n{table(head, lines)}"


def _ratios(costs: Mapping[tuple[str, str, str | None], Document], model: str, name: str) -> str:
    found = [costs[model, name, layers] for layers in (None, "last", "all") if (model, name, layers) in costs]
    ratios = [row["times"] * row["timing"]["processor_ratio"] for row in found]
    return " · ".join(f"{one:.2f}" if one < 10 else f"{one:,.0f}" for one in ratios) or "–"


KINDS = {"explain": explain, "sizing": sizing, "attributions": attributions}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_figures_of_a_page_are_those_kept(page: Path) -> None:
    check(page, KINDS, __file__)


if __name__ == "__main__":
    write(PAGES, KINDS)
