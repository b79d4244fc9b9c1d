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


def models(file: str) -> str:
    """Ratios by the clock of this project's works."""
    document = read(file)
    ratios: dict[str, dict[str, str]] = {}
    for row in document["rows"]:
        ratios.setdefault(row["timing"]["name"], {})[row["model"]] = _cost(row)[0]
    names = list(dict.fromkeys(row["model"] for row in document["rows"]))
    lines = [[work, *(own.get(model, "–") for model in names)] for work, own in ratios.items()]
    head = ["", *(f"`{model}`" for model in names)]
    return f"{_machine(document['machine'])}\n\n{table(head, lines)}"


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


def pipeline(file: str) -> str:
    """Images a second as a fraction of the bare loop's, and milliseconds of the processor by stage."""
    document = read(file)
    told = f"{document['pictures']} pictures of 500×375, `{document['model']}`"
    lines = [
        [
            row["work"],
            f"{row['images_per_second']:.1f}",
            f"{row['fraction']:.2f} ({row['lowest']:.2f}–{row['highest']:.2f})",
            f"{row['processor_fraction']:.2f}",
        ]
        for row in document["explain"]
    ]
    whole = table(["", "images/s", "fraction by the clock", "by the processor"], lines)
    total = sum(document["stages"].values())
    shares = [[name, f"{ms:.2f}", f"{ms / total:.1%}"] for name, ms in document["stages"].items()]
    stages = table(["stage", "ms a picture", "share"], shares)
    decoders = [
        [row["decoder"], f"{row['ratio']:.2f}", f"{row['equal']:.0%}"] for row in document["decoders"]
    ]
    other = table(["decoder, with resizing", "time", "equal pictures"], decoders)
    return f"{_machine(document['machine'])} {told}.\n\n{whole}\n{stages}\n{other}"


def training(file: str) -> str:
    """Steps of this project's loop against those of plain loops of the same step."""
    document = read(file)
    rows = [row for row in document["rows"] if row["against"] != "ft"]
    head = ["", "against", "images/s", "time (lowest–highest)"]
    lines = [
        [
            f"`{row['model']}`, `{row['method']}`",
            row["against"],
            f"{row['images_per_second']:.1f}",
            _spread(row),
        ]
        for row in rows
    ]
    return f"{_machine(document['machine'])}\n\n{table(head, lines)}"


def regularizers(file: str) -> str:
    """Steps of ``ft`` with a regularizer against those without."""
    rows = [row for row in read(file)["rows"] if row["against"] == "ft"]
    costs = {(row["model"], row["method"]): row for row in rows}
    models = list(dict.fromkeys(row["model"] for row in rows))
    names = list(dict.fromkeys(row["method"] for row in rows))
    lines = [[f"`{name}`", *(_spread(costs[model, name]) for model in models)] for name in names]
    return table(["a step of `ft` with", *(f"`{model}`" for model in models)], lines)


def _spread(row: Document) -> str:
    return f"{row['ratio']:.2f} ({row['lowest']:.2f}–{row['highest']:.2f})"


def scoring(file: str) -> str:
    """Seconds of each stage."""
    document = read(file)
    lines = [
        [row["stage"], f"{row['clock']:.2f}", f"{row['slowest']:.2f}", f"{row['processor']:.2f}"]
        for row in document["timings"]
    ]
    told = f"Two runs of {document['pictures']:,} pictures, in seconds"
    return f"{_machine(document['machine'])} {told}.\n\n{table(['', 'clock', 'slowest', 'processor'], lines)}"


KINDS = {
    "explain": explain,
    "models": models,
    "sizing": sizing,
    "attributions": attributions,
    "pipeline": pipeline,
    "training": training,
    "regularizers": regularizers,
    "scoring": scoring,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_figures_of_a_page_are_those_kept(page: Path) -> None:
    check(page, KINDS, __file__)


if __name__ == "__main__":
    write(PAGES, KINDS)
