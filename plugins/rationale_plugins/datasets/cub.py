"""CUB-200-2011: photographs of 200 kinds of bird with a segmentation of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from rationale_cli.contracts import MaskRules, Nominal, Protocols
from rationale_cli.errors import InputError

from ._index import listed
from ._official import Official, Record, RootOptions, required, unwrapped
from ._outlines import RULES, MaskRule, Outlines

PAGE = "https://www.vision.caltech.edu/datasets/cub_200_2011/ (CUB_200_2011.tgz and segmentations.tgz)"
LAYOUT = """\
  DIR/CUB_200_2011/classes.txt, images.txt, image_class_labels.txt, train_test_split.txt
  DIR/CUB_200_2011/images/001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg
  DIR/segmentations/001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.png
segmentations is an archive of its own; it may also lie in CUB_200_2011"""

_LISTS = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


class Cub(Official):
    """Caltech-UCSD Birds 200-2011 (Wah et al., 2011, https://www.vision.caltech.edu/datasets/cub_200_2011/).

    Lists are joined by a picture's number. Pictures that a smaller copy lacks are left out; pictures
    without segmentation have no evidence.
    """

    protocols: ClassVar[Protocols] = {
        "reference": {"dataset.mask": "full", "dataset.split": "reference", "view.crop": 0.875}
    }
    mask_rules: ClassVar[MaskRules] = RULES

    class Options(RootOptions):
        """Where the data are, which split, and which pixels belong to a bird."""

        split: Literal["official", "reference"] = "official"
        """The official split; or what the paper's code makes of it: the same flags in order, but given
        to the pictures in order of their names, which is another order."""
        mask: MaskRule = "half"
        """Pixels that more than half of the annotators drew, or (full) only those that all of them drew."""

    @classmethod
    def nominal(cls, options: Options) -> Nominal:
        """Counts of the published data."""
        return Nominal({"train": 5994, "test": 5794}, ("test",), 200)

    def __init__(self, options: Options) -> None:
        """Read the lists. Raises ``InputError`` where something is missing or not understood."""
        root = required(
            unwrapped(options.root, _LISTS[0], ("CUB_200_2011", "CUB/CUB_200_2011")),
            ("images", *_LISTS),
            dataset="CUB-200-2011",
            page=PAGE,
            layout=LAYOUT,
        )
        outlines = _outlines(root)
        pictures = listed(root, ("images",), (".jpg",)).files
        masks = listed(outlines, (".",), (".png",)).files
        names, labels, flags, classes = (_rows(root / name) for name in _LISTS)
        _check(names, labels, flags, classes, root)
        order = {number: label for label, number in enumerate(classes)}
        training = _training(names, flags, options.split)
        parts: dict[str, list[Record]] = {"train": [], "test": []}
        for number, name in names.items():
            if f"images/{name}" in pictures:
                stem = name.rpartition(".")[0]
                mask = f"{stem}.png" if f"{stem}.png" in masks else None
                record = Record(stem, f"images/{name}", order[int(labels[number])], mask)
                parts["train" if number in training else "test"].append(record)
        self._settle(
            root=root,
            classnames=[_words(folder) for folder in classes.values()],
            parts=parts,
            read=Outlines(outlines, options.mask),
            settings=options.mask,
            template=options.template,
            sizes=pictures | masks,
        )


def _outlines(root: Path) -> Path:
    for folder in (root.parent / "segmentations", root / "segmentations"):
        if folder.is_dir():
            return folder
    # An archive of its own that is easily forgotten: the message is the one for any other missing part.
    return required(root.parent, ("segmentations",), dataset="CUB-200-2011", page=PAGE, layout=LAYOUT)


def _rows(path: Path) -> dict[int, str]:
    """Number → the rest of its line, in the file's order."""
    rows: dict[int, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Expected a list but could not read it: {error}.", where=str(path)) from error
    for place, line in enumerate(lines, start=1):
        number, _, rest = line.strip().partition(" ")
        if not (number.isdecimal() and rest) and line.strip():
            raise InputError(
                f"Expected a number and a value but got {line!r}.", where=f"{path}, line {place}"
            )
        if rest:
            rows[int(number)] = rest.strip()
    return rows


def _training(
    names: Mapping[int, str], flags: Mapping[int, str], split: Literal["official", "reference"]
) -> set[int]:
    """Numbers of the pictures for training (flag 1)."""
    if split == "official":
        return {number for number in names if flags[number] == "1"}
    in_order = sorted(names, key=lambda number: names[number].split("/"))
    return {number for number, flag in zip(in_order, flags.values(), strict=False) if flag == "1"}


def _check(
    names: Mapping[int, str],
    labels: Mapping[int, str],
    flags: Mapping[int, str],
    classes: Mapping[int, str],
    root: Path,
) -> None:
    """That every picture has a known class and a flag."""
    known = {str(number) for number in classes}
    for number in names:
        if labels.get(number) not in known:
            told = f"class {labels[number]}" if number in labels else "none"
            raise InputError(
                f"Expected a class of classes.txt for picture {number} but got {told}.",
                where=str(root / "image_class_labels.txt"),
            )
        if flags.get(number) not in {"0", "1"}:
            raise InputError(
                f"Expected 0 or 1 for picture {number} but got {flags.get(number, 'none')}.",
                where=str(root / "train_test_split.txt"),
            )


def _words(folder: str) -> str:
    """``001.Black_footed_Albatross`` → "black footed albatross"."""
    return folder.rpartition(".")[2].replace("_", " ").lower()
