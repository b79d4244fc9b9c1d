"""The gallery's data: a bounded sample of pictures, with every run's heatmaps in a few bytes each.

A heatmap travels as one byte a patch and is enlarged by the browser; a picture as a small JPEG. The page
draws what the reader asks for, so a report of many runs stays a few megabytes.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from ..errors import InputError
from ..measures.curves import THRESHOLDS
from ..runs.evidence import NO_ANNOTATION, EvidenceSet, EvidenceTable
from ..runs.folder import Run

Sets = Mapping[str, EvidenceSet]
"""Evidence of one run on one split, by name."""

PICTURES, FEWEST = 40, 8
"""Pictures of a split at most, and at least where it has so many."""

_SIDE = 160
_KILOBYTES = 600
_ROOM = 1 << 19
"""Bytes of all galleries of a report beside the first one's."""
_WRITTEN = 12
"""Bytes of what is written of one heatmap beside its picture: mass, quadrant, status."""
_CELLS = 576
_PARTS, _POINTS = 12, 100


@dataclass(frozen=True)
class Basis:
    """What the report is about: decides the quadrants that the sample is spread over."""

    specification: str
    threshold: float
    rma: str
    """``normalised`` or ``raw``."""

    def mass(self, table: EvidenceTable) -> npt.NDArray[np.float64]:
        """RMA of the kind that the report uses."""
        return table.rma if self.rma == "normalised" else table.rma_raw


@dataclass(frozen=True)
class Kept:
    """A thumbnail that a run folder keeps."""

    id: str
    label: int
    file: Path
    outline: list[list[list[float]]]
    """Closed polygons in hundredths of the picture."""


def gallery(
    runs: Mapping[str, Run], evidence: Mapping[str, Sets], split: str, basis: Basis
) -> dict[str, Any] | None:
    """A sample of one split's pictures as plain JSON values, or None where no run has a gallery.

    ``runs`` and their ``evidence`` on that split by their names in the table. Each quadrant of each run has
    its share of the sample.
    """
    items = kept_pictures(list(runs.values()), split)
    tables = [sets[basis.specification].table for sets in evidence.values()]
    pictures = _embedded(items, _spread(list(items), tables, basis))
    if not pictures:
        return None
    ids = [one["id"] for one in pictures]
    names = dict.fromkeys(name for sets in evidence.values() for name in sets)
    return {
        "items": pictures,
        "sets": sorted(names, key=lambda name: name != basis.specification),
        "controls": [name for name in names if any(_control(sets, name) for sets in evidence.values())],
        "runs": [_run(name, sets, ids, basis) for name, sets in evidence.items()],
    }


def within_room(galleries: Sequence[dict[str, Any] | None]) -> list[dict[str, Any] | None]:
    """The galleries of one report, each with so many of its pictures that they fit together.

    The first one has ``_KILOBYTES``, all others share ``_ROOM`` and show no controls. A beginning of each
    sample holds all quadrants as the whole does.
    """
    others = _ROOM // max(len(galleries) - 1, 1)
    rooms = [_KILOBYTES * 1024] + [min(others, _KILOBYTES * 1024)] * len(galleries[1:])
    explained = [one and (_explanations(one) if place else one) for place, one in enumerate(galleries)]
    return [one and _beginning(one, _fitting(one, room)) for one, room in zip(explained, rooms, strict=True)]


def _explanations(gallery: Mapping[str, Any]) -> dict[str, Any]:
    """Without the heatmaps of controls; with them where there is nothing else."""
    kept = [name for name in gallery["sets"] if name not in gallery["controls"]] or gallery["sets"]
    runs = [
        {**run, "sets": {name: one for name, one in run["sets"].items() if name in kept}}
        for run in gallery["runs"]
    ]
    return {**gallery, "sets": kept, "runs": runs}


def _fitting(gallery: Mapping[str, Any], room: int) -> int:
    total = len(gallery["items"])
    sets = [one for run in gallery["runs"] for one in run["sets"].values()]
    maps = sum(len(one["maps"]) for one in sets if not _alike(one)) / total
    written = (len(json.dumps(item)) + maps + _WRITTEN * len(sets) for item in gallery["items"])
    used, fitting = 0.0, 0
    for size in written:
        used += size
        fitting += used <= room
    return min(total, max(fitting, FEWEST))


def _beginning(gallery: Mapping[str, Any], n: int) -> dict[str, Any]:
    """The first ``n`` pictures."""
    runs = [
        {
            **{key: run[key][:n] for key in ("prediction", "confidence")},
            "run": run["run"],
            "sets": {name: _first(one, n) for name, one in run["sets"].items()},
        }
        for run in gallery["runs"]
    ]
    return {**gallery, "items": gallery["items"][:n], "runs": runs}


def _first(one: Mapping[str, Any], n: int) -> dict[str, Any]:
    size = one["grid"][0] * one["grid"][1]
    maps = base64.b64encode(base64.b64decode(one["maps"])[: n * size]).decode("ascii")
    lists = {key: one[key][:n] for key in ("rma", "valid", "level", "status")}
    return {**one, "maps": maps, **lists}


def _alike(one: Mapping[str, Any]) -> bool:
    """Whether one map stands for all pictures, as that of a control which looks at none."""
    return bool(len(base64.b64decode(one["maps"])) == one["grid"][0] * one["grid"][1])


