"""CoOp: a learned context before the class names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rationale_cli.contracts import Fitted, Task, VisionLanguageModel

from ._prompted import RECOMMENDED, PromptLoss, PromptOptions, PromptStep, PromptTuning, prompted


class CoOp(PromptTuning):
    """The words around the class names become vectors that are trained; both towers rest.

    Zhou et al. 2022, "Learning to Prompt for Vision-Language Models". The prompt of class c is
    ``[V]₁ … [V]ₘ <name of c>.``, the loss the cross-entropy of scale · cosine.
    """

    class Options(PromptOptions):
        """Options of CoOp."""

        class_specific: bool = False
        """Whether each class learns a context of its own; one serves all otherwise."""

    options: Options
    recommended: ClassVar[Mapping[str, Any]] = {**RECOMMENDED, "train.epochs": 50}
    """In the paper 50 epochs for one picture a class and for ImageNet, 100 for 2 or 4, 200 for 8 or 16."""

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """The context trains; class vectors start as those of the untrained context."""
        specific = self.options.class_specific
        classifier = prompted(model, task, self.options, class_specific=specific)
        return Fitted(classifier, PromptStep(PromptLoss(classifier), self.options))
