"""The contract of a regularizer: a term that is added to the loss of any method that offers what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from pydantic import Field

from .options import PluginOptions
from .progress import Progress, Silent

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .classifier import Classifier
    from .model import Preprocessing
    from .sample import Task

IMAGES = "images"
"""A need that every method meets: the pictures. The step is then not trained on cached features."""

MASKS = "masks"
"""A need that the data meet: where the object is in each picture. The term is then a ``MaskedTerm``."""

GROUPS = "groups"
"""A need that the data meet: the group of each picture, its class and what it stands on (``Split.contexts``).
The term is then a ``GroupedTerm``."""

OF_ANY_METHOD = (IMAGES, MASKS, GROUPS)
"""Needs that no method has to offer."""


class Masks(NamedTuple):
    """Where the object is in the pictures of a batch, cropped and mirrored as they are."""

    inside: Tensor
    """B×S×S uint8, 1 on the object; zero where nothing is known."""
    known: Tensor
    """B bool: whether mask or boxes were read (``train.mask_fraction``) and the object is in view."""


class Outputs(NamedTuple):
    """What one forward of a step made: its loss, and what terms may use instead of computing it again.

    A step offers the names of what it gives, by a function ``outputs(inputs, labels) -> Outputs`` beside its
    forward, which is then ``outputs(inputs, labels).loss``; so does the twin that it is ``cached`` by. All of
    B pictures and C classes, with the gradient of the loss, none of it brought to unit length by need.
    """

    loss: Tensor
    class_texts: Tensor | None = None
    """Class vectors that texts make and that are tuned: C×D, or B×C×D where each picture has its own."""
    image_features: Tensor | None = None
    """The batch's features B×F, where they are tuned."""
    logits: Tensor | None = None
    """B×C, of the run's classes in their order."""
    zero_shot_features: Tensor | None = None
    """The batch's features by the model as it came, B×F, without a gradient. A step that has not computed
    them leaves them out and offers ``tuned_images`` too: they are then computed where a term needs them."""


TunedTexts = Callable[["Tensor", Outputs], "Tensor"]
"""R indices of prepared names, and what the step's forward made → R×D, not normalised: what the class vector
of each name would be now, with a gradient to what trains. Where texts depend on the picture, those of the
batch take turns: row r has picture r mod B."""


class TextTuning(Protocol):
    """What a method offers under the name ``tuned_texts``: a step that says what its texts become.

    R rows, D joint embedding.
    """

    def tuned_texts(self, names: Sequence[str]) -> TunedTexts:
        """Prepare names, whatever they are. Raises ``InputError`` for a name that is too long."""
        ...


class ImageTuning(Protocol):
    """What a method offers under the name ``tuned_images``: a step that says what pictures become.

    R pictures, F features: those that the method classifies.
    """

    def tuned_images(self, images: Tensor, zero_shot: Tensor) -> Tensor:
        """R×3×S×S, whatever they show, and their features by the model as it came R×F → R×F, not normalised.

        As they would be judged now (in evaluation mode), with a gradient to what trains. A step that tunes
        nothing of the encoder itself needs the second alone.
        """
        ...

    def zero_shot_images(self) -> Callable[[Tensor], Tensor]:
        """Asked before training: R×3×S×S → R×F by the model as it came, whatever is trained later."""
        ...


@dataclass(frozen=True)
class Setting:
    """What a regularizer is put into: a method that is built and on its device, but not yet trained."""

    classifier: Classifier
    step: nn.Module
    """Has the attributes that the regularizer needs: ``tuned_texts`` and ``tuned_images`` are some."""
    task: Task
    unseen: Sequence[str] = ()
    """Names of classes that the run is judged by and not tuned on (``dataset.classes=base-to-new``)."""
    seed: int = 0
    """Of the run."""
    progress: Progress = field(default_factory=Silent)
    preprocessing: Preprocessing | None = None
    """How the run prepares pictures; None is the model's own way."""
    groups: Mapping[str, int] = field(default_factory=dict)
    """Group → how many pictures are trained on, in the order of the groups' numbers; of the groups that there
    are, and only where a regularizer needs them."""


class Term(Protocol):
    """The ``nn.Module`` that a regularizer makes: one forward is one term of the loss, yet unweighted.

    It trains nothing of its own. What is random is drawn from torch's generator, which the step of the run
    seeds. Optional: ``begin_epoch(number) -> None`` is called before the first step of each epoch, counted
    from 0, and where training is resumed within one; the method of ``Watching``; and ``kept()`` as a ``Step``
    has it, tensors that the term changes from step to step.
    """

    def __call__(self, inputs: Tensor, labels: Tensor, outputs: Outputs) -> Tensor:
        """The batch as the step gets it, and what the step made of it → scalar.

        ``inputs`` are images B×3×S×S where the regularizer needs ``images``, else perhaps cached features. Of
        ``outputs``, what the regularizer needs is there.
        """
        ...


class MaskedTerm(Protocol):
    """The ``Term`` of a regularizer that needs ``masks``."""

    def __call__(self, inputs: Tensor, labels: Tensor, outputs: Outputs, masks: Masks) -> Tensor:
        """As ``Term``; a picture whose mask is not known contributes nothing."""
        ...


class GroupedTerm(Protocol):
    """The ``Term`` of a regularizer that needs ``groups``; one that needs masks too gets these first."""

    def __call__(self, inputs: Tensor, labels: Tensor, outputs: Outputs, groups: Tensor) -> Tensor:
        """As ``Term``; groups B int64 are positions in ``Setting.groups``."""
        ...


class Watching(Protocol):
    """A term that looks at how the step computes its outputs, to spare a forward of its own."""

    def watching(self) -> AbstractContextManager[object]:
        """Is entered while the step computes the ``outputs`` that the term is then given."""
        ...


class RegularizerOptions(PluginOptions):
    """Options that every regularizer has; subclass to set its default weight and add its own."""

    weight: float = Field(default=1.0, ge=0)
    """Factor of the term in the loss."""


class Regularizer(Protocol):
    """A term for the loss of other methods. Constructed as ``cls(options)``, before any weight is read.

    Its files are read when it is constructed. Optional: ``files``, the paths that were read, whose hashes
    the run folder then records, and ``folders``, name → what the run folder records of a folder that was
    listed: its ``path``, and ``sha256`` of whatever tells another content. An interrupted run goes on with
    the same alone. Explaining constructs no regularizer.

    Optional: a class attribute ``recommended``, method name → dotted keys of ``regularizer``, its own options
    → values that suit this method where nobody says otherwise.
    """

    needs: ClassVar[tuple[str, ...]]
    """What the method must offer (``Method.offers``): fields of ``Outputs``, attributes of its step, or
    ``images``, which every method meets, and ``masks`` and ``groups``, which the data do."""

    @property
    def Options(self) -> type[RegularizerOptions]:
        """The class of its options: a class nested in the plugin, or a class attribute."""
        ...

    def build(self, setting: Setting) -> nn.Module:
        """Return a ``Term``, the same in every process and where training is resumed. The seed is set."""
        ...
