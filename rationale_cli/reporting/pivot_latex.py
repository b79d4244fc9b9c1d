r"""A recipe's table as LaTeX for a paper: ``\input`` it where the package booktabs is loaded.

Under a value stand its interval and what was published; the best of the compared methods is bold, the second
underlined. What users named is escaped; letters that pdfLaTeX does not know are told by their code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from .pivot import Key, Pivot, PivotRow, spans
from .pivot_text import Words, average_titles, legend, metric_title, named, words

_LETTERS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", "−": "$-$",
    "–": r"\textendash{}", "·": r"$\cdot$", "≥": r"$\geq$", "τ": r"$\tau$", "Δ": r"$\Delta$",
    "∇": r"$\nabla$", "±": r"$\pm$", "●": r"$\bullet$", "◐": r"$\circ$",
}  # fmt: skip
"""A bracket or star at a row's beginning would be an option of the command that ended the row before."""

_KNOWN = "ßæøÆØ"


def latex(pivot: Pivot, version: str) -> str:
    """The table as a float of its own, with what its marks mean below it; ``version`` is the tool's."""
    lines = [
        f"% Written by rationale {version}. Needs \\usepackage{{booktabs}}.",
        *(f"% {_one_line(line)}" for line in legend(pivot)),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(pivot.title)}}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]+', '-', pivot.name)}}}",
        r"\par\medskip",
        rf"\begin{{tabular}}{{{'l' * len(pivot.row_axes)}{'r' * _numbers(pivot)}}}",
        r"\toprule",
        *_head(pivot),
        *(line for block in pivot.blocks for line in _block(pivot, block.metric, block.rows)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        *(escaped(line) for line in legend(pivot)),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""Any text as LaTeX that shows it.

    >>> print(escaped("50% of a_b"), escaped("∇A ≥ 日"))
    50\% of a\_b $\nabla$A $\geq$ \texttt{U+65E5}
    """
    written = "".join(_LETTERS.get(letter) or _letter(letter) for letter in _one_line(text))
    return re.sub("-(?=-)", "-{}", written)


def _letter(letter: str) -> str:
    plain = unicodedata.normalize("NFD", letter)[0]
    if letter.isprintable() and (letter.isascii() or (ord(letter) < 256 and plain.isascii())):
        return letter
    return letter if letter in _KNOWN else rf"\texttt{{U+{ord(letter):04X}}}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _numbers(pivot: Pivot) -> int:
    return len(pivot.columns) + len(pivot.averages)


def _head(pivot: Pivot) -> Iterator[str]:
    """A line for each column axis, the last one with the names of the row axes and of the averages."""
    left = len(pivot.row_axes)
    columns = [named(pivot.column_axes, column) for column in pivot.columns]
    for level in range(len(pivot.column_axes) - 1):
        found = spans(columns, level)
        cells = [rf"\multicolumn{{{one.width}}}{{c}}{{{escaped(one.text)}}}" for one in found]
        yield line_of([""] * left + cells + [""] * len(pivot.averages))
        yield " ".join(
            rf"\cmidrule(lr){{{left + one.start + 1}-{left + one.start + one.width}}}" for one in found
        )
    names = [*pivot.row_axes, *(column[-1] for column in columns)]
    yield line_of([escaped(one) for one in (*names, *average_titles(pivot))])


def _block(pivot: Pivot, metric: str, rows: Sequence[PivotRow]) -> Iterator[str]:
    width = len(pivot.row_axes) + _numbers(pivot)
    yield r"\midrule"
    if title := metric_title(metric):
        yield line_of([rf"\multicolumn{{{width}}}{{l}}{{\emph{{{escaped(title)}}}}}"])
    before: Key = ()
    for number, row in enumerate(rows):
        told = [words(cell) for cell in (*row.cells, *row.averages)]
        if number:
            yield r"\addlinespace"
        key = named(pivot.row_axes, row.key)
        yield line_of([*_labels(key, before), *(_value(one) for one in told)])
        before = key
        blank = [""] * len(key)
        if any(one.limits for one in told):
            yield line_of([*blank, *(small(one.limits) for one in told)])
        if any(one.published for one in told):
            yield line_of([*blank[1:], small("published"), *(small(_published(one)) for one in told)])


def _labels(key: Key, before: Key) -> list[str]:
    """A row's names, those left out that stand in the row above."""
    same = next((place for place, one in enumerate(key) if key[: place + 1] != before[: place + 1]), 0)
    return ["" if place < same else escaped(one) for place, one in enumerate(key)]


def _value(told: Words) -> str:
    text = escaped(told.value)
    if not told.measured:
        return rf"\textit{{{text}}}" if text else ""
    styles = {"best": r"\textbf", "second": r"\underline", "": ""}
    text = f"{styles[told.rank]}{{{text}}}" if told.rank else text
    marks = rf"\rlap{{\textsuperscript{{{escaped(told.marks)}}}}}" if told.marks else ""
    note = rf" {small(told.note)}" if told.note else ""
    return f"{text}{marks}{note}"


def _published(told: Words) -> str:
    return f"{told.published} ({told.beyond})" if told.beyond else told.published


def small(text: str) -> str:
    """Text in small type; nothing for none."""
    return rf"{{\scriptsize {escaped(text)}}}" if text else ""


def line_of(cells: Sequence[str]) -> str:
    """A row of a table from LaTeX cells."""
    return " & ".join(cells) + r" \\"
