"""The contract of a layout in which others save what they tuned."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from .method import Fitted
    from .sample import Task


@dataclass(frozen=True)
class ForeignCheckpoint:
    """What a file or folder of somebody's training holds."""

    path: Path
    """As it was given."""
    files: tuple[Path, ...]
    """All that was read."""
    tensors: Mapping[str, Tensor]
    """By the names in the file, a leading ``module.`` taken off."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of an adapter's ``adapter_config.json``; empty where there is none."""


class Restored(NamedTuple):
    """What of a classifier's delta a checkpoint tells."""

    tensors: Mapping[str, Tensor]
    """By the names of the delta; what is not among them stays as it was built, or follows by ``finish``."""
    notes: tuple[str, ...] = ()
    """What the user should know of it, a line each."""


class CheckpointFormat(Protocol):
    """A public layout of checkpoints, and the methods whose classifier they hold. Constructed as ``cls()``.

    Whether a file is of this layout is read off its names alone. Of all layouts at most one should know a
    file; where several do, the user names one.
    """

    expects: ClassVar[str]
    """The tensors by which it is known, in a line for messages."""
    methods: ClassVar[tuple[str, ...]]
    """Full names of the methods whose classifier it is, the usual one first."""

    def knows(self, names: Collection[str]) -> bool:
        """Whether tensors of these names are of this layout."""
        ...

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """Options of the method, without its section, that the tensors decide (a context's length, say)."""
        ...

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """The delta of a classifier that was built with these options.

        Called in evaluation mode and without gradients; afterwards the delta is loaded and the method's
        ``finish`` is called. Raises ``InputError`` where the tensors are not of this model or these classes.
        """
        ...
