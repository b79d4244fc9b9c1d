"""One annotated picture, and the task that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image


@dataclass(frozen=True)
class Mask:
    """The object's pixels as a single-channel picture: any value above 0 belongs to the object.

    It has the picture's size, or that size times a common scale.
    """

    image: Image.Image
    share: float | None = None
    """For grey levels from 0 to 255: the share of 255 from which on a pixel belongs to the object, asked
    after the mask was resized with its picture. None: what is above 0, asked before."""


@dataclass(frozen=True)
class Boxes:
    """The object's boxes in pixels of the picture; pixels inside any box belong to the object."""

    xyxy: tuple[tuple[float, float, float, float], ...]
    """(left, top, right, bottom) each; right and bottom are exclusive."""


Evidence = Mask | Boxes
"""Where the object is: what a heatmap is held against."""


@dataclass(frozen=True)
class Sample:
    """One picture of a dataset's split."""

    id: str
    """Stable over machines and runs, unique in the split; compared runs are joined by it."""
    image: Image.Image
    """RGB, upright, any size."""
    label: int
    """Index into ``Task.classnames``."""
    evidence: Evidence | None = None
    """The object's mask or boxes; None where the picture is not annotated."""
    background: Image.Image | None = None
    """The very same picture without the object, where a dataset knows it (same size as ``image``)."""


@dataclass(frozen=True)
class Task:
    """What there is to tell apart, in words."""

    classnames: tuple[str, ...]
    templates: tuple[str, ...] = ("a photo of a {}",)
    """Prompts with one ``{}`` for the class name; several are averaged as normalised embeddings."""
    question: str | None = None
    """What a model that answers in words is asked about each picture; None asks which class it shows."""
    answers: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Class name → the answer that stands for it, where that is not the name itself: yes, say."""

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        """Of each class, its name in each template."""
        return tuple(tuple(one.format(name) for one in self.templates) for name in self.classnames)
