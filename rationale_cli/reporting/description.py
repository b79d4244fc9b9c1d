"""A dataset's description as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..measures.describing import BINS, Areas, ClassCount, ControlShare, SplitDescription
from .numbers import interval, number, threshold

_BAR = 40
_NAMED = 5
_EIGHTHS = " ▏▎▍▌▋▊▉"


def lines(splits: Sequence[SplitDescription], tau: float) -> list[str]:
    """Every split, one block each; evidence is valid where its mass on the object reaches ``tau``."""
    told: list[str] = []
    for split in splits:
        told += ["", *(_block(split, tau) if split.read else _unread(split))]
    return told[1:]


def bar(value: int, most: int, width: int = _BAR) -> str:
    """A bar of blocks; anything above 0 is seen.

    >>> bar(3, 4, 4), bar(1, 1000, 4), bar(0, 4, 4)
    ('███', '▏', '')
    """
    eighths = round(8 * width * value / most) if most else 0
    whole, rest = divmod(max(eighths, 1 if value else 0), 8)
    return "█" * whole + _EIGHTHS[rest].strip()


def _unread(split: SplitDescription) -> Iterator[str]:
    hint = f"not read: --split {split.name}" if split.pictures else "empty"
    yield f"{split.name}: {split.pictures:,} pictures ({hint})"


def _block(split: SplitDescription, tau: float) -> Iterator[str]:
    how = f"a sample of {split.read:,}" if split.sampled else "all read"
    yield f"{split.name}: {split.pictures:,} pictures ({how})"
    yield f"  annotated: {_annotated(split)}"
    yield from _problems(split)
    yield from _classes(split.classes)
    if split.area.n:
        yield from _areas(split.area)
        yield from _controls(split, tau)


def _annotated(split: SplitDescription) -> str:
    if not split.annotated:
        return "none; accuracy can be measured, evidence cannot"
    parts = [f"{split.masks:,} by masks"] if split.masks else []
    if split.boxes:
        parts.append(f"{split.boxes:,} by boxes, of these {split.several_boxes:,} by several")
    return f"{split.annotated:,} ({'; '.join(parts)})"


def _problems(split: SplitDescription) -> Iterator[str]:
    for what, found in (
        ("unreadable", tuple(split.unreadable)),
        ("nothing of the object is left by the crop", split.outside),
        ("the annotation marks nothing", split.blank),
    ):
        if found:
            yield f"  {what}: {len(found):,} ({_listed(found)})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _classes(classes: Sequence[ClassCount]) -> Iterator[str]:
    shown = sorted((one for one in classes if one.pictures), key=lambda one: one.pictures)
    lacking = [one.name for one in classes if not one.pictures]
    if not shown:
        return
    fewest, most = shown[0].pictures, shown[-1].pictures
    noun = "picture" if most == 1 else "pictures"
    if fewest == most:
        yield f"  classes: {len(shown):,} of {most:,} {noun} each"
    else:
        yield f"  classes: {len(shown):,} of {fewest:,} to {most:,} {noun}"
        yield f"    most:   {_counted(shown[::-1])}"
        yield f"    fewest: {_counted(shown)}"
    if lacking:
        yield f"    without a picture here: {len(lacking):,} ({_listed(lacking)})"
    bare = [one.name for one in shown if not one.annotated]
    if bare and len(bare) < len(shown):
        yield f"    without an annotation: {len(bare):,} ({_listed(bare)})"


def _counted(classes: Sequence[ClassCount]) -> str:
    return ", ".join(f"{one.name} {one.pictures:,}" for one in classes[:_NAMED])


def _areas(area: Areas) -> Iterator[str]:
    found = {level: number(value) for level, value in area.quantiles.items()}
    yield f"  the object's share of the view, in % ({area.n:,} pictures, mean {number(area.mean)})"
    yield (
        f"    from {found['0']} to {found['100']}, median {found['50']}, "
        f"half within {found['25']}–{found['75']}, nine tenths within {found['5']}–{found['95']}"
    )
    most, step = max(area.histogram), 100 // BINS
    for place, count in enumerate(area.histogram):
        yield f"    {place * step:3}–{(place + 1) * step:<3} {count:7,} {bar(count, most)}".rstrip()


def _controls(split: SplitDescription, tau: float) -> Iterator[str]:
    yield f"  heatmaps that explain nothing are valid evidence (RMA ≥ {threshold(tau)}) on"
    rows = [(label, one.share, one.valid) for label, one in _merged(split.controls)]
    width = max(len(label) for label, _, _ in rows)
    for label, share, hits in rows:
        limits = f" {interval(share.low, share.high)}" if split.sampled else ""
        yield f"    {label:<{width}}  {number(share.value):>5} %{limits}, {hits:,} of {share.n:,}"


def _merged(controls: Sequence[ControlShare]) -> list[tuple[str, ControlShare]]:
    """Controls with a label each; grids that agree share a line."""
    found: dict[tuple[str, int], list[ControlShare]] = {}
    for one in controls:
        found.setdefault((one.control, one.valid), []).append(one)
    return [
        (f"{name} at {' and '.join(f'{one.grid[0]}×{one.grid[1]}' for one in alike)} patches", alike[0])
        for (name, _), alike in found.items()
    ]
