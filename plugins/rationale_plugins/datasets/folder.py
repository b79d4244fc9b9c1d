"""Any folder of pictures, with masks or boxes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from rationale_cli.contracts import Evidence, Mask, Sample, Task
from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import open_picture, read_mask

from ._boxes import Box, assign, of_class, place, read_boxes
from ._items import Items
from ._layout import LAYOUTS, Layout, Record, find_layout
from ._masks import match_masks, part_masks
from ._names import classes_from_file, classes_from_folders
from ._official import RootOptions
from ._splits import Splits, split_records
from ._table import TABLE, read_table
from ._tree import File, Tree, scan


class Item(NamedTuple):
    """One picture and where its annotation is."""

    id: str
    """Path below the folder of the class folders, without the file's ending."""
    path: str
    label: int
    mask: str | None
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class FolderSplit(Items):
    """Pictures of one split; a file is opened when its sample is asked for."""

    items: tuple[Item, ...]
    mask_values: tuple[int, ...]

    def __getitem__(self, index: int) -> Sample:
        """Raises ``InputError`` naming the picture, mask or box that cannot be used."""
        item = self.items[index]
        image, orientation = open_picture(Path(item.path))
        evidence: Evidence | None = None
        if item.mask is not None:
            evidence = Mask(read_mask(Path(item.mask), image.size, orientation, self.mask_values))
        elif item.boxes:
            evidence = place(item.boxes, image.size, orientation)
        return Sample(item.id, image, item.label, evidence)


class Folder:
    """Pictures in a folder for each class, split by folders or by a seed."""

    class Options(RootOptions):
        """Where the pictures and their annotations are."""

        root: Path | None = None
        """Folder that holds the class folders, the split folders, or ``images``."""
        table: Path | None = None
        """CSV (image, label; perhaps mask, split, id) for class folders; by default ``stimuli.csv``."""
        masks: str | None = None
        """Folder of masks, as seen from root or a path; by default ``masks`` where there is one."""
        mask_values: tuple[int, ...] = ()
        """Grey values or palette indices that mean the object; by default all that is not black."""
        boxes: Path | None = None
        """CSV (path, xmin, ymin, xmax, ymax) or COCO JSON; by default ``boxes.csv`` without masks."""
        classnames: Path | None = None
        """Classes in order, one folder a line, words after a tab; by default ``classes.txt``."""
        test_fraction: float = Field(default=0.2, gt=0, lt=1)
        """Share of every class that is held out where there are no split folders."""
        seed: int = 0
        """Which pictures are held out."""

    def __init__(self, options: Options) -> None:
        """List the folder. Raises ``InputError`` where its layout or an annotation is not understood."""
        root = _existing(options.root)
        layout, beside = _arranged(options, root)
        classes = _classes(options.classnames, root, layout)
        masks = match_masks(layout, beside) if options.masks or not options.boxes else {}
        boxes = _boxes(options.boxes, root, layout, bool(masks), classes)
        splits = split_records(layout, classes, options.test_fraction, options.seed)
        labels = {folder: label for label, folder in enumerate(classes)}
        self._values = options.mask_values
        self._task = Task(tuple(classes.values()), (options.template,))
        self._fingerprint = _fingerprint(splits, masks, boxes, repr((classes, options.mask_values)))
        self._items = {
            name: tuple(_item(record, labels, masks, boxes) for record in records)
            for name, records in splits.items()
        }

    @property
    def task(self) -> Task:
        """Class names in the order of their labels."""
        return self._task

    @property
    def splits(self) -> tuple[str, ...]:
        """The split folders, those for training first; ``train`` and ``test`` where there are none."""
        return tuple(sorted(self._items, key=lambda name: (not name.startswith("train"), name)))

    @property
    def evaluation(self) -> tuple[str, ...]:
        """All splits that are not for training, and not for validation where there are others."""
        held_out = [name for name in self.splits if not name.startswith("train")] or list(self.splits)
        return tuple(name for name in held_out if not name.startswith("val")) or tuple(held_out)

    @property
    def fingerprint(self) -> str:
        """Of classes, splits, relative paths, sizes in bytes of pictures and masks, and boxes."""
        return self._fingerprint

    def split(self, name: str) -> FolderSplit:
        """Raises ``InputError`` for an unknown name, telling the known ones."""
        if name not in self._items:
            raise InputError(
                f"Expected one of the splits {', '.join(self.splits)} but got {name!r}.",
                next_step="name a split with --split, or train.split with --set",
            )
        return FolderSplit(self._items[name], self._values)


