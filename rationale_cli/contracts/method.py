"""The contract of a fine-tuning method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol

from .options import PluginOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .classifier import Classifier
    from .model import VisionLanguageModel
    from .sample import Task


Drawn = Literal["train", "validation"]
"""Which pictures of the training split: those that are trained on, or those held out for choosing."""


class Support(Protocol):
    """The pictures that a method may look at: of the training split alone, never of a test split.

    With ``train.shots`` both parts are drawn class by class, the same for every method and model.
    """

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    def size(self, part: Drawn) -> int:
        """Number of pictures, known without opening one."""
        ...

    def batches(
        self, part: Drawn, *, passes: int = 1, augment: str | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images B×3×S×S, normalised, and labels B, both on the device of the run.

        All pictures of the part once for each pass, in the same order every time. ``augment`` names one of
        the tool's augmentations, drawn anew for each pass and the same in every process; None shows the
        pictures as they are explained. Raises ``InputError`` for an unreadable picture, or where none is
        left.
        """
        ...

    def groups(self, part: Drawn) -> Tensor | None:
        """Number of the group of each picture, in the order of ``batches`` and asked after it: N, on the CPU.

        A group is a class and what its objects stand on (``Split.contexts``); None where the data do not
        know.
        """
        ...


class Step(Protocol):
    """The ``nn.Module`` that goes through ``accelerator.prepare``: one forward is one loss.

    It shares the classifier's parameters. Every parameter with ``requires_grad`` receives a gradient
    from one forward; all others stay bit-identical.

    A step whose features never change may offer ``cached() -> nn.Module``, a twin over the same
    trainable parameters with ``forward(features B×F, labels B) -> loss``: the engine then computes
    ``classifier.features`` of the training pictures once.

    It may also offer

    - ``begin_training(epochs) -> None``, called once before all steps, and again where training is resumed;
    - ``begin_epoch(number) -> None``, called before the first step of each epoch, counted from 0, and where
      training is resumed within one;
    - ``kept() -> Mapping[str, Tensor]``, tensors that neither train nor follow from what does, and which the
      step changes as training goes on (an average over epochs, say). They are the step's very own: where
      training is resumed, those of the interrupted run are copied into them, after ``begin_training``.
    """

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """images B×3×S×S, labels B → scalar loss, a mean over the batch."""
        ...


class Fitted(NamedTuple):
    """What a method makes of a model and a task."""

    classifier: Classifier
    step: nn.Module | None
    """A ``Step``; None where nothing is trained."""


class MethodOptions(PluginOptions):
    """Options that every trainable method has; subclass to set its defaults and add its own."""

    lr: float = 1e-5
    """Learning rate."""


class Method(Protocol):
    """How a model is fitted to a task. Constructed as ``cls(options)``.

    Optional: a class attribute ``recommended``, dotted keys of ``train`` and of its own section → values
    with which it is trained where nobody says otherwise; what a model recommends for it comes before them.

    Optional: a class attribute ``offers``, what regularizers may build on: names of attributes of its step
    (``tuned_texts`` of ``TextTuning``, ``tuned_images`` of ``ImageTuning``) and of what its step's forward
    gives (fields of ``Outputs``).

    Also optional: ``read(fitted, task) -> Sequence[Path]`` before training and before anything is written, to
    read the files that its options name; raises ``InputError``. The run folder records the hashes of what it
    returns, and an interrupted run goes on with the same files alone. Explaining reads none of them.

    Also optional, called in evaluation mode, in full precision and without gradients:

    - ``prepare(fitted, support) -> None`` before training (the same in every process, and again where
      training is resumed: what it does follows from the pictures and torch's seed);
    - ``finish(fitted, support) -> Mapping[str, float] | None`` after training and before saving, with torch's
      seed set anew; what it returns (chosen values, say) is kept in the run's manifest;
    - ``retarget(fitted, task) -> Classifier | None`` when explaining: the tuned classifier for other classes,
      where class vectors come from their names. It shares the model and all that was tuned. Without it, or
      where it gives None, other classes than those of the tuning cannot be predicted;
    - ``zero_shot(fitted, task, tuned, support) -> Mapping[str, Tensor]`` for ``rationale interpolate``: the
      delta that stands for zero-shot, with the names and shapes of ``tuned``, the run's. ``fitted`` is as it
      was built; ``finish`` is called after weights between both were loaded.

    Explaining calls neither ``prepare`` nor ``finish``: all that a classifier needs is in its ``delta``. Only
    a method whose attribute ``validates`` is true may ask for the part "validation": pictures are held out
    for its sake.
    """

    needs: ClassVar[tuple[str, ...]]
    """Attributes that the model must have beyond the contract (capabilities)."""

    @property
    def Options(self) -> type[PluginOptions]:
        """The class of its options: a class nested in the plugin, or a class attribute."""
        ...

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Set ``requires_grad`` and return classifier and step. The seed is already set."""
        ...
