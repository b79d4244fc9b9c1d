"""Zero-shot classification."""

from __future__ import annotations

from typing import ClassVar

from rationale_cli.contracts import Fitted, PluginOptions, Task, VisionLanguageModel
from rationale_cli.toolkit.heads import WordedClassifier, train_only


class ZeroShot:
    """The class whose prompt is most similar to the picture; nothing is trained.

    Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision".
    """

    class Options(PluginOptions):
        """Nothing to choose: prompts belong to the dataset."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Encode the class prompts once."""
        train_only(model, ())
        return Fitted(WordedClassifier(model, task), None)

    def retarget(self, fitted: Fitted, task: Task) -> WordedClassifier:
        """Other names are encoded in the same way."""
        model = fitted.classifier.model
        return WordedClassifier(model, task)
