"""Oxford-IIIT Pet: 37 breeds with a trimap of every animal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from PIL import Image

from rationale_cli.contracts import Mask, MaskRules, Nominal
from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import read_mask

from ._index import listed
from ._official import Official, Record, RootOptions, required, unwrapped

PAGE = "https://www.robots.ox.ac.uk/~vgg/data/pets/ (images.tar.gz, annotations.tar.gz)"
LAYOUT = """\
  DIR/images/Abyssinian_1.jpg
  DIR/annotations/trainval.txt, test.txt
  DIR/annotations/trimaps/Abyssinian_1.png"""

_ANIMAL, _BORDER = 1, 3
_LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}


class OxfordPets(Official):
    """The Oxford-IIIT Pet data set (Parkhi et al., 2012, https://www.robots.ox.ac.uk/~vgg/data/pets/).

    ``train`` is the official trainval list. The object is the trimap's animal; the boxes in ``xmls``
    hold heads alone and are not used. Listed pictures that a smaller copy lacks are left out.
    """

    mask_rules: ClassVar[MaskRules] = {
        "animal": {"border": "background"},
        "animal-and-border": {"border": "object"},
    }

    class Options(RootOptions):
        """Where the data are, and what of a trimap is the object."""

        border: Literal["background", "object"] = "background"
        """What the trimap's border is, which its annotators left open: a strip of some pixels."""

    @classmethod
    def nominal(cls, options: Options) -> Nominal:
        """Counts of the published data."""
        return Nominal({"train": 3680, "test": 3669}, ("test",), 37)

    def __init__(self, options: Options) -> None:
        """List the folder. Raises ``InputError`` where pictures or lists are missing or not understood."""
        root = required(
            unwrapped(options.root, "annotations/trainval.txt", ("oxford-iiit-pet",)),
            ("images", *_LISTS.values()),
            dataset="the Oxford-IIIT Pet data set",
            page=PAGE,
            layout=LAYOUT,
        )
        files = listed(root, ("images", "annotations/trimaps"), (".jpg", ".png")).files
        rows = {split: _rows(root / path) for split, path in _LISTS.items()}
        breeds = {row.number: row.breed for part in rows.values() for row in part}
        labels = {number: label for label, number in enumerate(sorted(breeds))}
        self._settle(
            root=root,
            classnames=[breeds[number] for number in labels],
            parts={
                split: [
                    _record(row, labels[row.number], files)
                    for row in part
                    if f"images/{row.name}.jpg" in files
                ]
                for split, part in rows.items()
            },
            read=Trimaps((_ANIMAL, _BORDER) if options.border == "object" else (_ANIMAL,)),
            settings=options.border,
            template=options.template,
            sizes=files,
        )


@dataclass(frozen=True)
class Trimaps:
    """Reads a record's trimap as a mask."""

    values: tuple[int, ...]
    """Of the object: 1 the animal, 2 the background, 3 the border."""

    def __call__(self, root: Path, record: Record, image: Image.Image) -> Mask | None:
        """Raises ``InputError`` naming a trimap that cannot be read or does not fit its picture."""
        if record.note is None:
            return None
        return Mask(read_mask(root / record.note, image.size, values=self.values))


class _Row(NamedTuple):
    name: str
    number: int

    @property
    def breed(self) -> str:
        """From "american_bulldog_10": "American Bulldog", as torchvision and CLIP write it."""
        return self.name.rpartition("_")[0].replace("_", " ").title()


def _rows(path: Path) -> list[_Row]:
    """Lines "stem class species breed"; those that begin with "#" do not count."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Expected a list of pictures but could not read it: {error}.", where=str(path)
        ) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words and not words[0].startswith("#"):
            if len(words) < 2 or not words[1].isdecimal():
                raise InputError(
                    f"Expected 'name class species breed' but got {line!r}.", where=f"{path}, line {number}"
                )
            rows.append(_Row(words[0], int(words[1])))
    return rows


def _record(row: _Row, label: int, files: dict[str, int]) -> Record:
    trimap = f"annotations/trimaps/{row.name}.png"
    return Record(row.name, f"images/{row.name}.jpg", label, trimap if trimap in files else None)
