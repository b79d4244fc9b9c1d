"""A dataset: annotated pictures in named splits."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydantic import Field

from rationale_cli.contracts import Mask, PluginOptions, Sample, Task
from rationale_cli.errors import InputError

SIZE = 64
CLASSES = ("horizontal", "vertical", "diagonal")
SPLITS = ("train", "test")


class StripesOptions(PluginOptions):
    """A dataset on disk would have `root: Path` here: `--data` sets it."""

    pictures: int = Field(default=60, ge=1)
    """Pictures in each split."""
    seed: int = Field(default=0, ge=0)
    """Draws other pictures of the same kind."""


@dataclass(frozen=True)
class StripesSplit:
    """A lazy sequence: identifiers are known at once, a picture is made when it is asked for."""

    name: str
    options: StripesOptions

    @property
    def ids(self) -> Sequence[str]:
        """Stable and unique: runs on the same data are joined by them."""
        return [f"{self.name}/{index:04d}" for index in range(self.options.pictures)]

    def __len__(self) -> int:
        return self.options.pictures

    def __getitem__(self, index: int) -> Sample:
        random = np.random.default_rng((self.options.seed, zlib.crc32(self.name.encode()), index))
        label = index % len(CLASSES)
        down, across = np.mgrid[:SIZE, :SIZE]
        top, left = random.uniform(22, 42, 2)
        disc = (down - top) ** 2 + (across - left) ** 2 < random.uniform(14, 20) ** 2
        along = (down, across, down + across)[label]
        stripes = np.where((along + random.integers(8)) % 8 < 4, 230, 30)
        noise = random.integers(80, 170, (SIZE, SIZE, 3))
        pixels = np.where(disc[:, :, None], stripes[:, :, None], noise).astype(np.uint8)
        return Sample(
            id=self.ids[index],
            image=Image.fromarray(pixels),
            label=label,
            evidence=Mask(Image.fromarray(disc.astype(np.uint8) * 255)),
            background=Image.fromarray(noise.astype(np.uint8)),
        )


class Stripes:
    """A disc with horizontal, vertical or diagonal stripes on coloured noise."""

    Options = StripesOptions

    def __init__(self, options: StripesOptions) -> None:
        self.options = options

    @property
    def task(self) -> Task:
        """Class names and prompts: what a text tower reads."""
        return Task(CLASSES, ("a photo of {} stripes",))

    @property
    def splits(self) -> tuple[str, ...]:
        """Every split there is."""
        return SPLITS

    @property
    def evaluation(self) -> tuple[str, ...]:
        """What `rationale explain` takes when no split is named."""
        return ("test",)

    @property
    def fingerprint(self) -> str:
        """What the data are, so that runs on other data are not compared."""
        return f"stripes-1-{self.options.seed}-{self.options.pictures}"

    def split(self, name: str) -> StripesSplit:
        """One split."""
        if name not in SPLITS:
            raise InputError(f"Expected a split ({', '.join(SPLITS)}) but got {name!r}.")
        return StripesSplit(name, self.options)
