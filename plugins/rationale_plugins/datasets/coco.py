"""COCO 2017: photographs of eighty kinds of object with boxes and segmentations."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from rationale_cli.contracts import Boxes, Mask, MaskRules
from rationale_cli.errors import InputError

from ._crops import boxes_within
from ._index import listed
from ._instances import Instances, read_instances, read_segmentations
from ._objects import ObjectOptions, Objects, shown
from ._official import Official, Record, required
from ._segmentation import fill

PAGE = "https://cocodataset.org/#download (2017 Train images, 2017 Val images, 2017 Train/Val annotations)"
LAYOUT = """\
  DIR/train2017/000000000009.jpg
  DIR/val2017/000000000139.jpg
  DIR/annotations/instances_train2017.json, instances_val2017.json
either split alone will do"""

_SPLITS = ("train", "val")


class Coco(Official):
    """COCO 2017 (Lin et al., 2014, https://cocodataset.org).

    Pictures that a smaller copy lacks, and those without annotation, are left out. A region of many
    objects that were not told apart (``iscrowd``) belongs to its picture's evidence, and is no sample of
    its own.
    """

    mask_rules: ClassVar[MaskRules] = {"masks": {"evidence": "masks"}, "boxes": {"evidence": "boxes"}}

    class Options(ObjectOptions):
        """Where the data are, and what counts as a sample and as its object."""

    def __init__(self, options: Options) -> None:
        """Read the annotations. Raises ``InputError`` where they are missing or not understood."""
        told = {"dataset": "COCO 2017", "page": PAGE, "layout": LAYOUT}
        root = required(options.root, (), **told)
        given = [split for split in _SPLITS if all((root / part).exists() for part in _parts(split))]
        if not given:
            required(root, _parts("val"), **told)
        files = {split: listed(root, (f"{split}2017",), (".jpg",)).files for split in given}
        instances = {split: read_instances(root / _parts(split)[1]) for split in given}
        categories = _categories(root, instances)
        labels = {number: label for label, number in enumerate(categories)}
        self._settle(
            root=root,
            classnames=list(categories.values()),
            parts={one: _records(one, files[one], instances[one], labels, options) for one in given},
            read=_boxed if options.evidence == "boxes" else _filled,
            evaluation=("val",),
            settings=repr((options.settings, [one.digest for one in instances.values()])),
            template=options.template,
            sizes={path: size for part in files.values() for path, size in part.items()},
        )

    @cached_property
    def fingerprint(self) -> str:
        """Of class names, options, the annotation files' bytes, and names and sizes of the pictures.

        Of these every sample follows, and there may be a million.
        """
        pictures = {record.path for records in self._parts.values() for record in records}
        sizes = [(path, self._sizes[path]) for path in sorted(pictures)]
        facts = repr((self.task.classnames, self._settings, sizes))
        return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _parts(split: str) -> tuple[str, str]:
    """Folder of pictures and file of annotations."""
    return f"{split}2017", f"annotations/instances_{split}2017.json"


def _categories(root: Path, instances: Mapping[str, Instances]) -> dict[int, str]:
    """Number → name by number. Raises ``InputError`` where the files do not agree."""
    categories: dict[int, str] = {}
    for split, told in instances.items():
        for number, name in told.categories.items():
            if categories.setdefault(number, name) != name:
                raise InputError(
                    f"Expected category {number} to be {categories[number]!r}, as in the other file, "
                    f"but got {name!r}.",
                    where=str(root / _parts(split)[1]),
                )
    return dict(sorted(categories.items()))


def _records(
    split: str, files: Iterable[str], told: Instances, labels: Mapping[int, int], options: Coco.Options
) -> list[Record]:
    """Of the pictures that are there and annotated, in order of their names."""
    _, source = _parts(split)
    paths = list(files)
    places = {path.partition("/")[2]: place for place, path in enumerate(paths)}
    # Annotations of pictures that are not there come first, and are left out.
    picture = np.array([places.get(name, -1) for name, _, _ in told.images], np.int64)[told.image]
    rows = np.argsort(picture, kind="stable")[np.count_nonzero(picture < 0) :]
    objects = Objects(
        picture=picture[rows],
        label=np.array([labels[number] for number in told.category[rows].tolist()], np.int64),
        box=told.box[rows],
        decides=np.ones(len(rows), bool),
        separate=told.crowd[rows] == 0,
    )
    spans = np.stack([told.start, told.length], axis=1)[rows]
    evidence = list(map(tuple, (objects.box if options.evidence == "boxes" else spans).tolist()))
    sizes = {places.get(name): (width, height) for name, width, height in told.images}
    numbers = told.number[rows].tolist()
    records = []
    for place, label, own, window in shown(objects, options):
        name = paths[place].partition("/")[2].rpartition(".")[0]
        note = (sizes[place], tuple(evidence[row] for row in own), source)
        identifier = name if window is None else f"{name}#{numbers[own[0]]}"
        records.append(Record(identifier, paths[place], label, note, window))
    return records


def _boxed(root: Path, record: Record, image: Image.Image) -> Boxes | None:
    """Reads a record's boxes. Raises ``InputError`` where its picture is not the one they were drawn on."""
    size, boxes, _ = record.note
    _check(root / record.path, image.size, size)
    return boxes_within(boxes, (0, 0, *size))


def _filled(root: Path, record: Record, image: Image.Image) -> Mask | None:
    """Reads a record's segmentations. Raises ``InputError`` where they are damaged or of another picture."""
    size, spans, path = record.note
    _check(root / record.path, image.size, size)
    told = [one for one in read_segmentations(root / path, spans) if one is not None]
    if not told:
        return None
    try:
        inside = np.bitwise_or.reduce([fill(one, size) for one in told])
    except ValueError as error:
        raise InputError(
            f"Expected COCO's polygons or run lengths of {record.id} but got {error}.", where=str(root / path)
        ) from error
    return Mask(Image.fromarray(inside))


def _check(path: Path, size: tuple[int, int], told: tuple[int, int]) -> None:
    if size != told:
        raise InputError(
            f"Expected a picture of {told[0]}×{told[1]} pixels, as its annotations tell, "
            f"but got {size[0]}×{size[1]}.",
            where=str(path),
        )
