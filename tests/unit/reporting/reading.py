"""A report as a reader without a browser sees it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

_VOID = {"meta", "input", "img", "br", "link", "hr", "path", "use", "rect"}


@dataclass
class Element:
    """A tag, its attributes, and all text below it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def find(self, tag: str, **attributes: str) -> list[Element]:
        """All elements below with that tag and those attributes (``data_cell`` is ``data-cell``)."""
        wanted = {name.replace("_", "-"): value for name, value in attributes.items()}
        found = [] if self.tag != tag or not wanted.items() <= self.attributes.items() else [self]
        return found + [one for child in self.children for one in child.find(tag, **attributes)]

    def all(self) -> list[Element]:
        """Every element."""
        return [self, *(one for child in self.children for one in child.all())]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self._close({"td": ("td",), "tr": ("td", "tr")}.get(tag, ()))
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if any(one.tag == tag for one in self.open):
            while self.open[-1].tag != tag:
                self.open.pop()
            self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def _close(self, unended: tuple[str, ...]) -> None:
        """Cells and rows end where the next one begins."""
        for tag in unended:
            if self.open[-1].tag == tag:
                self.open.pop()


def read(html: str) -> Element:
    """The tree of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.root


def data(page: Element) -> dict[str, Any]:
    """What the page embeds for its script."""
    (script,) = page.find("script", id="data")
    return json.loads(script.text)  # type: ignore[no-any-return]


def cells(page: Element, table: int) -> list[dict[str, list[str]]]:
    """Rows of a main table: column → the texts of its parts."""
    (found,) = page.find("table", data_table=str(table))
    (body,) = found.find("tbody")
    return [
        {
            cell.attributes["data-cell"]: [re.sub(r"\s+", " ", part.text).strip() for part in cell.children]
            for cell in row.find("td")
            if "data-cell" in cell.attributes
        }
        for row in body.find("tr")
    ]
