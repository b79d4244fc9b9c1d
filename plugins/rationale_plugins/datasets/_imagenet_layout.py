"""Where the pictures and annotations of ImageNet lie, as Kaggle and as torchvision lay them out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ._official import required

PAGE = "https://www.kaggle.com/c/imagenet-object-localization-challenge or https://image-net.org/download.php"
LAYOUT = """\
  DIR/ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_18.JPEG       as Kaggle packs it
  DIR/ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000001.JPEG
  DIR/ILSVRC/Annotations/CLS-LOC/{train/n01440764,val}/*.xml
  DIR/LOC_val_solution.csv
or
  DIR/{train,val}/n01440764/*.JPEG                                as torchvision unpacks it
  DIR/LOC_val_solution.csv (from Kaggle), or DIR/Annotations/{train,val}/*.xml"""

PICTURES = (".jpeg", ".jpg", ".png")
"""Endings of pictures, as `listed` takes them."""

ANNOTATIONS = ("ILSVRC/Annotations/CLS-LOC", "Annotations/CLS-LOC", "Annotations")
"""Folders that may hold the XML files of ``train`` and ``val``."""


class Places(NamedTuple):
    """Where things are in one of the layouts; paths below the root."""

    root: Path
    pictures: str
    """What stands before "train" and "val"."""
    annotations: str | None
    """Folder above the XML files of "train" and "val"."""


def find(root: Path | None) -> Places:
    """Which layout a folder has. Raises ``InputError`` telling both where it has none."""
    kaggle = "ILSVRC/Data/CLS-LOC"
    folder = unwrapped(required(root, (), dataset="ImageNet", page=PAGE, layout=LAYOUT))
    pictures = next((place for place in (f"{kaggle}/", "") if _has_split(folder / place)), None)
    if pictures is None:
        required(folder, [f"{kaggle}/val or val"], dataset="ImageNet", page=PAGE, layout=LAYOUT)
    annotations = next((place for place in ANNOTATIONS if (folder / place).is_dir()), None)
    return Places(folder, pictures or "", annotations)


def unwrapped(folder: Path) -> Path:
    """The folder above ``ILSVRC``, where Kaggle's tables lie, if ``ILSVRC`` itself was named."""
    return folder.parent if folder.name == "ILSVRC" and (folder / "Data/CLS-LOC").is_dir() else folder


def below(folder: str, files: Mapping[str, int]) -> list[str]:
    """The listed files below a folder."""
    return [path for path in files if path.startswith(f"{folder}/")]


def stem(path: str) -> str:
    """A file's name without its ending."""
    return path.rpartition("/")[2].rpartition(".")[0]


def _has_split(folder: Path) -> bool:
    return any((folder / split).is_dir() for split in ("train", "val"))
