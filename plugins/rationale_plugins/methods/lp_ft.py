"""LP-FT: fine-tuning from a head that fits already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from pydantic import Field

from rationale_cli.contracts import Fitted, Support, Task, VisionLanguageModel
from rationale_cli.toolkit.encoding import encoded
from rationale_cli.toolkit.heads import LinearClassifier

from ._logistic import best_regression
from .fine_tuning import FineTuning, NetworkStep


class LpFt(FineTuning):
    """A logistic regression on the frozen features, then fine-tuning of encoder and head from there.

    Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution". The
    regression's strength is the one with which most of the held-out training pictures are right.
    """

    class Options(FineTuning.Options):
        """Options of LP-FT."""

        lr: float = 3e-5
        """Learning rate of the second stage; the paper tries 3e-7 to 1e-2."""
        strengths: int = Field(default=100, ge=1)
        """Strengths of the regression that are tried: C from 1e-7 to 1e2, evenly on a logarithmic scale."""

    needs: ClassVar[tuple[str, ...]] = ()
    validates: ClassVar[bool] = True
    recommended: ClassVar[Mapping[str, Any]] = {
        "train.optimizer": "sgd",
        "train.schedule": "cosine-epoch",
        "train.batch_size": 64,
        "train.epochs": 20,
    }
    """As in the paper; momentum is 0.9."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.strengths = options.strengths

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """As fine-tuning; the head is made by ``prepare``."""
        fitted = super().build(model, task)
        return Fitted(fitted.classifier, _Step(cast(LinearClassifier, fitted.classifier)))

    def prepare(self, fitted: Fitted, support: Support) -> None:
        """Fit the head. Raises as ``Support.batches`` does."""
        classifier = cast(LinearClassifier, fitted.classifier)
        train, validation = (encoded(classifier, support, part) for part in ("train", "validation"))
        found = best_regression(train, validation, support.classes, self.strengths)
        classifier.head.weight.copy_(found.weight)
        classifier.head.bias.copy_(found.bias)
        cast(_Step, fitted.step).found = {
            "strength": found.strength,
            "regression_validation_accuracy": found.accuracy,
        }

    def finish(self, fitted: Fitted, support: Support) -> Mapping[str, float]:
        """What ``prepare`` chose."""
        return cast(_Step, fitted.step).found


class _Step(NetworkStep):
    """Fine-tuning that remembers how its head was found."""

    def __init__(self, classifier: LinearClassifier) -> None:
        super().__init__(classifier)
        self.found: dict[str, float] = {}
