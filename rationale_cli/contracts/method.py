"""The contract of a fine-tuning method."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from .options import PluginOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .classifier import Classifier
    from .model import VisionLanguageModel
    from .sample import Task


class Step(Protocol):
    """The ``nn.Module`` that goes through ``accelerator.prepare``: one forward is one loss.

    It shares the classifier's parameters. Every parameter with ``requires_grad`` receives a gradient
    from one forward; all others stay bit-identical.

    A step whose features never change may offer ``cached() -> nn.Module``, a twin over the same
    trainable parameters with ``forward(features B×F, labels B) -> loss``: the engine then computes
    ``classifier.features`` of the training pictures once.
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

    Optional: ``finish(fitted) -> None``, called after training and before saving.
    """

    needs: ClassVar[tuple[str, ...]]
    """Attributes that the model must have beyond the contract (capabilities)."""

    @property
    def Options(self) -> type[PluginOptions]:  # noqa: N802
        """The class of its options: a class nested in the plugin, or a class attribute."""
        ...

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Set ``requires_grad`` and return classifier and step. The seed is already set."""
        ...
