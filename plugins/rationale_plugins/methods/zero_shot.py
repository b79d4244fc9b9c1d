"""Zero-shot classification."""

from __future__ import annotations

from typing import ClassVar

from rationale_cli.contracts import Classifier, Fitted, PluginOptions, Task, VisionLanguageModel
from rationale_cli.toolkit.answers import zero_shot
from rationale_cli.toolkit.heads import train_only


class ZeroShot:
    """The class whose prompt is most similar to the picture; nothing is trained.

    Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision". Of a model
    that answers in words, the class whose answer is most probable.
    """

    class Options(PluginOptions):
        """Nothing to choose: prompts belong to the dataset."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Encode the class prompts once, or the question."""
        train_only(model, ())
        return Fitted(zero_shot(model, task), None)

    def retarget(self, fitted: Fitted, task: Task) -> Classifier:
        """Other names and questions are encoded in the same way."""
        return zero_shot(fitted.classifier.model, task)
