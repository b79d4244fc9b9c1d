"""Stimuli: pictures that are made on the fly → a folder of images and masks, and a table of what is known."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from PIL import Image

from ..contracts import Dataset, Progress, Silent, Split
from ..engine.configuration import Chosen
from ..errors import InputError, did_you_mean
from ..runs.parts import whole_folder
from ..toolkit.geometry import mask_of

TABLE = "stimuli.csv"
"""Name of the table; the dataset ``folder`` reads it."""

OWN = ("train", "val", "test")
"""Splits that are written where none is named."""


class Stimuli(Split, Protocol):
    """A split whose pictures are known inside out."""

    def facts(self, index: int) -> Mapping[str, str | int | float | None]:
        """What is known of a picture besides its class: column → value, the same columns for each."""
        ...

    def parts(self, index: int) -> Mapping[str, Image.Image]:
        """Masks of the things in a picture, by name."""
        ...


@dataclass(frozen=True)
class StimuliRequest:
    """Which stimuli to write, and where."""

    dataset: Chosen
    """One whose splits are ``Stimuli``."""
    folder: Path
    splits: tuple[str, ...] | None = OWN
    """None writes all."""
    overwrite: bool = False
    """Replace what was written there before."""


@dataclass(frozen=True)
class StimuliResult:
    """What was written."""

    dataset: str
    """Qualified plugin name."""
    fingerprint: str
    table: Path
    splits: Mapping[str, int]
    """Split → pictures."""


def run(request: StimuliRequest, progress: Progress | None = None) -> StimuliResult:
    """Write ``images/``, ``masks/``, ``parts/`` and the table; the folder is there whole or not at all.

    Raises ``InputError`` for a split that the dataset does not have, and for a folder that is not free.
    """
    progress = progress or Silent()
    dataset = cast(Dataset, request.dataset.build())
    wanted = dataset.splits if request.splits is None else request.splits
    for name in wanted:
        if name not in dataset.splits:
            raise InputError(
                f"Expected a split of {request.dataset.bare!r} but got {name!r}. "
                f"{did_you_mean(name, dataset.splits)}"
            )
    splits = {name: cast(Stimuli, dataset.split(name)) for name in wanted}
    rows: list[Mapping[str, Any]] = []
    _check_free(request.folder, request.overwrite)
    with whole_folder(request.folder.absolute()) as folder:
        for name, split in splits.items():
            with progress.task(f"writing {name}", len(split)) as advance:
                rows += _written(split, name, dataset.task.classnames, folder, advance)
        with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    sizes = {name: len(split) for name, split in splits.items()}
    return StimuliResult(request.dataset.name, dataset.fingerprint, request.folder / TABLE, sizes)


def _check_free(folder: Path, overwrite: bool) -> None:
    """A folder of somebody else's is never replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    ours = (folder / TABLE).is_file()
    if not (overwrite and ours):
        raise InputError(
            "Expected a folder that is new or empty but this one is not.",
            where=str(folder),
            next_step="pass --overwrite to replace it, or choose another folder"
            if ours
            else f"choose another folder: what holds no {TABLE} is never replaced",
        )


def _written(
    split: Stimuli, name: str, classes: Sequence[str], folder: Path, advance: Callable[[int, str], None]
) -> Iterator[Mapping[str, Any]]:
    """Write a split's pictures and masks, and yield their rows."""
    for index in range(len(split)):
        sample = split[index]
        image, mask = f"images/{sample.id}.png", ""
        _save(sample.image, folder / image)
        if sample.evidence is not None:
            mask = f"masks/{sample.id}.png"
            _save(mask_of(sample.evidence, sample.image.size).point(lambda level: 255 * level), folder / mask)
        for part, picture in split.parts(index).items():
            _save(picture, folder / "parts" / sample.id / f"{part}.png")
        row = {"id": sample.id, "image": image, "mask": mask, "split": name, "label": classes[sample.label]}
        yield {**row, **split.facts(index)}
        advance(1, "")


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
