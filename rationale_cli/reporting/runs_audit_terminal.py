"""The audit of runs on a terminal: effects one at a time, the decomposition, and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..measures.audit_results import Decomposition, PairAudit, RunsAudit
from ..measures.comparison_results import Effect
from .numbers import number
from .runs_audit import SHOWN, by_size, choices_of, findings, level, remarks, with_limits
from .terminal import print_lines, roomy

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDE = 100
"""Columns of text from which on an interval stands beside its number."""

LEGEND = (
    "PT, IR, V in %, differences in points, run minus baseline on the same pictures, with 95 % intervals. "
    "Small: run and baseline. One choice at a time is made otherwise, all others stay at their default; "
    "`turns` where the sign changes, significant on both sides.",
    "A choice's part is its Shapley value: the mean of what it changes over all orders in which the choices "
    "can be made; the parts sum to the whole. Small: what it changes as the first and as the last of all.",
    "Counted are specifications that treat both runs alike. A difference is robust when sign and "
    "significance hold over layers × scalar × τ and beyond the controls, as in `rationale score`.",
)


def show(result: RunsAudit, console: Console) -> None:
    """Print every pair, and what columns mean under the last."""
    console = roomy(console)
    for audit in result.audits:
        title = (
            f"{audit.run} against {audit.baseline} · {audit.split} · {audit.n:,} pictures · "
            f"{len(audit.specifications)} specifications"
        )
        console.print(_text(f"\n{title}", "bold"))
        write = _Writer(wide=console.width >= WIDE)
        console.print(write.effects(audit), soft_wrap=False)
        if audit.decompositions:
            console.print(write.parts(audit), soft_wrap=False)
        print_lines(console, findings(audit), "")
        print_lines(console, remarks(audit), "dim")
    console.print()
    told = dict(pair for audit in result.audits for pair in choices_of(audit))
    print_lines(console, [f"{name}: {about}." for name, about in told.items() if about], "dim")
    print_lines(console, LEGEND, "dim")


class _Writer:
    """Writes the tables of one audit, intervals beside their numbers or below them."""

    def __init__(self, *, wide: bool) -> None:
        self.between = " " if wide else "\n"

    def effects(self, audit: PairAudit) -> Table:
        """The default, and each choice made otherwise."""
        grid = _grid(("one choice at a time", *SHOWN))
        usual = (self._effect(audit.default.metrics[metric]) for metric in SHOWN)
        grid.add_row(_text("default", "bold"), *usual)
        for one in audit.effects:
            cells = (self._effect(one.metrics[metric], turns=metric in one.turns) for metric in SHOWN)
            grid.add_row(_text(level(one.choice, one.level)), *cells)
        return grid

    def parts(self, audit: PairAudit) -> Table:
        """From the default to the reference, choice by choice, the largest part of PT's first."""
        grid = _grid(("from default to reference", *SHOWN))
        by_metric = {one.metric: one for one in audit.decompositions}
        columns = [by_metric[metric] for metric in SHOWN]
        grid.add_row(_text("by one estimator", "bold"), *(self._end(one.default) for one in columns))
        for part in by_size(columns[0].contributions):
            name = f"+ {part.choice}: {part.default} → {part.reference}"
            grid.add_row(_text(name), *(self._part(one, part.choice) for one in columns))
        grid.add_row(_text("by the reference", "bold"), *(self._end(one.reference) for one in columns))
        return grid

    def _part(self, one: Decomposition, choice: str) -> Text:
        part = next(each for each in one.contributions if each.choice == choice)
        ends = " … ".join(number(each.value, signed=True) for each in (part.first, part.last))
        return _two(with_limits(part.shapley, self.between), ends)

    def _effect(self, one: Effect, *, turns: bool = False) -> Text:
        text = _two(with_limits(one, self.between), f"{number(one.value)} − {number(one.baseline)}")
        if turns:
            text.append(f"{self.between}turns", style="yellow")
        return text

    def _end(self, one: Effect) -> Text:
        return _text(with_limits(one, self.between), "bold")


def _two(first: str, second: str) -> Text:
    from rich.text import Text

    return Text.assemble(first, ("\n" + second, "dim"))


def _grid(columns: Sequence[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for index, title in enumerate(columns):
        grid.add_column(title, justify="left" if index == 0 else "right", overflow="fold")
    return grid


def _text(text: str, style: str = "") -> Text:
    """As it stands: nothing in it is markup."""
    from rich.text import Text

    return Text(text, style=style)
