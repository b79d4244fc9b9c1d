"""The contract of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from .options import PluginOptions
from .sample import Sample, Task

MaskRules = Mapping[str, Mapping[str, Any]]
"""Defensible ways to say which pixels belong to the object: a rule's name → options that make it so.

They change nothing but masks. The first is the default; which of them is a named protocol's is told by the
plugin's ``protocols``.
"""


class Nominal(NamedTuple):
    """What a dataset holds as it was published."""

    splits: Mapping[str, int]
    """Split → pictures."""
    evaluation: tuple[str, ...]
    """The held-out splits."""
    classes: int


class Split(Protocol):
    """A lazy, picklable sequence of samples.

    Optional: ``labels``, the class of every sample in order, known without opening a picture; without it,
    pictures are opened once to draw a few of each class. A split with ``labels`` may also have ``contexts``:
    in order, the name of what the object of every sample stands on or beside, where that goes with the class
    more often than it should. Class and context make a sample's group. None stands for a split that does not
    know.
    """

    @property
    def ids(self) -> Sequence[str]:
        """Identifiers in order, known without opening a picture."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Read one sample. Raises ``InputError`` that names the file where it cannot be read."""
        ...


class Dataset(Protocol):
    """Annotated pictures in named splits. Constructed as ``cls(options)``.

    Optional: ``task_of(split) -> Task`` where a split is judged by other classes than ``task``;
    a class attribute ``mask_rules`` (``MaskRules``), between which ``rationale audit runs`` tells
    what a choice of masks does to PT and IR; a class method ``nominal(options) -> Nominal | None``, from
    which a dry run counts where the data are not there; and ``factors(split) -> Mapping[str, str]``, which
    says how the pictures of a split are in what splits differ in, ``{"size": "small", "style": "photo"}``, by
    which ``rationale transfer`` tells how far from its training pictures a model is judged.
    """

    @property
    def Options(self) -> type[PluginOptions]:
        """The class of its options: a class nested in the plugin, or a class attribute."""
        ...

    @property
    def task(self) -> Task:
        """Class names and prompts."""
        ...

    @property
    def splits(self) -> tuple[str, ...]:
        """Names that ``split`` takes."""
        ...

    @property
    def evaluation(self) -> tuple[str, ...]:
        """The splits that ``rationale explain`` takes when none is named."""
        ...

    @property
    def fingerprint(self) -> str:
        """A short hash of what the data are (files and sizes, or generator and seed), not of where."""
        ...

    def split(self, name: str) -> Split:
        """Raises ``InputError`` for an unknown name, telling the known ones."""
        ...
