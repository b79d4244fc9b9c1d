"""Stanford Dogs: photographs of 120 breeds with boxes around the dogs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from PIL import Image

from rationale_cli.contracts import Boxes, MaskRules, Nominal, Protocols
from rationale_cli.errors import InputError

from ._imagenet_boxes import on_picture, read_xml
from ._index import listed
from ._mat import read_mat
from ._official import Official, Record, RootOptions, required, unwrapped

PAGE = "http://vision.stanford.edu/aditya86/ImageNetDogs/ (images.tar, annotation.tar, lists.tar)"
LAYOUT = """\
  DIR/Images/n02085620-Chihuahua/n02085620_10074.jpg
  DIR/Annotation/n02085620-Chihuahua/n02085620_10074
  DIR/train_list.mat and DIR/test_list.mat, or both in DIR/lists"""

_PICTURES, _BOXES = "Images", "Annotation"
BoxRule = Literal["all", "last"]


class StanfordDogs(Official):
    """Stanford Dogs (Khosla et al., 2011, http://vision.stanford.edu/aditya86/ImageNetDogs/).

    The official lists are the splits. Pictures that a smaller copy lacks are left out; pictures without
    annotation have no evidence.
    """

    protocols: ClassVar[Protocols] = {
        "reference": {"dataset.boxes": "last", "dataset.names": "reference", "view.crop": 1.0}
    }
    mask_rules: ClassVar[MaskRules] = {"all": {"boxes": "all"}, "last": {"boxes": "last"}}

    class Options(RootOptions):
        """Where the data are, which boxes count, and what the breeds are called."""

        boxes: BoxRule = "all"
        """All dogs of a picture, or the last one in its file, as the paper's code has it."""
        names: Literal["full", "reference"] = "full"
        """Whole names, or cut at their first hyphen as in the paper's code ("shih" for "shih-tzu")."""

    @classmethod
    def nominal(cls, options: Options) -> Nominal:
        """Counts of the published data."""
        return Nominal({"train": 12_000, "test": 8580}, ("test",), 120)

    def __init__(self, options: Options) -> None:
        """Read the lists. Raises ``InputError`` where something is missing or not understood."""
        root = required(options.root, (_PICTURES, _BOXES), dataset="Stanford Dogs", page=PAGE, layout=LAYOUT)
        lists = required(
            unwrapped(root, "train_list.mat", ("lists",)),
            ("train_list.mat", "test_list.mat"),
            dataset="Stanford Dogs",
            page=PAGE,
            layout=LAYOUT,
        )
        files = listed(root, (_PICTURES,), (".jpg",)).files | listed(root, (_BOXES,), ("",)).files
        rows = {split: _listed(lists / f"{split}_list.mat") for split in ("train", "test")}
        folders = sorted({name.partition("/")[0] for part in rows.values() for name in part})
        labels = {folder: label for label, folder in enumerate(folders)}
        self._settle(
            root=root,
            classnames=[_words(folder, options.names) for folder in folders],
            parts={
                split: [_record(name, labels, files) for name in part if f"{_PICTURES}/{name}" in files]
                for split, part in rows.items()
            },
            read=Drawn(options.boxes),
            settings=options.boxes,
            template=options.template,
            sizes=files,
        )


@dataclass(frozen=True)
class Drawn:
    """Reads a record's boxes."""

    rule: BoxRule

    def __call__(self, root: Path, record: Record, image: Image.Image) -> Boxes | None:
        """Raises ``InputError`` naming an annotation that cannot be read."""
        if record.note is None:
            return None
        boxes = read_xml(root / record.note).boxes
        placed = on_picture(boxes[-1:] if self.rule == "last" else boxes, image.size)
        return Boxes(placed) if placed else None


def _listed(path: Path) -> list[str]:
    """``n02085620-Chihuahua/n02085620_5927.jpg`` and so on, in the file's order."""
    (cells,) = read_mat(path, "file_list")
    names = [str(cell.item()) for cell in cells.ravel() if getattr(cell, "size", 0) == 1]
    if not names or not all("/" in name for name in names):
        raise InputError("Expected file_list to be a list of class/picture but it is not.", where=str(path))
    return names


def _record(name: str, labels: dict[str, int], files: dict[str, int]) -> Record:
    stem = name.rpartition(".")[0]
    note = f"{_BOXES}/{stem}"
    path = f"{_PICTURES}/{name}"
    return Record(stem, path, labels[name.partition("/")[0]], note if note in files else None)


def _words(folder: str, rule: Literal["full", "reference"]) -> str:
    """``n02086240-Shih-Tzu`` → "shih-tzu", or "shih" as the paper's code has it."""
    breed = folder.partition("-")[2]
    return (breed.partition("-")[0] if rule == "reference" else breed).replace("_", " ").lower()
