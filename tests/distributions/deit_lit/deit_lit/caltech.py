"""Classes of Caltech-101 with the objects' contours from its annotation files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image
from scipy.io import loadmat

from rationale_cli.contracts import Mask, PluginOptions, Sample, Task
from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import read_picture

RENAMED = {
    "airplanes": "Airplanes_Side_2",
    "Faces": "Faces_2",
    "Faces_easy": "Faces_3",
    "Motorbikes": "Motorbikes_16",
}
"""Picture folders whose annotations lie under another name."""

_SUBPIXEL_BITS = 4
Edge = Literal["whole", "subpixel"]


@dataclass(frozen=True)
class CaltechSplit:
    """Annotated pictures, read when asked for."""

    root: Path
    ids: Sequence[str]
    labels: Sequence[int]
    edge: Edge

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """Raises ``InputError`` naming the picture or annotation that cannot be read."""
        name = self.ids[index]
        image = read_picture(self.root / "101_ObjectCategories" / f"{name}.jpg")
        mask = filled(contour(annotation_of(self.root, name)), image.size, self.edge)
        return Sample(name, image, self.labels[index], Mask(mask))


class Caltech12:
    """The annotated classes below a folder in Caltech-101's own layout; every fifth picture is held out."""

    class Options(PluginOptions):
        """Where the pictures are, and how outlines become masks."""

        root: Path | None = None
        """Folder with ``101_ObjectCategories`` and ``Annotations``."""
        edge: Edge = "whole"
        """``whole`` cuts the contour to whole pixels, as the paper's code does; ``subpixel`` keeps it."""

    def __init__(self, options: Options) -> None:
        if options.root is None or not (options.root / "Annotations").is_dir():
            raise InputError(f"Expected Caltech-101 with its Annotations but got {options.root}.")
        self._root = options.root.absolute()
        self._edge = options.edge
        pictures = sorted((self._root / "101_ObjectCategories").glob("*/image_*.jpg"))
        names = [f"{path.parent.name}/{path.stem}" for path in pictures]
        self._ids = tuple(name for name in names if annotation_of(self._root, name).is_file())
        self._folders = sorted({name.partition("/")[0] for name in self._ids})

    @property
    def task(self) -> Task:
        """Folder names with spaces."""
        return Task(tuple(folder.replace("_", " ").lower() for folder in self._folders))

    @property
    def splits(self) -> tuple[str, ...]:
        """Both parts, and all pictures."""
        return "train", "test", "all"

    @property
    def evaluation(self) -> tuple[str, ...]:
        """The held-out pictures."""
        return ("test",)

    @cached_property
    def fingerprint(self) -> str:
        """Of the identifiers and the sizes of picture files, and the mask rule."""
        pictures = self._root / "101_ObjectCategories"
        facts = [(name, (pictures / f"{name}.jpg").stat().st_size) for name in self._ids]
        return hashlib.sha256(repr((facts, self._edge)).encode()).hexdigest()[:16]

    def split(self, name: str) -> CaltechSplit:
        """``test``: every fifth picture from the second on, in order of all classes (the paper's rule)."""
        if name not in self.splits:
            raise InputError(f"Expected one of {', '.join(self.splits)} but got {name!r}.")
        held_out = range(1, len(self._ids), 5)
        chosen = [
            one
            for place, one in enumerate(self._ids)
            if name == "all" or (place in held_out) == (name == "test")
        ]
        labels = tuple(self._folders.index(one.partition("/")[0]) for one in chosen)
        return CaltechSplit(self._root, tuple(chosen), labels, self._edge)


def annotation_of(root: Path, name: str) -> Path:
    """``airplanes/image_0001`` → its annotation file."""
    folder, _, stem = name.partition("/")
    return root / "Annotations" / RENAMED.get(folder, folder) / f"{stem.replace('image', 'annotation')}.mat"


def contour(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Outline 2×N (x, y) relative to the box's corner, and that corner (left, top)."""
    try:
        content = loadmat(path)
        outline = np.asarray(content["obj_contour"], dtype=np.float64)
        top, _, left, _ = np.asarray(content["box_coord"], dtype=np.float64).ravel()
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"Expected an annotation with a contour but got {error!r}.", where=str(path)
        ) from error
    return outline, np.array([left, top])


def filled(outline: tuple[np.ndarray, np.ndarray], size: tuple[int, int], edge: Edge) -> Image.Image:
    """The polygon as an 'L' picture of 0 and 1 of that size (width, height)."""
    points, corner = outline[0].T, outline[1]
    mask = np.zeros(size[::-1], np.uint8)
    if edge == "whole":
        # Both terms are cut to whole pixels before they are added: the paper's rule, cut for cut.
        cv2.fillPoly(mask, [points.astype(np.int32) + corner.astype(np.int32)], 1)
    else:
        fine = np.rint((points + corner) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(mask, [fine], 1, shift=_SUBPIXEL_BITS)
    return Image.fromarray(mask)
