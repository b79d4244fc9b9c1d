"""The figures of the page on costs are those of the benchmarks' results that are kept.

``python tests/docs/test_speed.py`` writes its tables anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "speed.md"
BLOCK = re.compile(r"(<!-- measured: (\w+) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

Document = Mapping[str, Any]


def explain(document: Document) -> str:
    models = list(dict.fromkeys(row["model"] for row in document["rows"]))
    cells = {(row["model"], row["timing"]["name"]): row for row in document["rows"]}
    works = list(dict.fromkeys(row["timing"]["name"] for row in document["rows"]))
    head = ["", *(f"`{model}`, {what}" for model in models for what in ("time", "memory"))]
    lines = [[work, *(one for model in models for one in _cost(cells.get((model, work))))] for work in works]
    batches = ", ".join(f"{cells[model, works[0]]['batch']} of `{model}`" for model in models)
    gains = "\n".join(_gain(cells, model) for model in models)
    return f"{_machine(document['machine'])} Pictures a batch: {batches}.\n\n{_table(head, lines)}\n{gains}\n"


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
    threads = f", {machine['threads']} threads" if machine["threads"] else ""
    return f"{machine['device']}{threads}, {machine['precision']}, torch {machine['torch']}."


def _table(head: list[str], lines: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *lines))


def sizing(document: Document) -> str:
    """Hours for 50,000 pictures and four methods on the machine of the measurement."""
    works = ("forward", "last", "all", "audit grid")
    rates: dict[str, dict[str, float]] = {}
    for row in document["rows"]:
        rates.setdefault(row["model"], {})[row["timing"]["name"]] = row["timing"]["images_per_second"]
    lines = [
        [f"`{model}`", *(f"{4 * 50_000 / own[work] / 3600:.1f} h" for work in works)]
        for model, own in rates.items()
    ]
    return _table(["4 methods × 50,000 pictures", *works], lines)


KINDS: Mapping[str, Callable[[Any], str]] = {"explain": explain, "sizing": sizing}


def renewed(text: str) -> str:
    def block(match: re.Match[str]) -> str:
        document = json.loads((ROOT / match[3]).read_text(encoding="utf-8"))
        return f"{match[1]}\n{KINDS[match[2]](document)}\n{match[4]}"

    return BLOCK.sub(block, text)


def test_the_figures_of_the_page_are_those_kept() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert BLOCK.search(text)
    assert text == renewed(text), "python tests/docs/test_speed.py writes the tables anew"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
