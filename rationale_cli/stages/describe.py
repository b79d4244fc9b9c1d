"""Describe: dataset → counts, areas, what controls score, and a sheet of pictures with their outlines."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from ..contracts import Dataset, Preprocessing, Progress, Silent, Split
from ..engine.batches import Example, Pictures, limited
from ..engine.configuration import Chosen
from ..engine.gallery import outlines
from ..engine.survey import Annotations, Control, drawn_controls, survey
from ..errors import InputError, did_you_mean
from ..measures.describing import SplitDescription, Surveyed, describe, unread
from ..registry import Registry
from ..reporting.contact_sheet import Section, Tile, write_sheet
from ..runs.parts import spread

VIEW = Preprocessing(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic")
"""What most models see: 224 pixels, the short side resized, the centre cropped."""

ON_SHEET = 48
"""Pictures on the sheet, over all splits."""

_MOST_OUTSIDE = 8


@dataclass(frozen=True)
class DescribeRequest:
    """Which dataset to describe, and how it is looked at."""

    dataset: Chosen
    registry: Registry
    splits: tuple[str, ...] | None = ()
    """Splits to read; empty takes the dataset's own evaluation splits, None takes all."""
    view: Preprocessing = VIEW
    threshold: float = 0.5
    limit: int | None = None
    """Read at most so many pictures of each split, evenly spread."""
    workers: int | None = None
    """Processes that read pictures; None decides by their number."""
    sheet: Path | None = None
    """Where the contact sheet goes; None makes none."""


@dataclass(frozen=True)
class DescribeResult:
    """What the data are like."""

    dataset: str
    """Qualified plugin name."""
    fingerprint: str
    classnames: tuple[str, ...]
    view: Preprocessing
    threshold: float
    splits: tuple[SplitDescription, ...]
    """Every split of the dataset in its order; those that were not read have their size only."""
    sheet: Path | None


def run(request: DescribeRequest, progress: Progress | None = None) -> DescribeResult:
    """Read every annotation of the splits. Unreadable pictures are named in the result.

    Raises ``InputError`` for a split that the dataset does not have, and what the dataset raises.
    """
    progress = progress or Silent()
    dataset = cast(Dataset, request.dataset.build())
    wanted = dataset.splits if request.splits is None else request.splits or dataset.evaluation
    for name in wanted:
        if name not in dataset.splits:
            raise InputError(
                f"Expected a split of {request.dataset.bare!r} but got {name!r}. "
                f"{did_you_mean(name, dataset.splits)}"
            )
    splits = {name: dataset.split(name) for name in dataset.splits}
    controls = drawn_controls(request.registry)
    seen = {
        name: _read(request, controls, name, split, progress)
        for name, split in splits.items()
        if name in wanted
    }
    names = dataset.task.classnames
    described = tuple(
        describe(name, len(split), seen[name], names, request.threshold)
        if name in seen
        else unread(name, len(split))
        for name, split in splits.items()
    )
    if request.sheet is not None:
        _write_sheet(request, request.sheet, splits, seen, names)
    return DescribeResult(
        request.dataset.name,
        dataset.fingerprint,
        names,
        request.view,
        request.threshold,
        described,
        request.sheet,
    )


def _read(
    request: DescribeRequest, controls: Sequence[Control], name: str, split: Split, progress: Progress
) -> Surveyed:
    indices = limited(len(split), request.limit)
    with progress.task(f"reading {name}", len(indices)) as advance:
        annotations = Annotations(split, request.view)
        return survey(annotations, indices, controls, request.workers, advance)


def _write_sheet(
    request: DescribeRequest,
    path: Path,
    splits: Mapping[str, Split],
    seen: Mapping[str, Surveyed],
    names: tuple[str, ...],
) -> None:
    share = max(ON_SHEET // max(len(seen), 1), 1)
    sections = []
    for name, facts in seen.items():
        chosen = _chosen(facts, share)
        if not chosen:
            continue
        place = {identifier: index for index, identifier in enumerate(splits[name].ids)}
        pictures = Pictures(splits[name], request.view, evidence=True)
        examples = [pictures[0, place[facts.ids[row]]] for row in chosen]
        tiles = tuple(_tile(one, names) for one in examples if isinstance(one, Example))
        title = f"{request.dataset.bare} / {name}: {len(tiles)} of {len(splits[name]):,} pictures"
        sections.append(Section(title, tiles))
    write_sheet(path, sections, "As a model sees them: the object's outline, and its share of the picture.")


def _chosen(facts: Surveyed, share: int) -> list[int]:
    """Rows to show: even over the classes, and some whose view shows nothing of the object."""
    rows = set(spread(facts.ids, facts.label, share, lambda one: zlib.crc32(one.encode())))
    rows |= {int(row) for row in np.flatnonzero(facts.area == 0)[:_MOST_OUTSIDE]}
    return sorted(rows, key=lambda row: (facts.label[row], facts.ids[row]))


def _tile(example: Example, names: tuple[str, ...]) -> Tile:
    picture = Image.fromarray(example.pixels.permute(1, 2, 0).numpy())
    if example.mask is None:
        return Tile(picture, (), names[example.label], example.id, "no annotation")
    area = float(example.mask.float().mean())
    problem = "" if area else "nothing of the object"
    outline = tuple(tuple((x, y) for x, y in line) for line in outlines(example.mask.numpy()))
    return Tile(picture, outline, names[example.label], example.id, problem or f"{area:.0%}", bool(problem))
