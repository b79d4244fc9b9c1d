"""Reading annotations in XML that nobody vouches for."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NoReturn


class _Plain(ET.TreeBuilder):
    """Elements alone: entities, which may grow without bounds or name other files, need a DOCTYPE."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise ValueError(f"it declares a document type, {name!r}, and annotations have none")


def read_tree(path: Path) -> ET.Element:
    """The root of an XML file. Raises ``OSError`` or ``ValueError`` where it is none, or has a DOCTYPE."""
    try:
        return ET.parse(path, ET.XMLParser(target=_Plain())).getroot()  # noqa: S314 (no entities, see above)
    except ET.ParseError as error:
        raise ValueError(str(error)) from error
