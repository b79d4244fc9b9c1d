"""LoRA of generative models, by peft; with a base of four bits it is QLoRA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import (
    Answering,
    Fitted,
    MethodOptions,
    Outputs,
    Support,
    Task,
    VisionLanguageModel,
)
from rationale_cli.errors import PluginError
from rationale_cli.toolkit.answers import NEEDS, AnswerClassifier
from rationale_cli.toolkit.heads import train_only

from ._four_bits import in_four_bits


class Lora:
    """Every linear layer in the blocks of picture and language tower gets a low-rank update.

    Hu et al. 2022, "LoRA"; with ``quantise=4bit`` Dettmers et al. 2023, "QLoRA". The loss is −log P of the
    right answer's first token among the whole vocabulary: supervised tuning on answers of one token. The
    model keeps its own weights; a checkpoint holds the updates alone.
    """

    class Options(MethodOptions):
        """Options of LoRA."""

        lr: float = 2e-4
        """Learning rate of the updates."""
        rank: int = Field(default=16, ge=1)
        """Rank r of an update."""
        alpha: float = Field(default=16.0, gt=0)
        """An update is scaled by alpha/r."""
        dropout: float = Field(default=0.0, ge=0, lt=1)
        """Share of a layer's inputs that its update does not see in a step."""
        quantise: Literal["no", "4bit"] = "no"
        """``4bit`` keeps the weights that rest in four bits (NF4, by bitsandbytes): QLoRA."""

    needs: ClassVar[tuple[str, ...]] = NEEDS
    offers: ClassVar[tuple[str, ...]] = ("image_features", "logits")
    recommended: ClassVar[Mapping[str, Any]] = {
        "train.optimizer": "adamw",
        "train.weight_decay": 0.01,
        "train.schedule": "cosine",
        "train.batch_size": 16,
    }

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """The updates train; they are zero at first, which is zero-shot.

        Raises ``PluginError`` for a model without linear layers in blocks, and ``InputError`` for four bits
        without bitsandbytes.
        """
        module, options = cast(nn.Module, model), self.options
        names = _linear_layers(module, {id(one) for one in model.parameters_of("image_features")})
        if not names:
            raise PluginError(
                "Expected a model with linear layers in a list of blocks but "
                f"{type(model).__name__} has none.",
                next_step="choose another method, for example ft",
            )
        if options.quantise == "4bit":
            in_four_bits(module, names)
        settings = LoraConfig(
            r=options.rank, lora_alpha=options.alpha, lora_dropout=options.dropout, target_modules=names
        )
        inject_adapter_in_model(settings, module)
        updates = [one for name, one in module.named_parameters() if ".lora_" in name]
        for one in updates:
            # Beside four bits they begin in sixteen, in which small steps would be lost.
            one.data = one.data.float()
        train_only(model, updates)
        classifier = AnswerClassifier(cast(Answering, model), task)
        return Fitted(classifier, _Step(classifier))

    def retarget(self, fitted: Fitted, task: Task) -> AnswerClassifier:
        """The tuned model is asked another question, or for other answers."""
        return AnswerClassifier(cast(AnswerClassifier, fitted.classifier).answering, task)

    def zero_shot(
        self, fitted: Fitted, task: Task, tuned: Mapping[str, Tensor], support: Support
    ) -> Mapping[str, Tensor]:
        """Updates of nothing: B is zero and A as it was tuned, so that between them the update is scaled."""
        return {name: torch.zeros_like(one) if ".lora_B." in name else one for name, one in tuned.items()}


class _Step(nn.Module):
    """−log P of the right answer."""

    def __init__(self, classifier: AnswerClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def outputs(self, images: Tensor, labels: Tensor) -> Outputs:
        """images B×3×S×S, labels B → the loss, a mean over the batch, and what else is offered."""
        features = self.classifier.features(images)
        logits = self.classifier.logits(features)
        loss = -logits.gather(1, labels.unsqueeze(1)).mean()
        return Outputs(loss, image_features=features, logits=logits)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.outputs(images, labels).loss


def _linear_layers(module: nn.Module, read: set[int]) -> list[str]:
    """Names of the linear layers in lists of blocks whose weights are read: attention and MLP."""
    lists = [name for name, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    return [
        name
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear)
        and id(part.weight) in read
        and any(name.startswith(f"{one}.") for one in lists)
    ]
