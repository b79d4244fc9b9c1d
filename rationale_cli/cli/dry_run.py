"""What ``rationale run --dry-run`` tells: cells, what they lack, and what they will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..stages.estimate import CellEstimate, Estimate
    from ..stages.grid import GridRequest

_STEPS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def dry_run(request: GridRequest, *, as_json: bool) -> None:
    """Estimate and tell. Raises what ``stages.grid.inspect`` raises."""
    from ..stages.estimate import run as estimate
    from ..stages.grid import inspect
    from .screen import TerminalProgress, print_json

    found = estimate(inspect(request), request.registry, TerminalProgress())
    if as_json:
        print_json(_json(request.recipe.name, found))
    else:
        _show(found)


def duration(seconds: float) -> str:
    """Two units at most: ``2 d 4 h``, ``3 min 20 s``, ``under 1 s``.

    >>> duration(0), duration(0.2), duration(200), duration(187_201)
    ('–', 'under 1 s', '3 min 20 s', '2 d 4 h')
    """
    if seconds <= 0:
        return "–"
    left, told = round(seconds), list[str]()
    for size, unit in _STEPS:
        count, left = divmod(left, size)
        if count or told:
            told.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in told[:2] if part) or "under 1 s"


def _show(found: Estimate) -> None:
    from rich.table import Table
    from rich.text import Text

    from .screen import console

    lacks: dict[str, int] = {}
    for one in found.cells:
        for text in one.missing:
            lacks.setdefault(text, len(lacks) + 1)
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("Cell and run", overflow="fold")
    for title in ("State", "Lacks"):
        table.add_column(title)
    for title in ("Tune on", "Explain", "Time"):
        table.add_column(title, justify="right")
    for one in found.cells:
        run = f"\n{one.cell.path}" if one.cell.path and one.cell.label != one.cell.path.name else ""
        name = Text.assemble(one.cell.label, (run, "dim"))
        numbers = ", ".join(str(lacks[text]) for text in one.missing)
        table.add_row(name, one.cell.state, numbers, *_pictures(one), _time(one))
    console().print(table)
    if lacks:
        console().print("\nLacking:")
        for text, number in lacks.items():
            console().print(f"  {number}  {text}", markup=False, soft_wrap=True)
    _show_basis(found)
    unknown = f"; {found.unknown} of {len(found.cells)} cells unknown" if found.unknown else ""
    console().print(f"\nTotal: {duration(found.seconds)}{unknown}", markup=False)


def _pictures(one: CellEstimate) -> tuple[str, str]:
    if one.work is None:
        return "?", "?"
    about = "*" if one.work.published else ""
    tune = f"{one.work.tune:,} × {one.work.epochs}{about}" if one.work.tune else "–"
    return tune, f"{one.work.explain:,}{about}" if one.work.explain else "–"


def _time(one: CellEstimate) -> str:
    return "?" if one.seconds is None else duration(one.seconds.total)


def _show_basis(found: Estimate) -> None:
    from ..engine.timing import TRAINING, WITNESS
    from .screen import console

    if any(one.work and one.work.published for one in found.cells):
        console().print("\n* as published, for these data are not here")
    if found.speeds:
        console().print("\nTime in one process on this machine, from a forward with random weights:")
        for name, speed in found.speeds.items():
            told = f"{_milliseconds(speed.picture)} a picture, {_milliseconds(speed.text)} a text"
            console().print(f"  {name}: {told} ({speed.device}, {speed.at_once} at once)", markup=False)
        console().print(
            f"A tower that trains counts {TRAINING} forwards; a heatmap one and one more for each gradient "
            f"through all layers; the witness {WITNESS}. Reading pictures is not counted.",
            markup=False,
        )
    for name, reason in found.unmeasured.items():
        console().print(f"Not measured: {name}: {reason}", markup=False)


def _milliseconds(seconds: float) -> str:
    milliseconds = 1000 * seconds
    return f"{milliseconds:,.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"


def _json(recipe: str, found: Estimate) -> dict[str, Any]:
    from ..engine.timing import TRAINING, WITNESS

    return {
        "recipe": recipe,
        "cells": [_cell(one) for one in found.cells],
        "measured": [{"model": name, **vars(speed)} for name, speed in found.speeds.items()],
        "unmeasured": dict(found.unmeasured),
        "factors": {"training": TRAINING, "witness": WITNESS},
        "total": {"seconds": found.seconds, "unknown_cells": found.unknown},
    }


def _cell(one: CellEstimate) -> dict[str, Any]:
    cell = one.cell
    return {
        "cell": cell.label,
        "axes": dict(cell.axes),
        "state": cell.state,
        "reason": cell.reason,
        "run": None if cell.path is None else str(cell.path),
        "missing": list(one.missing),
        "pictures": one.work and one.work._asdict(),
        "seconds": one.seconds and one.seconds._asdict(),
    }
