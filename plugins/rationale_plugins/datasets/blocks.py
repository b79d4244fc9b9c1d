"""Assemblies of blocks whose statics are known: will any block fall, and is the right one looked at?

Every item is exact (rigid boxes seen from the side, see ``_block_statics``) and none is near the boundary.
Items come in pairs, one stable and one unstable, that shortcuts do not tell apart: see ``_block_towers`` and
``_block_assemblies``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from rationale_cli.contracts import Mask, Nominal, PluginOptions, Sample, Task
from rationale_cli.errors import InputError

from ._block_items import SIZES, TASKS, VERSION, Family, Item, Size, item, label
from ._block_items import Task as TaskName
from ._block_looks import STYLES, Drawing, Looks, Style, draw

__all__ = ["CLASSES", "QUESTIONS", "SPLITS", "BlockSplit", "Blocks", "BlocksOptions", "Item"]

CLASSES: tuple[str, ...] = ("stable", "unstable")
"""The same words in both tasks, so that an answer learned in one can be judged in the other."""

PROMPTS: dict[str, tuple[str, ...]] = {
    "stability": ("a photo of a tower of blocks that is {}", "a picture of blocks that are {}"),
    "causal-removal": (
        "a photo of blocks that are {} without the red one",
        "a picture of blocks that are {} once the red one is gone",
    ),
}
"""Task → templates; ``{}`` stands for the class."""

QUESTIONS: dict[str, str] = {
    "stability": "Will any of the blocks fall?",
    "causal-removal": "Will any of the other blocks fall if the red block is taken away?",
}
"""Task → the same asked in words."""

ANSWERS: dict[str, str] = {"stable": "no", "unstable": "yes"}
"""Class → the answer to the question."""

WINDOWS: dict[str, float] = {"small": 3.5, "large": 5.6}
"""Size → block widths from one edge of a picture to the other."""


class _Plan(NamedTuple):
    part: int
    """0 train, 1 val, 2 test: parts have no assembly in common."""
    changed: frozenset[str]
    """Which of task, size and style are the other one's."""


SPLITS: dict[str, _Plan] = {
    "train": _Plan(0, frozenset()),
    "val": _Plan(1, frozenset()),
    "test": _Plan(2, frozenset()),
    "other-size": _Plan(2, frozenset({"size"})),
    "other-style": _Plan(2, frozenset({"style"})),
    "other-task": _Plan(2, frozenset({"task"})),
    "other-size-style": _Plan(2, frozenset({"size", "style"})),
    "other-size-task": _Plan(2, frozenset({"size", "task"})),
    "other-style-task": _Plan(2, frozenset({"style", "task"})),
    "other-all": _Plan(2, frozenset({"size", "style", "task"})),
}
"""Split → what it holds."""


_SMALL, _KEPT = 64, 1 << 14
"""Pictures up to this side are kept when they are drawn, so many at most: 256 MiB. Epochs and runs look at
the same ones again and again, and to draw one takes longer than to learn from it."""

_Bytes = npt.NDArray[np.uint8]
_Flags = npt.NDArray[np.bool_]


class BlocksOptions(PluginOptions):
    """What is asked of the blocks, and how they look."""

    task: TaskName = "stability"
    """What is asked: stability (will any block fall?) or causal-removal (will one, once the red is gone?)."""
    size: Size = "small"
    """Blocks in an assembly: small, 2 to 4 (of causal-removal 3 or 4), or large, 5 to 8."""
    style: Style = "cubeworld"
    """How they look: cubeworld (flat, bright, a checkered floor) or photo (grained, shaded, on a table)."""
    seed: int = Field(0, ge=0)
    """Draws other assemblies and pictures of the same kind."""
    train_size: int = Field(2000, ge=2, multiple_of=2)
    """Pictures in train."""
    test_size: int = Field(500, ge=2, multiple_of=2)
    """Pictures in each of the other splits."""
    pixels: int = Field(64, ge=32, le=1024)
    """Side of a picture in pixels."""
    margin: float = Field(0.05, gt=0, le=0.05)
    """How far every item is from the boundary of its answer, in block widths; beyond 0.05 there are no towers
    of three blocks that shortcuts do not tell apart."""
    random_camera: bool | None = None
    """Draw distance, place and tilt for each picture; by default in photo alone."""
    random_texture: bool | None = None
    """Draw grain and light for each surface; by default in photo alone."""
    random_sizes: bool = True
    """Draw the size of each block; else those of a column are equal, and no tower has two blocks."""


