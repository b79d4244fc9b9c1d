"""WiSE-FT: the mean of the weights before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import Fitted, MethodOptions, Support, Task, VisionLanguageModel
from rationale_cli.toolkit.heads import LinearClassifier, class_embeddings, train_only
from rationale_cli.toolkit.interpolation import averaged_already, between, kept

from .fine_tuning import OFFERS, NetworkStep

_STEPS = 10


class WiseFt:
    """Fine-tuning from the zero-shot head; the result is (1 − α)·zero-shot + α·fine-tuned, weight by weight.

    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models". Image encoder and head are averaged, and
    α = 0 is zero-shot. The head reads the joint embedding at unit length, so that this holds for every model.
    """

    class Options(MethodOptions):
        """Options of WiSE-FT."""

        lr: float = 3e-5
        """Learning rate of encoder and head."""
        alpha: Annotated[float, Field(ge=0, le=1)] | Literal["validation"] = 0.5
        """Share of the fine-tuned weights. ``validation`` chooses it among 0, 0.1, …, 1 on training pictures
        that are held out; of equally good ones the smallest, which is nearest to zero-shot."""

    needs: ClassVar[tuple[str, ...]] = ()
    offers: ClassVar[tuple[str, ...]] = OFFERS
    recommended: ClassVar[Mapping[str, Any]] = {
        "train.optimizer": "adamw",
        "train.weight_decay": 0.1,
        "train.schedule": "cosine",
        "train.clip_norm": 1.0,
        "train.batch_size": 512,
        "train.epochs": 10,
    }
    """As released for ImageNet, but for 500 warm-up steps: smaller data are done before."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @property
    def validates(self) -> bool:
        """Alpha is chosen on pictures that are held out."""
        return self.options.alpha == "validation"

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """The parameters behind ``embed_images`` and the head train, from zero-shot on."""
        train_only(model, tuple(model.parameters_of("embed_images")))
        classifier = UnitClassifier(model, class_embeddings(model, task))
        return Fitted(classifier, _Step(classifier))

    def finish(self, fitted: Fitted, support: Support) -> Mapping[str, float]:
        """Average the weights; returns alpha, and the accuracy with which it was chosen."""
        classifier, start = cast(UnitClassifier, fitted.classifier), cast(_Step, fitted.step).start
        tuned = kept(classifier.delta())
        if self.options.alpha != "validation":
            classifier.load_delta(between(start, tuned, self.options.alpha))
            return {"alpha": self.options.alpha}
        right = {}
        for alpha in (step / _STEPS for step in range(_STEPS + 1)):
            classifier.load_delta(between(start, tuned, alpha))
            right[alpha] = _accuracy(classifier, support)
        best = max(right, key=lambda alpha: right[alpha])
        classifier.load_delta(between(start, tuned, best))
        return {"alpha": best, "validation_accuracy": right[best]}

    def zero_shot(
        self, fitted: Fitted, task: Task, tuned: Mapping[str, Tensor], support: Support
    ) -> Mapping[str, Tensor]:
        """The classifier as it is built. Raises ``InputError`` where ``tuned`` is an average already."""
        if self.options.alpha != 1:
            raise averaged_already(self.options.alpha)
        return fitted.classifier.delta()


class UnitClassifier(LinearClassifier):
    """A linear head on the joint embedding at unit length: logits = f/|f| · Wᵀ + b.

    It begins as zero-shot: W = scale · class vectors (C×D, unit length), b = 0.
    """

    def __init__(self, model: VisionLanguageModel, class_vectors: Tensor) -> None:
        super().__init__(model, *class_vectors.shape)
        self.head = self.head.to(class_vectors)
        with torch.no_grad():
            self.head.weight.copy_(model.logit_scale * class_vectors)
            self.head.bias.zero_()

    def features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D, not normalised."""
        return self.model.embed_images(images)

    def logits(self, features: Tensor) -> Tensor:
        """B×D → B×C."""
        return super().logits(F.normalize(features, dim=-1))


class _Step(NetworkStep):
    """Fine-tuning that remembers where it began."""

    def __init__(self, classifier: UnitClassifier) -> None:
        super().__init__(classifier, "embed_images")
        self.start = kept(classifier.delta())


def _accuracy(classifier: nn.Module, support: Support) -> float:
    """Share of the held-out pictures that are right."""
    right, count = 0, 0
    for images, labels in support.batches("validation"):
        right += int((classifier(images).argmax(dim=-1) == labels).sum())
        count += len(labels)
    return right / count
