"""Which mask belongs to which picture of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rationale_cli.errors import InputError

from ._layout import UNSPLIT, Layout
from ._tree import File, Tree, scan

_FOLDER = "masks"


class MaskTree(NamedTuple):
    """A folder of masks beside the pictures' folder, and the pictures' tree without it."""

    masks: Tree | None
    pictures: Tree


def part_masks(tree: Tree, wanted: str | None) -> MaskTree:
    """Find the folder of masks: ``wanted`` (a name below the data or a path), else ``masks``.

    A folder ``masks`` counts where it holds folders; with pictures alone it is a class like any other.
    Raises ``InputError`` where ``wanted`` is no folder.
    """
    name = (wanted or _FOLDER).rstrip("/")
    inside = tree.below(name)
    if name in tree.folders and (wanted or inside.folders):
        return MaskTree(inside, tree.without(name))
    beside = tree.root.parent / _FOLDER
    if wanted is None:
        # The folder of pictures itself was named: DIR/images, with DIR/masks beside it.
        found = tree.root.name == "images" and beside.is_dir()
        return MaskTree(scan(beside) if found else None, tree)
    for path in (Path(wanted).expanduser(), tree.root.parent / wanted):
        if path.is_dir():
            return MaskTree(scan(path), tree)
    raise InputError(
        f"Expected a folder of masks but there is none called {wanted!r}.",
        where=str(tree.root),
        next_step="name it as seen from the data's folder, or by its full path",
    )


def match_masks(layout: Layout, masks: Tree | None) -> dict[str, File]:
    """Picture's path → its mask: in the parallel tree, or beside it as ``<name>_mask``.

    Raises ``InputError`` where there is a tree of masks and none fits.
    """
    if masks is None:
        records = (record for part in layout.splits.values() for record in part)
        return {record.file.path: record.mask for record in records if record.mask is not None}
    by_stem = {file.stem: file for file in sorted(masks.files, key=_png_last) if file.is_picture}
    found = {
        record.file.path: mask
        for split, part in layout.splits.items()
        for record in part
        if (mask := _mask_of(record.file, split, by_stem)) is not None
    }
    if not found:
        raise InputError(
            "Expected masks of the pictures but none has the path of one.",
            where=str(masks.root),
            next_step=f"call the mask of images/cat/1.jpg {masks.root.name}/cat/1.png",
        )
    return found


def _mask_of(picture: File, split: str, by_stem: Mapping[str, File]) -> File | None:
    above = ("",) if split == UNSPLIT else (f"{split}/", "")
    for prefix in above:
        for stem in (picture.key, picture.stem):
            for ending in ("", "_mask"):
                mask = by_stem.get(f"{prefix}{stem}{ending}")
                if mask is not None:
                    return mask
    return None


def _png_last(file: File) -> tuple[bool, str]:
    """Of several masks of one name the lossless PNG wins."""
    return file.key.lower().endswith(".png"), file.key
