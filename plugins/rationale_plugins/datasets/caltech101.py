"""Caltech-101: photographs of 101 kinds of object with the outline of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from rationale_cli.contracts import Mask, MaskRules, Nominal, Protocols
from rationale_cli.errors import InputError

from ._index import listed
from ._mat import read_mat
from ._official import Official, Record, RootOptions, required, unwrapped
from ._polygon import centres_inside, fill_polygon

PAGE = "https://data.caltech.edu/records/mzrjq-6wc02 (caltech-101.zip, and unpack the two archives in it)"
LAYOUT = """\
  DIR/101_ObjectCategories/<class>/image_0001.jpg
  DIR/Annotations/<class>/annotation_0001.mat"""

RENAMED = {
    "airplanes": "Airplanes_Side_2",
    "Faces": "Faces_2",
    "Faces_easy": "Faces_3",
    "Motorbikes": "Motorbikes_16",
}
"""Folders of pictures whose annotations lie under another name."""

PLAIN = {
    "airplanes": "airplane",
    "Faces": "face",
    "Faces_easy": "face close-up",
    "Leopards": "leopard",
    "Motorbikes": "motorbike",
    "water_lilly": "water lily",
}
"""Class folders whose names are no words for one object."""

_PICTURES, _OUTLINES, _BACKGROUND = "101_ObjectCategories", "Annotations", "BACKGROUND_Google"
_EVERY, _FIRST = 5, 1
_FIRST_PIXEL = 1
"""Coordinates are MATLAB's: the first pixel's centre is at 1."""

MaskRule = Literal["exact", "reference"]


class Caltech101(Official):
    """Caltech-101 (Fei-Fei, Fergus, Perona, 2004, https://data.caltech.edu/records/mzrjq-6wc02).

    It has no official split. Every picture has one contour. Classes that a smaller copy lacks are left
    out; pictures without annotation are for training.
    """

    protocols: ClassVar[Protocols] = {
        "reference": {
            "dataset.mask": "reference",
            "dataset.names": "reference",
            "dataset.background": True,
            "dataset.split": "reference",
            "view.crop": 1.0,
        }
    }
    mask_rules: ClassVar[MaskRules] = {"exact": {"mask": "exact"}, "reference": {"mask": "reference"}}

    class Options(RootOptions):
        """Where the data are, which pictures are held out, and what the classes are called."""

        split: Literal["reference", "stratified"] = "reference"
        """Hold out every fifth annotated picture in order, as the paper's code does, or a fifth of every
        class by seed."""
        seed: int = 0
        """Which pictures the stratified split holds out."""
        mask: MaskRule = "exact"
        """Pixels whose centre is inside the contour; or as in the paper's code: the contour cut to whole
        pixels, filled as OpenCV fills it, its outline included (some 2 % more, half a pixel aside)."""
        names: Literal["plain", "reference"] = "plain"
        """Words for one object, correctly spelt, or the folders' ("faces easy", "airplanes")."""
        background: bool = False
        """Offer BACKGROUND_Google as a class to choose, as the paper's code does; its pictures, which
        show no object, are in no split all the same."""

    @classmethod
    def nominal(cls, options: Options) -> Nominal:
        """Counts of the published data under the paper's split; the stratified one differs by a few."""
        classes = 102 if options.background else 101
        return Nominal({"train": 6941, "test": 1736}, ("test",), classes)

    def __init__(self, options: Options) -> None:
        """List the folder. Raises ``InputError`` where pictures or annotations are missing."""
        root = required(
            unwrapped(options.root, _PICTURES, ("caltech-101", "caltech101")),
            (_PICTURES, _OUTLINES),
            dataset="Caltech-101",
            page=PAGE,
            layout=LAYOUT,
        )
        files = listed(root, (_PICTURES, _OUTLINES), (".jpg", ".mat")).files
        pictures = [path for path in files if _belongs(path)]
        present = {_folder(path) for path in pictures}
        folders = sorted(present | {_BACKGROUND} if options.background else present)
        records = [_record(path, folders, files) for path in pictures]
        self._settle(
            root=root,
            classnames=[_words(folder, options.names) for folder in folders],
            parts=_parts(records, options),
            read=Contours(options.mask),
            settings=options.mask,
            template=options.template,
            sizes=files,
        )


@dataclass(frozen=True)
class Contours:
    """Reads a record's contour as a mask."""

    rule: MaskRule

    def __call__(self, root: Path, record: Record, image: Image.Image) -> Mask | None:
        """Raises ``InputError`` naming an annotation that cannot be read."""
        if record.note is None:
            return None
        path = root / record.note
        contour, corners = read_mat(path, "obj_contour", "box_coord")
        if contour.ndim != 2 or len(contour) != 2 or corners.size != 4 or not contour.size:
            raise InputError(
                "Expected a contour of 2×N and a box of 4 numbers "
                f"but got {contour.shape} and {corners.shape}.",
                where=str(path),
            )
        top, _, left, _ = corners.ravel()
        corner = np.array([left, top])
        if self.rule == "reference":
            points = contour.T.astype(np.int64) + corner.astype(np.int64)
            return Mask(Image.fromarray(fill_polygon(points, image.size)))
        return Mask(Image.fromarray(centres_inside(contour.T + corner - _FIRST_PIXEL, image.size)))


def _belongs(path: str) -> bool:
    kind, _, rest = path.partition("/")
    return kind == _PICTURES and rest.count("/") == 1 and not rest.startswith(f"{_BACKGROUND}/")


def _folder(path: str) -> str:
    return path.split("/")[1]


def _words(folder: str, rule: Literal["plain", "reference"]) -> str:
    if rule == "plain" and folder in PLAIN:
        return PLAIN[folder]
    return folder.replace("_", " ").lower()


def _record(path: str, folders: Sequence[str], files: Mapping[str, int]) -> Record:
    _, folder, name = path.split("/")
    stem = name.rpartition(".")[0]
    note = f"{_OUTLINES}/{RENAMED.get(folder, folder)}/{stem.replace('image', 'annotation')}.mat"
    return Record(f"{folder}/{stem}", path, folders.index(folder), note if note in files else None)


def _parts(records: Sequence[Record], options: Caltech101.Options) -> dict[str, list[Record]]:
    annotated = [record for record in records if record.note is not None]
    if options.split == "reference":
        held_out = {record.id for record in annotated[_FIRST::_EVERY]}
    else:
        held_out = _drawn(annotated, options.seed)
    return {
        "train": [record for record in records if record.id not in held_out],
        "test": [record for record in records if record.id in held_out],
    }


def _drawn(records: Sequence[Record], seed: int) -> set[str]:
    """A fifth of every class, by a hash of seed and identifier: other pictures move few of them."""
    classes: dict[int, list[str]] = {}
    for record in records:
        classes.setdefault(record.label, []).append(record.id)
    drawn: set[str] = set()
    for ids in classes.values():
        ids.sort(key=lambda one: hashlib.sha256(f"{seed}:{one}".encode()).digest())
        drawn.update(ids[: round(len(ids) / _EVERY)])
    return drawn
