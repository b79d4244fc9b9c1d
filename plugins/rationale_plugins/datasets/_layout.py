"""Which of the usual layouts a folder of pictures has: its splits, classes and pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn

from rationale_cli.errors import InputError

from ._tree import File, Tree

LAYOUTS = """\
DIR/<class>/1.jpg                      split by itself into train and test
DIR/<split>/<class>/1.jpg              for example DIR/train/cat/1.jpg and DIR/test/cat/1.jpg
DIR/images/<class>/1.jpg               with masks in DIR/masks/<class>/1.png
DIR/images/<split>/<class>/1.jpg       with masks in DIR/masks/<split>/<class>/1.png"""
"""The layouts, drawn."""

UNSPLIT = ""
"""Name of the only split where the folder has none."""

_MASK_ENDING = "_mask"


class Record(NamedTuple):
    """One picture of a class."""

    id: str
    """Its path below the folder of its split, without the ending (with it where two would be alike)."""
    folder: str
    """Its class's folder."""
    file: File
    mask: File | None = None
    """Its mask beside it (``<name>_mask.png``)."""


class Empty(NamedTuple):
    """A class or split folder without pictures."""

    folder: str
    where: str
    holds: str
    """What else lies in it, in words; empty for nothing."""


class Layout(NamedTuple):
    """The pictures of a folder by split; ``{UNSPLIT: …}`` where it has no folders for splits."""

    splits: Mapping[str, tuple[Record, ...]]
    empty: tuple[Empty, ...]

    @property
    def folders(self) -> tuple[str, ...]:
        """The class folders of all splits, sorted, empty ones among them."""
        filled = {record.folder for records in self.splits.values() for record in records}
        return tuple(sorted(filled | {empty.folder for empty in self.empty}))


def find_layout(tree: Tree) -> Layout:
    """Tell the layout of a tree that begins above the class or split folders.

    Raises ``InputError`` where it is none of ``LAYOUTS``.
    """
    pictures = [file for file in tree.files if file.is_picture and "/" in file.key]
    shallow = {_part(file, 0) for file in pictures if file.key.count("/") == 1}
    deep = {_part(file, 0) for file in pictures} - shallow
    if not pictures:
        _refuse(tree, "Expected pictures in folders, one for each class, but found none.")
    if shallow and deep:
        _refuse(
            tree,
            "Expected every folder to be a class with pictures or a split with class folders, but "
            f"{min(shallow)!r} holds pictures and {min(deep)!r} holds folders of them.",
        )
    parts = {UNSPLIT: tree} if shallow else {split: tree.below(split) for split in tree.top()}
    splits = {name: _records(part) for name, part in parts.items()}
    return Layout(splits, tuple(empty for name in parts for empty in _empty(parts[name], splits[name])))


def _records(tree: Tree) -> tuple[Record, ...]:
    """The pictures of class folders, masks set apart."""
    pictures = [file for file in tree.files if file.is_picture and "/" in file.key]
    stems = Counter(file.stem for file in pictures)
    masks = {
        file.stem.removesuffix(_MASK_ENDING): file
        for file in pictures
        if file.stem.endswith(_MASK_ENDING) and file.stem.removesuffix(_MASK_ENDING) in stems
    }
    apart = {file.key for file in masks.values()}
    return tuple(
        Record(file.stem if stems[file.stem] == 1 else file.key, _part(file, 0), file, masks.get(file.stem))
        for file in pictures
        if file.key not in apart
    )


def _empty(tree: Tree, records: Sequence[Record]) -> Iterator[Empty]:
    filled = {record.folder for record in records}
    for folder in tree.top():
        if folder not in filled:
            files = tree.below(folder).files
            endings = Counter(file.ending or "without ending" for file in files)
            held = ", ".join(f"{count} {ending}" for ending, count in sorted(endings.items()))
            yield Empty(folder, str(tree.root / folder), held)
    if not tree.top():
        yield Empty(tree.root.name, str(tree.root), "")


def _part(file: File, level: int) -> str:
    return file.key.split("/")[level]


def _refuse(tree: Tree, what: str) -> NoReturn:
    raise InputError(
        what, where=str(tree.root), next_step=f"arrange the pictures like one of these:\n{LAYOUTS}"
    )
