"""The gallery's data: a bounded sample of pictures, with every run's heatmaps in a few bytes each.

A heatmap travels as one byte a patch and is enlarged by the browser; a picture as a small JPEG. The page
draws what the reader asks for, so a report of many runs stays a few megabytes.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from ..errors import InputError
from ..measures.curves import THRESHOLDS
from ..runs.evidence import NO_ANNOTATION, OK, EvidenceSet, EvidenceTable
from ..runs.folder import Run

PICTURES = 40
"""Pictures of a split at most."""

_SIDE = 160
_KILOBYTES = 600
_CELLS = 576


@dataclass(frozen=True)
class _Item:
    id: str
    label: int
    file: Path
    outline: Sequence[Sequence[tuple[float, float]]]


def gallery(
    runs: Sequence[Run], split: str, specification: str, threshold: float, rma: str
) -> dict[str, Any] | None:
    """A sample of one split's pictures as plain JSON values, or None where no run has a gallery.

    ``specification`` and ``threshold`` decide the quadrants over which the sample is spread: each
    quadrant of each run has its share. ``rma`` names the column of the evidence table.
    """
    size, items = _items(runs, split)
    evidence = {run.name: run.evidence(split) for run in runs}
    ordered = _spread(list(items), [sets[specification].table for sets in evidence.values()], threshold, rma)
    pictures, chosen = _embedded(items, ordered)
    if not chosen:
        return None
    names = dict.fromkeys(name for sets in evidence.values() for name in sets)
    return {
        "size": size,
        "items": pictures,
        "sets": sorted(names, key=lambda name: name != specification),
        "runs": [_run(name, sets, specification, chosen, rma) for name, sets in evidence.items()],
    }


def _items(runs: Sequence[Run], split: str) -> tuple[int, dict[str, _Item]]:
    found: dict[str, _Item] = {}
    size = 0
    for run in runs:
        folder = run.gallery(split)
        if folder is None:
            continue
        try:
            index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            size = int(index["size"])
            for item in index["items"]:
                # Only a name: an index must not lead out of its folder.
                file = folder / Path(item["image"]).name
                found.setdefault(item["id"], _Item(item["id"], int(item["label"]), file, item["outline"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"Expected an index of thumbnails but could not read it: {error}",
                where=str(folder / "index.json"),
                next_step="run `rationale explain` on this run again",
            ) from error
    return size, found


def _spread(ids: Sequence[str], tables: Sequence[EvidenceTable], threshold: float, rma: str) -> list[str]:
    """Put ids in an order whose every beginning holds all quadrants of all runs about equally."""
    queues: dict[tuple[int, int], list[str]] = {}
    for number, table in enumerate(tables):
        rows = _rows(table)
        for identifier in ids:
            row = rows.get(identifier)
            if row is not None and table.status[row] != NO_ANNOTATION:
                right = table.prediction[row] == table.label[row]
                valid = getattr(table, rma)[row] >= threshold
                queues.setdefault((number, 2 * int(right) + int(valid)), []).append(identifier)
    turns = zip_longest(*queues.values())
    ordered = [identifier for turn in turns for identifier in turn if identifier is not None]
    return list(dict.fromkeys([*ordered, *ids]))


def _embedded(items: Mapping[str, _Item], order: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Pictures as data URIs until the sample is full, in the order of their classes."""
    room = _KILOBYTES * 1024
    taken: list[dict[str, Any]] = []
    for identifier in order[:PICTURES]:
        item = items[identifier]
        data = _jpeg(item.file)
        room -= len(data)
        if room < 0:
            break
        outline = [[[round(x, 1), round(y, 1)] for x, y in line] for line in item.outline]
        taken.append({"id": item.id, "label": item.label, "image": data, "outline": outline})
    taken.sort(key=lambda one: (one["label"], one["id"]))
    return taken, [one["id"] for one in taken]


def _jpeg(file: Path) -> str:
    try:
        with Image.open(file) as picture:
            small = picture.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(
            f"Expected a thumbnail but could not read it: {error}",
            where=str(file),
            next_step="run `rationale explain` on this run again",
        ) from error
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _run(
    name: str, sets: Mapping[str, EvidenceSet], specification: str, ids: Sequence[str], rma: str
) -> dict[str, Any]:
    table = sets[specification].table
    place = _rows(table)
    rows = [place.get(identifier, -1) for identifier in ids]
    return {
        "run": name,
        "prediction": [int(table.prediction[row]) if row >= 0 else -1 for row in rows],
        "confidence": [round(1000 * float(table.confidence[row])) if row >= 0 else None for row in rows],
        "sets": {key: _set(one, ids, rma) for key, one in sets.items()},
    }


def _set(one: EvidenceSet, ids: Sequence[str], rma: str) -> dict[str, Any]:
    place = _rows(one.table)
    rows = [place.get(identifier, -1) for identifier in ids]
    heatmaps = one.heatmaps()
    maps = [_bytes(np.asarray(heatmaps[max(row, 0)], np.float32)) for row in rows]
    mass = [float(getattr(one.table, rma)[row]) if row >= 0 else float("nan") for row in rows]
    return {
        "grid": list(maps[0].shape),
        "maps": base64.b64encode(np.stack(maps).tobytes()).decode("ascii"),
        "rma": [None if np.isnan(value) else round(1000 * value) for value in mass],
        "level": [_level(value) for value in mass],
        "status": [int(one.table.status[row]) if row >= 0 else NO_ANNOTATION for row in rows],
    }


def _level(mass: float) -> int:
    """Position of the highest threshold that a picture's mass reaches: valid up to there; −1 without evidence."""
    return int(np.searchsorted(THRESHOLDS, mass, side="right")) - 1 if not np.isnan(mass) else -1


def _bytes(heatmap: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """h×w → one byte a patch, from the least to the most relevant; a constant map is all 0."""
    step = max(1, int(np.ceil(np.sqrt(heatmap.size / _CELLS))))
    heatmap = heatmap[::step, ::step]
    low, high = float(heatmap.min()), float(heatmap.max())
    if not high > low:
        return np.zeros(heatmap.shape, np.uint8)
    return np.asarray(np.round(255 * (heatmap - low) / (high - low)), np.uint8)


def _rows(table: EvidenceTable) -> dict[str, int]:
    return {str(identifier): row for row, identifier in enumerate(table.id)}
