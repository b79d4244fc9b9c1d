"""What data sets in their official layout share: records, splits, options and messages.

A data set lists its files with ``_index.listed``, makes a ``Record`` of each picture and ends its
``__init__`` with ``self._settle(…)``; how evidence is read is a function of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from pydantic import field_validator

from rationale_cli.contracts import Evidence, PluginOptions, Sample, Task
from rationale_cli.errors import InputError
from rationale_cli.toolkit.pictures import read_picture

from ._crops import Window, cut_evidence, moved_inside
from ._items import Items


class Record(NamedTuple):
    """One picture of a data set."""

    id: str
    """Unique in its split, the same on every machine."""
    path: str
    """Its file below the data set's folder, joined by "/"."""
    label: int
    """Index into the class names."""
    note: Any = None
    """What the reader of evidence needs (a mask's path below the folder, boxes as tuples); None where
    the picture is not annotated. Its ``repr`` must be the same on every machine."""
    window: Window | None = None
    """The part of the picture that is shown (moved inside where it reaches beyond); None: all of it."""
    context: str | None = None
    """What the object stands on, where the data set knows it of all its pictures (``Split.contexts``)."""


Reader = Callable[[Path, Record, Image.Image], Evidence | None]
"""(data set's folder, record, whole picture, RGB and upright) → evidence on it; a function of a module or
a frozen dataclass, so that it can be pickled."""


@dataclass(frozen=True)
class Records(Items):
    """Pictures of one split; a file is opened when its sample is asked for."""

    root: Path
    items: tuple[Record, ...]
    read: Reader

    @cached_property
    def contexts(self) -> Sequence[str] | None:
        """What the objects stand on, in order; None where it is not known."""
        found = tuple(item.context for item in self.items if item.context is not None)
        return found if len(found) == len(self.items) else None

    def __getitem__(self, index: int) -> Sample:
        """Raises ``InputError`` naming the file that cannot be read."""
        item = self.items[index]
        image = read_picture(self.root / item.path)
        evidence = self.read(self.root, item, image)
        if item.window is None:
            return Sample(item.id, image, item.label, evidence)
        window = moved_inside(item.window, image.size)
        return Sample(item.id, image.crop(window), item.label, cut_evidence(evidence, image.size, window))


class RootOptions(PluginOptions):
    """Options that every data set on disk has."""

    root: Path | None = None
    """Folder that holds the data, as unpacked."""
    template: str = "a photo of a {}"
    """Prompt of a class."""

    @field_validator("template")
    @classmethod
    def _one_gap(cls, template: str) -> str:
        if template.count("{}") != 1 or template.count("{") != 1 or template.count("}") != 1:
            raise ValueError("expected one {} for the class's name")
        return template


class Official:
    """Base of data sets in their official layout: the contract of a dataset on records."""

    def _settle(  # noqa: PLR0913 (said once at the end of each data set's __init__, by keyword)
        self,
        *,
        root: Path,
        classnames: Sequence[str],
        parts: Mapping[str, Sequence[Record]],
        read: Reader,
        evaluation: Sequence[str] = ("test",),
        settings: str = "",
        template: str = "a photo of a {}",
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        """Take over what the data are.

        ``parts`` are the splits in order; those without pictures (of a smaller copy) are left out.
        ``settings`` is the ``repr`` of whatever else changes the data, ``sizes`` the bytes of files as
        listed (``Listing.files``): both enter the fingerprint. Raises ``InputError`` without pictures.
        """
        self._root = root
        self._parts = {name: tuple(records) for name, records in parts.items() if records}
        if not self._parts:
            raise InputError("Expected pictures but found none.", where=str(root))
        self._task = Task(tuple(classnames), (template,))
        self._read = read
        self._evaluation = tuple(name for name in evaluation if name in self._parts) or self.splits
        self._settings = settings
        self._sizes = sizes or {}

    @property
    def task(self) -> Task:
        """Class names in the order of their labels."""
        return self._task

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold pictures."""
        return tuple(self._parts)

    @property
    def evaluation(self) -> tuple[str, ...]:
        """The held-out splits; all splits where there are none."""
        return self._evaluation

    @cached_property
    def fingerprint(self) -> str:
        """Of class names, settings, and each split's identifiers, labels, notes and sizes of files."""
        digest = hashlib.sha256(repr((self._task.classnames, self._settings)).encode())
        for name, records in sorted(self._parts.items()):
            digest.update(f"\n{name}\n".encode())
            for record in records:
                facts: tuple[Any, ...] = (record.id, record.label, record.note, self._weight(record))
                if record.window is not None:
                    facts = (*facts, record.window)
                digest.update(repr(facts).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    def split(self, name: str) -> Records:
        """Raises ``InputError`` for an unknown name, telling the known ones."""
        if name not in self._parts:
            raise InputError(
                f"Expected one of the splits {', '.join(self.splits)} but got {name!r}.",
                next_step="name a split with --split, or train.split with --set",
            )
        return Records(self._root, self._parts[name], self._read)

    def _weight(self, record: Record) -> tuple[int | None, ...]:
        """Bytes of the picture and of the files that its note names."""
        notes = record.note if isinstance(record.note, tuple) else (record.note,)
        named = (note for note in notes if isinstance(note, str))
        return tuple(self._sizes.get(path) for path in (record.path, *named))


def required(root: Path | None, names: Sequence[str], *, dataset: str, page: str, layout: str) -> Path:
    """The data set's folder, made absolute, once it exists and holds ``names`` (paths below it).

    Raises ``InputError`` that tells what is missing, the layout expected (``layout``, drawn) and what to
    download from which official page (``page``).
    """
    folder = root.expanduser().absolute() if root is not None else None
    if folder is None:
        told = "no folder was named"
    elif not folder.is_dir():
        told = "there is no such folder"
    else:
        missing = [name for name in names if not (folder / name).exists()]
        if not missing:
            return folder
        told = f"the folder lacks {' and '.join(missing)}"
    raise InputError(
        f"Expected {dataset} but {told}.",
        where=None if folder is None else str(folder),
        next_step=f"download it from {page} and pass --data DIR, laid out like this:\n{layout}",
    )


def unwrapped(root: Path | None, name: str, folders: Sequence[str]) -> Path | None:
    """The folder that holds ``name``: ``root`` or the first of ``folders`` below it; else ``root``.

    Archives differ in whether they unpack into a folder of their own.
    """
    if root is None or (root / name).exists():
        return root
    return next((root / folder for folder in folders if (root / folder / name).exists()), root)