def _existing(root: Path | None) -> Path:
    if root is None or not root.expanduser().is_dir():
        told = "no folder was named" if root is None else f"there is no folder {str(root)!r}"
        raise InputError(
            f"Expected a folder of pictures but {told}.",
            next_step=f"pass --data DIR, arranged like one of these:\n{LAYOUTS}",
        )
    return root.expanduser().absolute()


def _arranged(options: Folder.Options, root: Path) -> tuple[Layout, Tree | None]:
    """The pictures, and the tree of masks beside them; a table that names masks needs no tree."""
    tree = part_masks(scan(root), options.masks)
    named = options.table
    table = _named(named, root, "a table of pictures") if named else _beside(root, TABLE)
    if table is None:
        return find_layout(_above_classes(tree.pictures)), tree.masks
    layout = read_table(table)
    told = any(record.mask for part in layout.splits.values() for record in part)
    return layout, None if told else tree.masks


def _above_classes(tree: Tree) -> Tree:
    """The part of the tree that begins above the class or split folders."""
    images = tree.below("images")
    return images if images.folders else tree


def _beside(root: Path, name: str) -> Path | None:
    """A file that belongs to the data: in their folder, or above where ``images`` itself was named."""
    places = (root, root.parent) if root.name == "images" else (root,)
    return next((place / name for place in places if (place / name).is_file()), None)


def _named(path: Path, root: Path, what: str) -> Path:
    """A file that the user named, from the current folder or from the data's."""
    for candidate in (path.expanduser(), root / path):
        if candidate.is_file():
            return candidate
    raise InputError(f"Expected {what} but there is no such file.", where=str(path))


def _classes(named: Path | None, root: Path, layout: Layout) -> dict[str, str]:
    path = _named(named, root, "a list of classes") if named else _beside(root, "classes.txt")
    folders = layout.folders
    classes = classes_from_file(path, folders) if path else classes_from_folders(folders, root)
    for empty in layout.empty:
        if empty.folder in classes or not path:
            raise InputError(
                "Expected pictures in every class folder but this one holds "
                + (f"only files that are not read as pictures: {empty.holds}." if empty.holds else "none."),
                where=empty.where,
                next_step="put pictures into it, remove it, or list the classes that count in classes.txt",
            )
    return classes


def _boxes(
    named: Path | None, root: Path, layout: Layout, masked: bool, classes: Mapping[str, str]
) -> dict[str, tuple[Box, ...]]:
    path = _named(named, root, "a file of boxes") if named else None if masked else _beside(root, "boxes.csv")
    if path is None:
        return {}
    rows = read_boxes(path)
    categories = frozenset(box.category for boxes in rows.values() for box in boxes if box.category)
    records = {record.file.path: record for part in layout.splits.values() for record in part}
    return {
        picture: of_class(boxes, _ways_to_say(records[picture].folder, classes), categories)
        for picture, boxes in assign(rows, tuple(records), path, root).items()
    }


def _ways_to_say(folder: str, classes: Mapping[str, str]) -> tuple[str, ...]:
    return folder, folder.replace("_", " "), classes.get(folder, folder)


def _item(
    record: Record,
    labels: Mapping[str, int],
    masks: Mapping[str, File],
    boxes: Mapping[str, tuple[Box, ...]],
) -> Item:
    path, mask = record.file.path, masks.get(record.file.path)
    return Item(record.id, path, labels[record.folder], mask and mask.path, boxes.get(path, ()))


def _fingerprint(
    splits: Splits, masks: Mapping[str, File], boxes: Mapping[str, tuple[Box, ...]], settings: str
) -> str:
    digest = hashlib.sha256(settings.encode())
    for name, records in sorted(splits.items()):
        digest.update(f"\n{name}\n".encode())
        for record in records:
            mask = masks.get(record.file.path)
            sides = [box._replace(source="") for box in boxes.get(record.file.path, ())]
            facts = (record.id, record.file.size, mask and (mask.key, mask.size), sides)
            digest.update(repr(facts).encode())
    return digest.hexdigest()[:16]
