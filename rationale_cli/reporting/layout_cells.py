"""One place of a layout: a number of ours with what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, NamedTuple, TypeVar

from ..measures.base_new_results import JoinedHalves
from ..measures.estimates import WORST_GROUP, Estimate, Verdict
from ..measures.published import Printed
from ..measures.seed_results import RegularizerEffect, SeedCell, SeedDifference
from ..recipe.layouts import Compared
from .gallery import Basis
from .layout_entries import MEASURED, Entry
from .numbers import Unit, steps, unit_of

RANKED = ("accuracy", WORST_GROUP, "V", "PT", "IR", "object_share")
"""Measures of which more is better. A model that is always right by valid evidence has a lift of 1 and no
phi, so that a greater lift or phi is no merit."""

LOW_RANKED = ("background", "ECE", "adaptive_ECE", "NLL", "Brier")
"""Measures of which less is better. Of confidence − accuracy 0 is best."""

ABSENT = "absent"
"""State of a place that the recipe has no cell for, and of a mean over cells that are not all there."""

Rank = Literal["", "best", "second"]
Key = TypeVar("Key", bound=Hashable)


class Change(NamedTuple):
    """A difference to the zero-shot run, to the same without regularizers, or to another row."""

    baseline: str
    """Name of the run, or of several by blanks."""
    value: float
    low: float | None
    high: float | None
    verdict: Verdict | None
    """None for a mean over seeds that nothing was tested on."""


@dataclass(frozen=True)
class LayoutCell:
    """One measure of one run, or of several that differ in the seed only, and what was published of it."""

    metric: str
    axes: Mapping[str, str]
    """What its entries have in common."""
    state: str
    """``measured``, ``waiting``, ``failed`` or ``missing`` as the first entry that is not measured, or
    ``absent``."""
    runs: tuple[str, ...] = ()
    """Those that are measured."""
    planned: int = 0
    """Entries: more than ``runs`` while some seeds are waiting."""
    value: float | None = None
    """Of the runs that are measured; None where one of them is undefined."""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """Pictures that the value rests on."""
    change: Change | None = None
    published: Printed | None = None
    published_change: Printed | None = None
    """Published difference to zero-shot, where no value was published."""
    rank: Rank = ""
    basis: Basis | None = None

    @property
    def unit(self) -> Unit:
        """How the number is written."""
        return unit_of(self.metric)

    @property
    def complete(self) -> bool:
        """Whether there is a number, and nothing is missing from it."""
        return self.state == MEASURED and self.value is not None

    @property
    def beyond_published(self) -> float | None:
        """Ours less the published value; where only a difference was published, ours less that."""
        if self.published is not None:
            return None if self.value is None else self.value - self.published.value
        if self.published_change is not None and self.change is not None:
            return self.change.value - self.published_change.value
        return None


def layout_cell(
    metric: str, entries: Sequence[Entry], axes: Mapping[str, str], compared: Compared = "zero-shot"
) -> LayoutCell:
    """The cell of entries that share a place; ``axes`` are the place's own, for a place without entries."""
    if not entries:
        return LayoutCell(metric, axes, ABSENT)
    done = [one for one in entries if one.score is not None]
    bases = {one.basis for one in done}
    cell = LayoutCell(
        metric,
        _shared([one.axes for one in entries]),
        next((one.state for one in entries if one.score is None), MEASURED),
        tuple(one.score.run for one in done if one.score),
        len(entries),
        basis=bases.pop() if len(bases) == 1 else None,
    )
    if not done:
        return cell
    found = _of_run(cell, done[0]) if len(done) == 1 else _of_seeds(cell, done)
    if compared == "regularizer":
        return replace(found, change=_of_regularizers(found, done[0].effect))
    return found


def ranked(cells: Mapping[Key, LayoutCell], group: Callable[[Key], Hashable]) -> dict[Key, LayoutCell]:
    """The cells with best and second marked among the complete ones of each group.

    Compared as they are written, so that equal numbers share a place; the next smaller number is second. A
    cell that stands alone in its group is compared with nothing.
    """
    groups: dict[Hashable, dict[Key, int]] = {}
    for key, cell in cells.items():
        count = steps(cell.value, cell.unit)
        if cell.complete and count is not None and cell.metric in (*RANKED, *LOW_RANKED):
            groups.setdefault(group(key), {})[key] = -count if cell.metric in LOW_RANKED else count
    marked = dict(cells)
    for members in groups.values():
        names: tuple[Rank, ...] = ("best", "second") if len(members) > 1 else ()
        ranks = dict(zip(sorted(set(members.values()), reverse=True), names, strict=False))
        for key, count in members.items():
            marked[key] = replace(cells[key], rank=ranks.get(count, ""))
    return marked


