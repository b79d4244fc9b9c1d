"""Waterbirds: birds of CUB pasted on land or water, with CUB's outlines."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from rationale_cli.contracts import MaskRules, Nominal
from rationale_cli.errors import InputError

from ._index import listed
from ._official import Official, Record, RootOptions, required, unwrapped
from ._outlines import RULES, MaskRule, Outlines

PAGE = "https://github.com/kohpangwei/group_DRO (waterbird_complete95_forest2water2.tar.gz)"
LAYOUT = """\
  DIR/metadata.csv
  DIR/001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg
  DIR/segmentations/001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.png
The last from CUB-200-2011 (segmentations.tgz, https://www.vision.caltech.edu/datasets/cub_200_2011/);
it may lie beside DIR, or elsewhere: --set dataset.segmentations=FOLDER"""

CLASSNAMES = ("landbird", "waterbird")
PLACES = ("land", "water")
"""In the order of their labels, and the places' names: group = 2 × label + place."""

Group = Literal["landbird-land", "landbird-water", "waterbird-land", "waterbird-water"]
"""Bird and place."""

_TABLE = "metadata.csv"
_SPLITS = ("train", "val", "test")
_COLUMNS = ("img_filename", "y", "split", "place")


class Waterbirds(Official):
    """Waterbirds (Sagawa et al., 2020, https://github.com/kohpangwei/group_DRO): a planted shortcut.

    In ``train`` 95 % of landbirds stand on land and of waterbirds on water; in ``val`` and ``test`` half.
    A bird's outline is CUB's (Wah et al., 2011): the picture keeps CUB's size and the bird its place.
    Pictures that a smaller copy lacks are left out.
    """

    mask_rules: ClassVar[MaskRules] = RULES

    class Options(RootOptions):
        """Where pictures and outlines are, and which pictures count."""

        segmentations: Path | None = None
        """CUB's folder ``segmentations``; by default in the data's folder, beside it, or in CUB's there."""
        mask: MaskRule = "half"
        """Pixels that more than half of CUB's annotators drew, or (full) only those that all of them drew."""
        groups: tuple[
            Literal["landbird-land", "landbird-water", "waterbird-land", "waterbird-water"], ...
        ] = ()
        """Groups (bird-place) to keep, for accuracy and rationality by group; by default all."""

    @classmethod
    def nominal(cls, options: Options) -> Nominal | None:
        """Counts of the published data; of some groups alone they are not known."""
        sizes = {"train": 4795, "val": 1199, "test": 5794}
        return None if options.groups else Nominal(sizes, ("test",), 2)

    def __init__(self, options: Options) -> None:
        """Read the table. Raises ``InputError`` where it or the outlines are missing or not understood."""
        root = required(
            unwrapped(options.root, _TABLE, ("waterbird_complete95_forest2water2",)),
            (_TABLE,),
            dataset="Waterbirds",
            page=PAGE,
            layout=LAYOUT,
        )
        outlines = _outlines(root, options.segmentations)
        pictures = listed(root, (".",), (".jpg", ".jpeg")).files
        masks = listed(outlines, (".",), (".png",)).files
        rows = [
            row
            for row in _rows(root / _TABLE)
            if row.path in pictures and (not options.groups or row.group in options.groups)
        ]
        self._settle(
            root=root,
            classnames=CLASSNAMES,
            parts={
                name: [_record(row, masks) for row in rows if row.split == number]
                for number, name in enumerate(_SPLITS)
            },
            read=Outlines(outlines, options.mask),
            settings=options.mask,
            template=options.template,
            sizes=pictures | masks,
        )


class _Row(NamedTuple):
    path: str
    label: int
    split: int
    place: int

    @property
    def group(self) -> str:
        return f"{CLASSNAMES[self.label]}-{PLACES[self.place]}"


def _outlines(root: Path, named: Path | None) -> Path:
    above = root.parent
    places = (
        [named.expanduser().absolute()]
        if named
        else [place / "segmentations" for place in (root, above, above / "CUB", above / "CUB_200_2011")]
    )
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise InputError(
            "Expected CUB's segmentations but there is no such folder.",
            where=" or ".join(str(place) for place in places),
            next_step="download segmentations.tgz from https://www.vision.caltech.edu/datasets/cub_200_2011/ "
            f"and lay it out like this:\n{LAYOUT}",
        )
    return found


def _rows(path: Path) -> list[_Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"Expected the column {missing[0]} but it is missing.", where=str(path))
            return [_row(row, f"{path}, line {reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Expected a table but could not read it: {error}.", where=str(path)) from error


def _row(row: dict[str, str], where: str) -> _Row:
    label, split, place = (row[column] for column in _COLUMNS[1:])
    if label not in {"0", "1"} or split not in {"0", "1", "2"} or place not in {"0", "1"}:
        raise InputError(
            f"Expected y and place 0 or 1 and split 0 to 2 but got {label!r}, {place!r} and {split!r}.",
            where=where,
        )
    return _Row(row["img_filename"], int(label), int(split), int(place))


def _record(row: _Row, masks: dict[str, int]) -> Record:
    name = row.path.rpartition(".")[0]
    mask = f"{name}.png"
    return Record(name, row.path, row.label, mask if mask in masks else None, context=PLACES[row.place])
