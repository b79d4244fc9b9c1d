"""ImageNet-S: classes of ImageNet with masks drawn by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from rationale_cli.contracts import Mask, MaskRules
from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import read_levels

from ._imagenet_layout import PICTURES
from ._imagenet_names import ImageNetClass, ImageNetOptions, classes, classnames, labels
from ._index import listed
from ._official import Official, Record, required

PAGE = "https://github.com/LUSSeg/ImageNet-S"
LAYOUT = """\
  DIR/validation/n01443537/ILSVRC2012_val_00000236.JPEG
  DIR/validation-segmentation/n01443537/ILSVRC2012_val_00000236.png
  DIR/train/…, and DIR/train-semi/… with DIR/train-semi-segmentation/…
where DIR is ImageNetS50, ImageNetS300 or ImageNetS919"""

_SPLITS = {"train": "train-semi", "train-semi": "train-semi", "validation": "validation"}
"""Split → whose "-segmentation" folder holds its masks; the test set's are not public."""
_SUBSETS = (50, 300, 919)
_IGNORED = 1000


class ImageNetS(Official):
    """ImageNet-S 50, 300 and 919 (Gao et al., 2022, https://github.com/LUSSeg/ImageNet-S).

    A mask may hold several classes: the object is the picture's own. Of ``train`` only the pictures of
    ``train-semi`` have masks.
    """

    mask_rules: ClassVar[MaskRules] = {
        "marked": {"ignored": "background"},
        "marked-and-ignored": {"ignored": "object"},
    }

    class Options(ImageNetOptions):
        """Where the data are, what classes are called, what of a mask is the object."""

        ignored: Literal["background", "object"] = "background"
        """What the pixels are that the annotators marked to be ignored."""
        categories: Path | None = None
        """List of the subset's synsets (ImageNetS_categories_im50.txt …); by default its class folders,
        which must then be complete: masks number the classes in that order."""

    def __init__(self, options: Options) -> None:
        """List the folder. Raises ``InputError`` where it or its list of classes is not complete."""
        root = required(options.root, ("validation",), dataset="ImageNet-S", page=PAGE, layout=LAYOUT)
        pictures = listed(root, tuple(_SPLITS), PICTURES).files
        masks = listed(root, sorted({f"{part}-segmentation" for part in _SPLITS.values()}), (".png",)).files
        chosen = _classes(root, pictures, options.categories)
        numbers = {one.synset: label for label, one in enumerate(chosen)}
        parts: dict[str, list[Record]] = {split: [] for split in _SPLITS}
        for path in pictures:
            split, synset, name = path.split("/", maxsplit=2)
            mask = f"{_SPLITS[split]}-segmentation/{synset}/{name.rpartition('.')[0]}.png"
            note = mask if mask in masks else None
            if synset not in numbers:
                raise _stranger(synset, root / path)
            parts[split].append(Record(f"{synset}/{name.rpartition('.')[0]}", path, numbers[synset], note))
        self._settle(
            root=root,
            classnames=classnames(options.names, options.duplicates, chosen),
            parts=parts,
            read=ClassMasks(options.ignored),
            evaluation=("validation",),
            settings=options.ignored,
            template=options.template,
            sizes=pictures | masks,
        )


@dataclass(frozen=True)
class ClassMasks:
    """Reads a record's mask: class = red + 256 · green, from 1 in the order of the labels."""

    ignored: Literal["background", "object"]

    def __call__(self, root: Path, record: Record, image: Image.Image) -> Mask | None:
        """Raises ``InputError`` naming a mask that cannot be read or does not fit its picture."""
        if record.note is None:
            return None
        colours = read_levels(root / record.note, image.size, "mask", "RGB")
        inside = _drawn(colours, record.label + 1)
        if self.ignored == "object":
            inside = inside | _drawn(colours, _IGNORED)
        return Mask(Image.fromarray(inside.astype(np.uint8) * 255))


def _drawn(colours: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.bool_]:
    """H×W×3 → H×W: where a class is."""
    green, red = divmod(number, 256)
    return np.asarray((colours[..., 0] == red) & (colours[..., 1] == green))


def _classes(root: Path, pictures: Mapping[str, int], categories: Path | None) -> tuple[ImageNetClass, ...]:
    """The subset's classes in the order in which its masks number them."""
    if categories is not None:
        try:
            words = (line.split() for line in categories.expanduser().read_text("utf-8").splitlines())
            synsets = sorted(one[0] for one in words if one)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"Expected a list of synsets but could not read it: {error}.", where=str(categories)
            ) from error
    else:
        synsets = sorted({path.split("/")[1] for path in pictures})
        if len(synsets) not in _SUBSETS:
            raise InputError(
                f"Expected the class folders of 50, 300 or 919 synsets but got {len(synsets)}: masks number "
                "the classes of the whole subset.",
                where=str(root),
                next_step="complete the folders, or name the subset's list "
                f"(ImageNetS_categories_im50.txt from {PAGE}) with --set dataset.categories=FILE",
            )
    for synset in synsets:
        if synset not in labels():
            raise _stranger(synset, categories or root)
    return tuple(classes()[labels()[synset]] for synset in synsets)


def _stranger(synset: str, where: Path) -> InputError:
    return InputError(
        f"Expected a synset of the subset but {synset!r} is none of its classes.", where=str(where)
    )