def kept_pictures(runs: Sequence[Run], split: str) -> dict[str, Kept]:
    """Thumbnails of a split that any of the runs keeps, by the pictures' ids.

    Raises ``InputError`` for an index that cannot be read.
    """
    found: dict[str, Kept] = {}
    for run in runs:
        folder = run.gallery(split)
        if folder is None:
            continue
        try:
            index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            scale = 100 / int(index["size"])
            for item in index["items"]:
                # Only a name: an index must not lead out of its folder.
                file = folder / Path(item["image"]).name
                outline = _simplified(item["outline"], scale)
                found.setdefault(item["id"], Kept(item["id"], int(item["label"]), file, outline))
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise InputError(
                f"Expected an index of thumbnails but could not read it: {error}",
                where=str(folder / "index.json"),
                next_step="run `rationale explain` on this run again",
            ) from error
    return found


def _simplified(lines: Sequence[Sequence[tuple[float, float]]], scale: float) -> list[list[list[float]]]:
    """The longest parts of an outline, with as many points as a thumbnail can show."""
    longest = sorted(lines, key=len, reverse=True)[:_PARTS]
    thinned = (line[:: 1 + len(line) // _POINTS] for line in longest)
    return [[[round(scale * x, 1), round(scale * y, 1)] for x, y in line] for line in thinned]


def _spread(ids: Sequence[str], tables: Sequence[EvidenceTable], basis: Basis) -> list[str]:
    """Put ids in an order whose every beginning holds all quadrants of all runs about equally."""
    queues: dict[tuple[int, int], list[str]] = {}
    for number, table in enumerate(tables):
        for identifier, row in zip(ids, rows_of(table, ids), strict=True):
            if row >= 0 and table.status[row] != NO_ANNOTATION:
                right = table.prediction[row] == table.label[row]
                valid = basis.mass(table)[row] >= basis.threshold
                queues.setdefault((number, 2 * int(right) + int(valid)), []).append(identifier)
    turns = zip_longest(*queues.values())
    ordered = [identifier for turn in turns for identifier in turn if identifier is not None]
    return list(dict.fromkeys([*ordered, *ids]))


def _embedded(items: Mapping[str, Kept], order: Sequence[str]) -> list[dict[str, Any]]:
    """Pictures with their JPEG data until the sample is full."""
    room = _KILOBYTES * 1024
    taken: list[dict[str, Any]] = []
    for identifier in order[:PICTURES]:
        item = items[identifier]
        data = jpeg(item.file)
        room -= len(data)
        if room < 0:
            break
        taken.append({"id": item.id, "label": item.label, "image": data, "outline": item.outline})
    return taken


def jpeg(file: Path) -> str:
    """A thumbnail as base64. Raises ``InputError`` where it cannot be read."""
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


def _run(name: str, sets: Sets, ids: Sequence[str], basis: Basis) -> dict[str, Any]:
    table = sets[basis.specification].table
    rows = rows_of(table, ids)
    return {
        "run": name,
        "prediction": [int(table.prediction[row]) if row >= 0 else -1 for row in rows],
        "confidence": [round(1000 * float(table.confidence[row])) if row >= 0 else None for row in rows],
        "sets": {key: _set(one, _rows(one, table, rows, ids), basis) for key, one in sets.items()},
    }


def _rows(one: EvidenceSet, known: EvidenceTable, rows: Sequence[int], ids: Sequence[str]) -> Sequence[int]:
    """Those of a table that names the same pictures, looked up already, or its own."""
    return rows if one.table.id is known.id else rows_of(one.table, ids)


def _set(one: EvidenceSet, rows: Sequence[int], basis: Basis) -> dict[str, Any]:
    heatmaps = one.heatmaps()
    maps = [patch_bytes(np.asarray(heatmaps[max(row, 0)], np.float32)) for row in rows]
    if all(np.array_equal(maps[0], other) for other in maps):
        maps = maps[:1]
    mass = [float(basis.mass(one.table)[row]) if row >= 0 else float("nan") for row in rows]
    return {
        "grid": list(maps[0].shape),
        "maps": base64.b64encode(np.stack(maps).tobytes()).decode("ascii"),
        "rma": [None if np.isnan(value) else round(1000 * value) for value in mass],
        "valid": [int(value >= basis.threshold) for value in mass],
        "level": [_level(value) for value in mass],
        "status": [int(one.table.status[row]) if row >= 0 else NO_ANNOTATION for row in rows],
    }


def _control(sets: Sets, name: str) -> bool:
    return name in sets and sets[name].spec.control


def _level(mass: float) -> int:
    """The highest threshold that a picture's mass reaches, by position: valid up to there; −1 for none."""
    return int(np.searchsorted(THRESHOLDS, mass, side="right")) - 1 if not np.isnan(mass) else -1


def patch_bytes(heatmap: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """h×w → one byte a patch, from the least to the most relevant; a constant map is all 0."""
    step = max(1, int(np.ceil(np.sqrt(heatmap.size / _CELLS))))
    heatmap = heatmap[::step, ::step]
    low, high = float(heatmap.min()), float(heatmap.max())
    if not high > low:
        return np.zeros(heatmap.shape, np.uint8)
    return np.asarray(np.round(255 * (heatmap - low) / (high - low)), np.uint8)


def rows_of(table: EvidenceTable, ids: Sequence[str]) -> list[int]:
    """Position of each picture in a table; −1 where it is not in it."""
    wanted = set(ids)
    places = {identifier: row for row, identifier in enumerate(table.id.tolist()) if identifier in wanted}
    return [places.get(identifier, -1) for identifier in ids]
