"""Pascal VOC 2007 and 2012: photographs of twenty kinds of object with boxes and segmentations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from rationale_cli.contracts import Boxes, Mask
from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import read_mask

from ._crops import boxes_within
from ._index import listed
from ._objects import ObjectOptions, Objects, shown
from ._official import Official, Record, required, unwrapped
from ._voc_annotations import TOKENS, read_objects

PAGES = {
    2012: "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (VOCtrainval_11-May-2012.tar)",
    2007: "http://host.robots.ox.ac.uk/pascal/VOC/voc2007/ "
    "(VOCtrainval_06-Nov-2007.tar, and VOCtest_06-Nov-2007.tar for the split test)",
}
LAYOUT = """\
  DIR/VOCdevkit/VOC{year}/JPEGImages/2007_000032.jpg
  DIR/VOCdevkit/VOC{year}/Annotations/2007_000032.xml
  DIR/VOCdevkit/VOC{year}/ImageSets/{lists}/train.txt, val.txt
  DIR/VOCdevkit/VOC{year}/SegmentationClass/2007_000032.png and SegmentationObject/2007_000032.png
DIR may also be VOCdevkit or VOC{year} itself"""

_PICTURES, _ANNOTATIONS = "JPEGImages", "Annotations"
_LISTS = {"masks": "Segmentation", "boxes": "Main"}
_MASKS = {"single": "SegmentationClass", "each": "SegmentationObject"}
_SPLITS = ("train", "val", "test")
_WORDS = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}


class Voc(Official):
    """Pascal VOC (Everingham et al., 2010, http://host.robots.ox.ac.uk/pascal/VOC/).

    With masks the official lists of segmented pictures are the splits, with boxes those of all. Pictures
    that a smaller copy lacks, and those without annotation (the tests of 2012), are left out. Of a
    segmentation the border, which its annotators left open, is background.
    """

    class Options(ObjectOptions):
        """Where the data are, and what counts as a sample and as its object."""

        year: Literal[2012, 2007] = 2012
        """Which data set, where the folder holds both."""
        difficult: bool = False
        """Whether objects marked as difficult (hard to tell without what is around them) are samples and
        decide on a picture's class. The evidence of a picture is all objects of its class either way."""

    def __init__(self, options: Options) -> None:
        """Read lists and annotations. Raises ``InputError`` where one is missing or not understood."""
        lists, masks = f"ImageSets/{_LISTS[options.evidence]}", _MASKS[options.objects]
        told = {
            "dataset": f"Pascal VOC {options.year}",
            "page": PAGES[options.year],
            "layout": LAYOUT.format(year=options.year, lists=_LISTS[options.evidence]),
        }
        folders = (_PICTURES, _ANNOTATIONS, lists, *([masks] if options.evidence == "masks" else []))
        places = (f"VOC{options.year}", f"VOCdevkit/VOC{options.year}")
        root = required(unwrapped(options.root, _PICTURES, places), folders, **told)
        given = [split for split in _SPLITS if (root / lists / f"{split}.txt").is_file()]
        if not given:
            required(root, [f"{lists}/{split}.txt" for split in _SPLITS[:2]], **told)
        files = listed(root, (_PICTURES, _ANNOTATIONS, masks), (".jpg", ".xml", ".png")).files
        self._settle(
            root=root,
            classnames=[_WORDS.get(token, token) for token in TOKENS],
            parts={
                split: _records(root, _names(root / lists / f"{split}.txt"), options, files)
                for split in given
            },
            read=_boxed if options.evidence == "boxes" else _segmented,
            evaluation=("val",) if "val" in given else ("test",),
            settings=repr(options.settings),
            template=options.template,
            sizes=files,
        )


def _segmented(root: Path, record: Record, image: Image.Image) -> Mask | None:
    """Reads a record's mask: the pixels of its class or object. Raises ``InputError`` naming a bad one."""
    if record.note is None:
        return None
    path, number = record.note
    return Mask(read_mask(root / path, image.size, values=(number,)))


def _boxed(root: Path, record: Record, image: Image.Image) -> Boxes | None:
    return boxes_within(record.note, (0, 0, *image.size))


def _records(
    root: Path, names: Sequence[str], options: Voc.Options, files: Mapping[str, int]
) -> list[Record]:
    names = [name for name in names if {_picture(name), _annotation(name)} <= files.keys()]
    told = [read_objects(root / _annotation(name)) for name in names]
    rows = [(place, one) for place, objects in enumerate(told) for one in objects]
    counted = np.array([options.difficult or not one.difficult for _, one in rows], bool)
    columns = Objects(
        picture=np.array([place for place, _ in rows], np.int64),
        label=np.array([one.label for _, one in rows], np.int64),
        box=np.array([one.box for _, one in rows], np.float64).reshape(-1, 4),
        decides=counted,
        separate=counted,
    )
    records = []
    for place, label, own, window in shown(columns, options):
        name, number = names[place], rows[own[0]][1].number
        mask = f"{_MASKS[options.objects]}/{name}.png"
        note: Any = None
        if options.evidence == "boxes":
            note = tuple(rows[row][1].box for row in own)
        elif mask in files:
            note = (mask, label + 1 if window is None else number)
        records.append(
            Record(name if window is None else f"{name}#{number}", _picture(name), label, note, window)
        )
    return records


def _picture(name: str) -> str:
    return f"{_PICTURES}/{name}.jpg"


def _annotation(name: str) -> str:
    return f"{_ANNOTATIONS}/{name}.xml"


def _names(path: Path) -> list[str]:
    """The first word of every line, each once."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
        return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Expected a list of pictures but could not read it: {error}.", where=str(path)
        ) from error
