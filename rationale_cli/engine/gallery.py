"""Thumbnails and mask outlines of a sample, so that a report needs no dataset."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from contourpy import contour_generator
from PIL import Image
from torch import Tensor

from ..runs.atomic import write_text
from ..runs.evidence import OK, EvidenceTable
from ..runs.parts import spread, whole_folder
from .batches import Example, Pictures

SAMPLE = 48
PER_QUADRANT = 8
_THUMBNAIL = 160


def choose(table: EvidenceTable, threshold: float = 0.5) -> list[int]:
    """Rows to show: a sample even over the classes, and some of each quadrant."""
    ids = [str(one) for one in table.id]
    rows = set(spread(ids, table.label, SAMPLE, _key))
    usable = np.flatnonzero(table.status == OK)
    right = table.prediction[usable] == table.label[usable]
    quadrant = 2 * right + (table.rma[usable] >= threshold)
    for number in range(4):
        members = usable[quadrant == number]
        picked = spread([ids[row] for row in members], np.zeros(len(members), int), PER_QUADRANT, _key)
        rows |= {int(members[position]) for position in picked}
    return sorted(rows)


def write_gallery(folder: Path, pictures: Pictures, indices: Sequence[int]) -> None:
    """Write ``index.json`` and JPEG thumbnails of these pictures of a split into ``folder``."""
    size = pictures.preprocessing.size
    with whole_folder(folder) as staging:
        items = []
        for number, index in enumerate(indices):
            example = pictures[0, index]
            if not isinstance(example, Example):
                continue
            name = f"{number:04d}.jpg"
            _thumbnail(example.pixels).save(staging / name, quality=85)
            outline = [] if example.mask is None else outlines(example.mask.numpy())
            items.append({"id": example.id, "label": example.label, "image": name, "outline": outline})
        write_text(staging / "index.json", json.dumps({"schema": 1, "size": size, "items": items}))


def outlines(mask: npt.NDArray[np.uint8]) -> list[list[list[float]]]:
    """S×S 0/1 mask → closed polygons (x, y) in pixels around its parts."""
    padded = np.pad(mask.astype(np.float32), 1)
    lines = contour_generator(z=padded).lines(0.5)
    return [
        [[round(float(x) - 0.5, 1), round(float(y) - 0.5, 1)] for x, y in np.asarray(line)] for line in lines
    ]


def _thumbnail(pixels: Tensor) -> Image.Image:
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    if picture.width > _THUMBNAIL:
        picture = picture.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return picture


def _key(identifier: str) -> int:
    return zlib.crc32(identifier.encode())
