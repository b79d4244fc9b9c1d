"""Drawn scenes with a planted shortcut: the data whose truth is known.

A picture shows one patterned object on a landscape. The class is the pattern *inside* the object; its
shape, size, rotation, position and colours, the clutter and the landscape say nothing about it. In the
splits ``train``, ``val`` and ``test`` each class has a landscape of its own in 90 % of the pictures: a model
may learn that instead. Mask and background without the object are exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image
from pydantic import Field

from rationale_cli.contracts import Mask, PluginOptions, Sample, Task
from rationale_cli.errors import InputError

from ._drawing import SHAPES, VERSION, draw
from ._patterns import PATTERNS
from ._textures import BACKGROUNDS

__all__ = ["CLASSES", "LANDSCAPES", "SHAPES", "Scene", "SceneSplit", "Scenes", "ScenesOptions", "draw"]

CLASSES: tuple[str, ...] = tuple(PATTERNS)
LANDSCAPES: tuple[str, ...] = tuple(BACKGROUNDS)
_SHIFT = 7
"""The fixed permutation: class c goes with landscape c + 7, counted round.

Of the twelve rotations one by which no landscape looks like the pattern of its class: shown gravel
alone, a model that knows no shortcut says "checked" or "gridded", shown leaves it says "bricked".
"""


class Scene(NamedTuple):
    """What a picture shows, in words."""

    pattern: str
    shape: str
    background: str


@dataclass(frozen=True)
class _Plan:
    """How a split is drawn."""

    objects: int
    """Stream of the objects: splits that share it show the same objects on other landscapes."""
    stream: int
    """Stream of the landscapes."""
    backgrounds: Literal["tied", "independent", "swapped"]


_PLANS: dict[str, _Plan] = {
    "train": _Plan(0, 0, "tied"),
    "train-clean": _Plan(0, 1, "independent"),
    "val": _Plan(2, 5, "tied"),
    "test": _Plan(1, 2, "tied"),
    "shifted": _Plan(1, 3, "independent"),
    "swapped": _Plan(1, 4, "swapped"),
}


class ScenesOptions(PluginOptions):
    """Options of the scenes."""

    seed: int = Field(0, ge=0)
    """Draws other pictures of the same kind."""
    size: int = Field(64, ge=32, le=1024)
    """Side of a picture in pixels."""
    train_size: int = Field(2400, ge=1)
    """Pictures in ``train`` and in ``train-clean``."""
    test_size: int = Field(600, ge=1)
    """Pictures in ``val``, ``test``, ``shifted`` and ``swapped`` each."""
    correlation: float = Field(0.9, ge=0, le=1)
    """Share of the pictures of ``train``, ``val`` and ``test`` whose landscape goes with the class."""


def own_background(label: int) -> int:
    """Index of the landscape that goes with a class where there is a shortcut."""
    return (label + _SHIFT) % len(LANDSCAPES)


def _label(index: int) -> int:
    """Class of a split's picture."""
    return index % len(CLASSES)


class SceneSplit:
    """One split: pictures are drawn when asked for, each from (seed, split, index) alone."""

    def __init__(self, name: str, options: ScenesOptions) -> None:
        self._name = name
        self._plan = _PLANS[name]
        self._options = options
        self._length = options.train_size if name.startswith("train") else options.test_size

    @property
    def ids(self) -> Sequence[str]:
        """``split/index``."""
        return [f"{self._name}/{index:05d}" for index in range(self._length)]

    @property
    def labels(self) -> Sequence[int]:
        """The patterns take turns."""
        return [_label(index) for index in range(self._length)]

    @property
    def contexts(self) -> Sequence[str]:
        """The landscapes."""
        return [self.scene(index).background for index in range(self._length)]

    def __len__(self) -> int:
        return self._length

    def scene(self, index: int) -> Scene:
        """What picture ``index`` shows, without drawing it."""
        return self._start(index)[0]

    def __getitem__(self, index: int) -> Sample:
        scene, foreground, behind = self._start(index)
        drawing = draw(scene, self._options.size, foreground, behind)
        return Sample(
            id=f"{self._name}/{index:05d}",
            image=Image.fromarray(drawing.image),
            label=CLASSES.index(scene.pattern),
            evidence=Mask(Image.fromarray(drawing.mask.astype(np.uint8) * np.uint8(255))),
            background=Image.fromarray(drawing.background),
        )

    def _start(self, index: int) -> tuple[Scene, np.random.Generator, np.random.Generator]:
        if not 0 <= index < self._length:
            raise IndexError(f"Expected an index below {self._length} but got {index}")
        seed = self._options.seed
        foreground = np.random.default_rng((seed, self._plan.objects, index, 0))
        behind = np.random.default_rng((seed, self._plan.stream, index, 1))
        label = _label(index)
        shape = SHAPES[foreground.integers(len(SHAPES))]
        background = self._background(label, behind)
        return Scene(CLASSES[label], shape, LANDSCAPES[background]), foreground, behind

    def _background(self, label: int, rng: np.random.Generator) -> int:
        own, count = own_background(label), len(LANDSCAPES)
        other = (own + int(rng.integers(1, count))) % count
        if self._plan.backgrounds == "independent":
            return int(rng.integers(count))
        if self._plan.backgrounds == "swapped":
            return other
        return own if rng.random() < self._options.correlation else other


class Scenes:
    """The embedded dataset: six splits of drawn scenes, nothing to download."""

    Options = ScenesOptions

    def __init__(self, options: ScenesOptions) -> None:
        self._options = options

    @property
    def task(self) -> Task:
        """Twelve patterns, named by adjectives."""
        return Task(CLASSES, ("a photo of a {} object",))

    @property
    def splits(self) -> tuple[str, ...]:
        """``train``, ``val`` and ``test`` with the shortcut, the others without."""
        return tuple(_PLANS)

    @property
    def evaluation(self) -> tuple[str, ...]:
        """The same objects on their own landscape, on any, and on that of another class."""
        return ("test", "shifted", "swapped")

    @property
    def fingerprint(self) -> str:
        """Hash of the options and of the generator's version."""
        text = f"scenes {VERSION} {self._options.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def factors(self, split: str) -> dict[str, str]:
        """How landscapes go with classes: tied, independent, or swapped for another class's."""
        return {"landscapes": _PLANS[split].backgrounds}

    def split(self, name: str) -> SceneSplit:
        """Raises ``InputError`` for an unknown name."""
        if name not in _PLANS:
            raise InputError(
                f"Expected a split of the scenes but got '{name}'",
                next_step=f"choose one of: {', '.join(_PLANS)}",
            )
        return SceneSplit(name, self._options)