def joined(cell: LayoutCell, entries: Sequence[Entry], compared: Compared = "zero-shot") -> LayoutCell:
    """The mean over both halves of the classes as it was scored: with an interval, harmonic of accuracies.

    ``entries``: those of either half. The cell as it is where its runs were not scored so.
    """
    found = {one.joined.runs: one.joined for one in entries if one.joined is not None}
    halves = next(iter(found.values()), None)
    runs = {one.score.run for one in entries if one.score}
    if not cell.complete or halves is None or len(found) != 1 or set(halves.runs) != runs:
        return cell
    whole = halves.metrics.get(cell.metric)
    if whole is None:
        return cell
    change = _of_regularizers(replace(cell, runs=halves.runs), halves) if compared == "regularizer" else None
    return replace(cell, value=whole.mean, low=whole.low, high=whole.high, change=change)


def mean(metric: str, cells: Sequence[LayoutCell]) -> LayoutCell:
    """The mean over cells; absent unless every one of them is complete."""
    axes = _shared([cell.axes for cell in cells])
    whole = all(cell.complete for cell in cells)
    state = MEASURED if whole else ABSENT
    values = [cell.value for cell in cells if cell.value is not None]
    runs = tuple(run for cell in cells for run in cell.runs)
    planned = sum(cell.planned for cell in cells)
    return LayoutCell(metric, axes, state, runs, planned, fmean(values) if whole else None)


def _of_run(cell: LayoutCell, entry: Entry) -> LayoutCell:
    assert entry.score is not None
    one = entry.estimate(cell.metric) or Estimate(None, None, None, 0)
    found = entry.difference(cell.metric)
    change = None
    if entry.comparison is not None and found is not None and found.difference is not None:
        change = Change(entry.comparison.baseline, found.difference, found.low, found.high, found.verdict)
    return replace(cell, value=one.value, low=one.low, high=one.high, n=one.n, change=change)


def _of_seeds(cell: LayoutCell, done: Sequence[Entry]) -> LayoutCell:
    estimates = [one.estimate(cell.metric) for one in done]
    values = [one.value for one in estimates if one is not None and one.value is not None]
    if len(values) < len(done):
        return cell
    pictures = min(one.n for one in estimates if one is not None)
    seeds = done[0].seeds
    if seeds is None or set(seeds.runs) != set(cell.runs) or cell.metric not in seeds.metrics:
        return replace(cell, value=fmean(values), n=pictures, change=_mean_change(cell.metric, done))
    whole = seeds.metrics[cell.metric]
    change = _change_of_seeds(seeds, cell.metric)
    return replace(cell, value=whole.mean, low=whole.low, high=whole.high, n=pictures, change=change)


def _change_of_seeds(seeds: SeedCell, metric: str) -> Change | None:
    return _change(seeds.differences.get(metric))


def _of_regularizers(cell: LayoutCell, effect: RegularizerEffect | JoinedHalves | None) -> Change | None:
    """None where the effect is that of other seeds than the cell's."""
    if effect is None or set(effect.runs) != set(cell.runs):
        return None
    return _change(effect.differences.get(cell.metric))


def _change(one: SeedDifference | None) -> Change | None:
    if one is None or one.difference is None:
        return None
    return Change(one.baseline, one.difference, one.low, one.high, one.verdict)


def _mean_change(metric: str, done: Sequence[Entry]) -> Change | None:
    found = [one.difference(metric) for one in done]
    known = [one.difference for one in found if one is not None and one.difference is not None]
    baselines = {one.comparison.baseline for one in done if one.comparison}
    if len(known) < len(done) or len(baselines) != 1:
        return None
    return Change(baselines.pop(), fmean(known), None, None, None)


def _shared(listed: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = listed
    return {axis: value for axis, value in first.items() if all(one.get(axis) == value for one in others)}
