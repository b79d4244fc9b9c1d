"""CLIP-LoRA: low-rank updates of both towers' attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rationale_cli.contracts import Fitted, MethodOptions, Outputs, Support, Task, VisionLanguageModel
from rationale_cli.errors import PluginError
from rationale_cli.toolkit.heads import TextClassifier, prompt_tokens, train_only
from rationale_cli.toolkit.modes import evaluation
from rationale_cli.toolkit.substitution import as_it_came, called

from ._low_rank import LowRank, attention_weights


class ClipLora:
    """Every query, key and value projection of both towers gets a low-rank update; nothing else trains.

    Zanella and Ben Ayed 2024, "Low-Rank Few-Shot Adaptation of Vision-Language Models". The loss is the
    cross-entropy of scale · cosine to the classes' first prompts, which both towers encode at each step.
    """

    class Options(MethodOptions):
        """Options of CLIP-LoRA."""

        lr: float = 2e-4
        """Learning rate of the updates."""
        rank: int = Field(default=2, ge=1)
        """Rank r of an update."""
        alpha: float = Field(default=1.0, gt=0)
        """An update is scaled by alpha/√r."""
        dropout: float = Field(default=0.25, ge=0, lt=1)
        """Share of a projection's inputs that its update does not see in a step."""
        chunk: int = Field(default=256, ge=1)
        """Prompts that are encoded at a time. Where there are more, each part is computed once more in the
        backward, which bounds the memory."""

    needs: ClassVar[tuple[str, ...]] = ()
    offers: ClassVar[tuple[str, ...]] = (
        "class_texts",
        "image_features",
        "logits",
        "tuned_images",
        "zero_shot_features",
    )
    recommended: ClassVar[Mapping[str, Any]] = {
        "train.optimizer": "adamw",
        "train.weight_decay": 0.01,
        "train.schedule": "cosine",
        "train.batch_size": 32,
        "train.epochs": 50,
        "train.augment": "standard",
    }
    """In the paper 500 steps for each picture of a class, whatever the number of classes."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """The updates train; they are zero at first, which is zero-shot.

        Raises ``PluginError`` for an image tower in which no projection is found.
        """
        train_only(model, ())
        module = cast(nn.Module, model)
        if not attention_weights(module, model.parameters_of("embed_images")):
            raise PluginError(
                "Expected an image tower with weights of query, key and value (in_proj_weight, qkv, q_proj, "
                f"query) but {type(model).__name__} has none that are called so.",
                next_step="choose another method, for example flcp",
            )
        towers = (*model.parameters_of("embed_images"), *model.parameters_of("embed_texts"))
        options = self.options
        low_rank = LowRank(
            module,
            attention_weights(module, iter(towers)),
            rank=options.rank,
            alpha=options.alpha,
            dropout=options.dropout,
        )
        classifier = LoraClassifier(model, prompt_tokens(model, task), low_rank, options.chunk)
        return Fitted(classifier, _Step(classifier))

    def finish(self, fitted: Fitted, support: Support) -> None:
        """Encode the class prompts with the tuned text tower."""
        cast(LoraClassifier, fitted.classifier).settle()

    def retarget(self, fitted: Fitted, task: Task) -> LoraClassifier:
        """Other names are encoded by the tuned text tower."""
        tuned = cast(LoraClassifier, fitted.classifier)
        tokens = prompt_tokens(tuned.model, task)
        return LoraClassifier(tuned.model, tokens, tuned.low_rank, self.options.chunk)

    def zero_shot(
        self, fitted: Fitted, task: Task, tuned: Mapping[str, Tensor], support: Support
    ) -> Mapping[str, Tensor]:
        """Updates of nothing: B is zero and A as it was tuned, so that between them the update is scaled."""
        return {
            name: torch.zeros_like(tensor) if name.endswith(".up") else tensor
            for name, tensor in tuned.items()
        }


class LoraClassifier(TextClassifier):
    """Pictures and the class prompts ``tokens`` through the tuned towers."""

    def __init__(
        self, model: VisionLanguageModel, tokens: Mapping[str, Tensor], low_rank: LowRank, chunk: int
    ) -> None:
        super().__init__(model, _settled(model, tokens, low_rank, chunk))
        self.low_rank = low_rank
        self.chunk = chunk
        self._prompts = tokens

    def features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×D, not normalised."""
        return called(self.model, self.low_rank(self._model), "embed_images", images)

    def both_towers(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """B×3×S×S → features B×D and unit class vectors C×D of this very moment, in the graph."""
        weights = self.low_rank(self._model)
        vectors = _texts(self.model, weights, self._prompts, self.chunk)
        return called(self.model, weights, "embed_images", images), vectors

    def settle(self) -> None:
        """Compute the class vectors of the towers as they are now."""
        self.class_vectors.copy_(_settled(self.model, self._prompts, self.low_rank, self.chunk))


class _Step(nn.Module):
    """Cross-entropy of the whole classifier."""

    def __init__(self, classifier: LoraClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def outputs(self, images: Tensor, labels: Tensor) -> Outputs:
        """images B×3×S×S, labels B → the loss and what else is offered."""
        features, texts = self.classifier.both_towers(images)
        logits = self.classifier.against(features, texts)
        return Outputs(F.cross_entropy(logits, labels), texts, features, logits)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.outputs(images, labels).loss

    def tuned_images(self, images: Tensor, zero_shot: Tensor) -> Tensor:
        """See ``ImageTuning``."""
        with evaluation(self.classifier):
            return self.classifier.features(images)

    def zero_shot_images(self) -> Callable[[Tensor], Tensor]:
        """See ``ImageTuning``."""
        return as_it_came(self.classifier.model, "embed_images")


def _settled(
    model: VisionLanguageModel, prompts: Mapping[str, Tensor], low_rank: LowRank, chunk: int
) -> Tensor:
    """Unit class vectors C×D in evaluation mode, without a gradient."""
    with torch.no_grad(), evaluation(cast(nn.Module, model)), evaluation(low_rank):
        return _texts(model, low_rank(cast(nn.Module, model)), prompts, chunk)


def _texts(
    model: VisionLanguageModel, weights: Mapping[str, Tensor], prompts: Mapping[str, Tensor], chunk: int
) -> Tensor:
    """Tokens of C prompts → C×D at unit length, ``chunk`` at a time."""

    def encode(part: Mapping[str, Tensor]) -> Tensor:
        return called(model, weights, "embed_texts", part)

    count, device = len(next(iter(prompts.values()))), model.logit_scale.device
    parts = [
        {name: rows[start : start + chunk].to(device) for name, rows in prompts.items()}
        for start in range(0, count, chunk)
    ]
    if len(parts) == 1 or not torch.is_grad_enabled():
        embedded = [encode(part) for part in parts]
    else:
        embedded = [torch.as_tensor(checkpoint(encode, part, use_reentrant=False)) for part in parts]
    return F.normalize(torch.cat(embedded), dim=-1)
