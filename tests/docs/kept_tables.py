"""Pages whose tables are written from results that are kept.

A table stands between ``<!-- measured: KIND WORDS -->`` and ``<!-- end -->``. A test module has a function
for each kind, given the words, and writes its pages anew when it is run as a script.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"(<!-- measured: (\w+)(.*?) -->\n).*?(<!-- end -->)", re.DOTALL)

Kinds = Mapping[str, Callable[..., str]]


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *lines))


def rows_of(kept: Path) -> list[Mapping[str, str]]:
    """The rows of a CSV that is kept."""
    with kept.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def has_tables(page: Path) -> bool:
    return _BLOCK.search(page.read_text(encoding="utf-8")) is not None


def check(page: Path, kinds: Kinds, module: str) -> None:
    """Whether a page has tables and they are those of the kept results."""
    assert has_tables(page)
    told = f"python tests/docs/{Path(module).name} writes the tables anew"
    assert page.read_text(encoding="utf-8") == _renewed(page, kinds), told


def write(pages: Iterable[Path], kinds: Kinds) -> None:
    for page in pages:
        page.write_text(_renewed(page, kinds), encoding="utf-8")


def keep(found: Path, kept: Path) -> None:
    """Take a result into the repository."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(found, kept)


def _renewed(page: Path, kinds: Kinds) -> str:
    def block(match: re.Match[str]) -> str:
        return f"{match[1]}\n{kinds[match[2]](*match[3].split())}\n{match[4]}"

    return _BLOCK.sub(block, page.read_text(encoding="utf-8"))
