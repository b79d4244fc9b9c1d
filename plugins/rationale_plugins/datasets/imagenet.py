"""ImageNet-1k with the boxes of its localisation task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NoReturn

from PIL import Image

from rationale_cli.contracts import Boxes, Nominal, Protocols
from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import same_proportions

from ._imagenet_boxes import Corners, Row, on_picture, read_table, read_xml
from ._imagenet_layout import PICTURES, Places, below, find, stem
from ._imagenet_names import ImageNetOptions, classnames, labels
from ._index import listed
from ._official import Official, Record


class ImageNet(Official):
    """ImageNet-1k (ILSVRC 2012; Russakovsky et al., 2015, https://image-net.org): ``train`` and ``val``.

    Kaggle's layout, or one folder for each synset as torchvision wants it. Identifiers are
    "synset/name" in both. All boxes of a picture count; a picture without boxes has no evidence.
    """

    protocols: ClassVar[Protocols] = {
        "reference": {"dataset.names": "reference", "dataset.duplicates": "keep", "view.crop": 0.875}
    }

    class Options(ImageNetOptions):
        """Where the data are, what classes are called, where boxes come from."""

        boxes: Literal["table", "xml"] | None = None
        """Boxes of LOC_*_solution.csv or of the XML files; by default val's from the table, train's
        from the XML files, each from the other where they are not there."""

    @classmethod
    def nominal(cls, options: Options) -> Nominal:
        """Counts of the published data."""
        return Nominal({"train": 1_281_167, "val": 50_000}, ("val",), 1000)

    def __init__(self, options: Options) -> None:
        """List the folder. Raises ``InputError`` where it lacks pictures or their classes."""
        places = find(options.root)
        names = [f"{places.pictures}{split}" for split in ("train", "val")]
        pictures = listed(places.root, names, PICTURES).files
        xml = listed(places.root, [places.annotations], (".xml",)).files if places.annotations else {}
        parts = {split: _records(places, split, pictures, xml, options.boxes) for split in ("train", "val")}
        self._settle(
            root=places.root,
            classnames=classnames(options.names, options.duplicates),
            parts=parts,
            read=read_boxes,
            evaluation=("val",),
            template=options.template,
            sizes=pictures | xml,
        )


def read_boxes(root: Path, record: Record, image: Image.Image) -> Boxes | None:
    """A record's boxes; those of an XML file are scaled where the picture was shrunk since."""
    if not isinstance(record.note, str):
        return None if record.note is None else Boxes(on_picture(record.note, image.size))
    row = read_xml(root / record.note)
    boxes = on_picture(row.boxes, row.size or image.size)
    if row.size and row.size != image.size and same_proportions(row.size, image.size):
        across, down = image.width / row.size[0], image.height / row.size[1]
        boxes = tuple((x * across, y * down, u * across, v * down) for x, y, u, v in boxes)
    return Boxes(boxes) if row.boxes else None


@dataclass(frozen=True)
class _Annotated:
    """What is known of one split's pictures, by name without suffix."""

    root: Path
    table: Mapping[str, Row]
    xml: Mapping[str, str]
    order: tuple[str, ...]
    """Where boxes come from, the first that has them."""

    def synset(self, name: str) -> str | None:
        """The class of a picture that lies in no class's folder."""
        if name in self.table:
            return self.table[name].synset
        return read_xml(self.root / self.xml[name]).synset if name in self.xml else None

    def note(self, name: str) -> str | tuple[Corners, ...] | None:
        """Boxes, or the XML file that holds them; None for a picture that is not annotated."""
        for source in self.order:
            if source == "table" and name in self.table:
                return self.table[name].boxes
            if source == "xml" and name in self.xml:
                return self.xml[name]
        return None


def _annotated(places: Places, split: str, xml: Mapping[str, int], boxes: str | None) -> _Annotated:
    files = {stem(path): path for path in below(f"{places.annotations}/{split}", xml)}
    order = (boxes,) if boxes else ("table", "xml") if split == "val" else ("xml", "table")
    path = places.root / f"LOC_{split}_solution.csv"
    # Half a million rows of train are read only where they are needed; val's also tell its classes.
    needed = path.is_file() and (split == "val" or order[0] == "table" or not files)
    return _Annotated(places.root, read_table(path) if needed else {}, files, order)


def _records(
    places: Places, split: str, pictures: Mapping[str, int], xml: Mapping[str, int], boxes: str | None
) -> tuple[Record, ...]:
    """Sorted by class and name, torchvision's ``ImageFolder`` order."""
    folder = f"{places.pictures}{split}"
    paths = below(folder, pictures)
    if not paths:
        return ()
    annotated, records, strangers = _annotated(places, split, xml, boxes), [], []
    for path in paths:
        name = stem(path)
        synset = path[len(folder) + 1 :].rpartition("/")[0] or annotated.synset(name)
        label = labels().get(synset or "")
        if label is None:
            strangers.append((path, synset))
        else:
            records.append(Record(f"{synset}/{name}", path, label, annotated.note(name)))
    if strangers:
        _refuse(places.root, len(paths), strangers)
    return tuple(sorted(records, key=lambda record: record.id))


def _refuse(root: Path, count: int, strangers: Sequence[tuple[str, str | None]]) -> NoReturn:
    path, synset = strangers[0]
    told = f"{synset!r} is none of the 1,000 synsets" if synset else "nothing tells its class"
    raise InputError(
        f"Expected the class of every picture but {len(strangers):,} of {count:,} have none: {told}.",
        where=str(root / path),
        next_step="put LOC_val_solution.csv (from Kaggle) into the data's folder, "
        "or sort the pictures into one folder for each synset (n01440764)",
    )