class BlockSplit:
    """One split: items are made and drawn when asked for, each from (seed, part, task, size, index) alone.

    Splits that differ in style alone show the same assemblies.
    """

    def __init__(self, name: str, options: BlocksOptions) -> None:
        """``options`` are those of the split: what ``name`` changes is changed in them already."""
        self.options = options
        part = SPLITS[name].part
        self._family = Family(
            options.task, options.size, options.seed, part, options.margin, not options.random_sizes
        )
        self._looks = _looks(options)
        self._length = options.train_size if name == "train" else options.test_size

    @cached_property
    def ids(self) -> Sequence[str]:
        """``task-size-style/part/index``: the same picture has the same one whatever its split is called."""
        options, part = self.options, ("train", "val", "test")[self._family.part]
        folder = f"{options.task}-{options.size}-{options.style}/{part}"
        return [f"{folder}/{index:05d}" for index in range(self._length)]

    @cached_property
    def labels(self) -> Sequence[int]:
        """Of each two neighbours one is stable."""
        return [label(self._family, index) for index in range(self._length)]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        shown = self.item(index)
        pixels = self.options.pixels
        image, evidence = (_kept if pixels <= _SMALL else _shown)(self._family, index, self._looks, pixels)
        return Sample(self.ids[index], Image.fromarray(image), shown.label, Mask(_grey(evidence)))

    def item(self, index: int) -> Item:
        """What picture ``index`` shows, without drawing it."""
        if not 0 <= index < self._length:
            raise IndexError(f"Expected an index below {self._length} but got {index}")
        return item(self._family, index)

    def parts(self, index: int) -> Mapping[str, Image.Image]:
        """Masks of single blocks, by name."""
        blocks = _drawing(self._family, index, self._looks, self.options.pixels).blocks
        return {f"block-{place}": _grey(block) for place, block in enumerate(blocks)}

    def facts(self, index: int) -> Mapping[str, str | int | float | None]:
        """What is known of picture ``index`` besides its class."""
        shown, options = self.item(index), self.options
        return {
            "task": options.task,
            "size": options.size,
            "style": options.style,
            "n_blocks": len(shown.blocks),
            "margin": shown.margin,
            "geometry-json": shown.geometry,
            "seed": options.seed,
        }


def _drawing(family: Family, index: int, looks: Looks, pixels: int) -> Drawing:
    shown = item(family, index)
    style = STYLES.index(looks.style)
    stream = (family.seed, family.part, index, TASKS.index(family.task), SIZES.index(family.size), style)
    window = WINDOWS[family.size]
    return draw(shown.blocks, shown.red, looks, window, pixels, np.random.default_rng(stream))


def _shown(family: Family, index: int, looks: Looks, pixels: int) -> tuple[_Bytes, _Flags]:
    """The picture S×S×3, and the pixels S×S of its evidence."""
    drawing = _drawing(family, index, looks, pixels)
    evidence = drawing.blocks[list(item(family, index).evidence)]
    return drawing.image, np.asarray(evidence.any(axis=0))


_kept = lru_cache(maxsize=_KEPT)(_shown)


class Blocks:
    """Drawn assemblies of blocks: two classes, ``stable`` and ``unstable``; nothing to download.

    Options ``task``, ``size`` and ``style`` say what is trained on. Splits:

    - ``train``, ``val``, ``test``: of that task, size and style;
    - ``other-size``, ``other-style``, ``other-task``: like ``test``, with that one exchanged;
    - ``other-size-style``, ``other-size-task``, ``other-style-task``, ``other-all``: with several exchanged.

    Classes have the same names in both tasks, in the same order; prompts and questions differ (``task_of``).
    All test splits are made from one stream, so ``other-style`` shows the very assemblies of ``test`` in the
    other style, and ``other-size`` of ``size=small`` is ``test`` of ``size=large``: the same pictures under
    the same ids. What a split is like is told by ``factors``.
    """

    Options = BlocksOptions

    def __init__(self, options: BlocksOptions) -> None:
        self._options = options

    @classmethod
    def nominal(cls, options: BlocksOptions) -> Nominal:
        """Splits and their sizes follow from the options."""
        sizes = {name: options.train_size if name == "train" else options.test_size for name in SPLITS}
        return Nominal(sizes, cls(options).evaluation, len(CLASSES))

    @property
    def task(self) -> Task:
        """Two classes, with two prompts each."""
        return _task(self._options.task)

    def task_of(self, split: str) -> Task:
        """The prompts and the question of the task that a split is of."""
        return _task(self._changed(split).task)

    def factors(self, split: str) -> Mapping[str, str]:
        """Task, size and style of a split."""
        options = self._changed(split)
        return {"task": options.task, "size": options.size, "style": options.style}

    @property
    def splits(self) -> tuple[str, ...]:
        """See ``Blocks``."""
        return tuple(SPLITS)

    @property
    def evaluation(self) -> tuple[str, ...]:
        """The same, one thing exchanged, and look and task both exchanged."""
        return ("test", "other-size", "other-style", "other-task", "other-style-task")

    @property
    def fingerprint(self) -> str:
        """Hash of the options and of the generator's version."""
        text = f"blocks {VERSION} {self._options.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def split(self, name: str) -> BlockSplit:
        """Raises ``InputError`` for an unknown name."""
        return BlockSplit(name, self._changed(name))

    def _changed(self, split: str) -> BlocksOptions:
        if split not in SPLITS:
            raise InputError(
                f"Expected a split of the blocks but got '{split}'",
                next_step=f"choose one of: {', '.join(SPLITS)}",
            )
        options = self._options
        others = {
            "task": _other(TASKS, options.task),
            "size": _other(SIZES, options.size),
            "style": _other(STYLES, options.style),
        }
        changed = SPLITS[split].changed
        return options.model_copy(update={key: value for key, value in others.items() if key in changed})


def _task(name: str) -> Task:
    return Task(CLASSES, PROMPTS[name], QUESTIONS[name], ANSWERS)


def _other(two: Sequence[str], one: str) -> str:
    first, second = two
    return second if one == first else first


def _looks(options: BlocksOptions) -> Looks:
    usual = options.style == "photo"
    camera, texture = options.random_camera, options.random_texture
    return Looks(options.style, usual if camera is None else camera, usual if texture is None else texture)


def _grey(mask: _Flags) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
