"""Fine-tuning like contrastive pre-training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather

from rationale_cli.contracts import (
    Fitted,
    Matching,
    MethodOptions,
    Outputs,
    Support,
    Task,
    TunedTexts,
    VisionLanguageModel,
)
from rationale_cli.errors import PluginError
from rationale_cli.toolkit.heads import WordedClassifier, class_embeddings, prompt_tokens, train_only
from rationale_cli.toolkit.interpolation import averaged_already, between, kept
from rationale_cli.toolkit.modes import evaluation
from rationale_cli.toolkit.substitution import as_it_came

from ._matching import matching_loss


class Flcp:
    """Images and class texts aligned contrastively as in pre-training; evaluated as zero-shot.

    Protocol §4, FLCP; Goyal et al. 2023, "Finetune like you pretrain" (FLYP). The loss is the symmetric
    InfoNCE over the batch. Defaults are those of the paper that this tool follows; FLYP's released code
    trains with AdamW, weight decay 0.1, every template and the learned temperature.
    """

    class Options(MethodOptions):
        """Options of FLCP."""

        lr: float = 1e-5
        """Learning rate of both towers."""
        temperature: float | Literal["learned"] = 0.07
        """Divides the cosine similarities of the loss. ``learned`` takes the model's own scale and trains it
        too (ALBEF and BLIP in the paper); with a number, the classifier's scale is not trained."""
        objective: Literal["itc", "itc+itm"] = "itc"
        """The contrastive loss alone, as in the paper, or with the image–text-matching loss of ALBEF's and
        BLIP's pre-training (hard negatives of other classes from the process's own batch)."""
        templates: Literal["first", "all"] = "first"
        """What a picture is aligned with: its class in the dataset's first template, or, as in FLYP's
        released code, in one of all templates, drawn anew for each picture and step."""
        targets: Literal["identity", "soft"] = "identity"
        """Whether what else the batch holds of a picture's own class are negatives, as published, or share
        the target. With one text a class both losses are the same."""
        gather: bool = True
        """Take negatives from all processes: the loss is that of one process at the same global batch."""
        alpha: float = Field(default=1.0, ge=0, le=1)
        """Share of the tuned weights in the result: below 1 it is the mean with zero-shot, weight by weight,
        as FLYP was tried with WiSE-FT. What ``rationale interpolate`` makes of a run with 1."""

        @field_validator("templates")
        @classmethod
        def _one_text_a_class(cls, templates: str, others: ValidationInfo) -> str:
            if templates == "all" and others.data.get("objective") == "itc+itm":
                raise ValueError(
                    "Expected one text a class for the matching loss (itc+itm) but got all templates."
                )
            return templates

    needs: ClassVar[tuple[str, ...]] = ()
    offers: ClassVar[tuple[str, ...]] = (
        "tuned_texts",
        "image_features",
        "tuned_images",
        "zero_shot_features",
    )

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Both towers train; class vectors start as the zero-shot ones.

        Raises ``PluginError`` where the objective needs a matching head that the model does not have.
        """
        trained = [*model.parameters_of("embed_images"), *model.parameters_of("embed_texts")]
        if self.options.temperature == "learned":
            trained += model.parameters_of("logit_scale")
        if self.options.objective == "itc+itm":
            if not hasattr(model, "match"):
                raise PluginError(
                    "method.objective: 'itc+itm' needs a model with a matching head (ALBEF or BLIP), which "
                    f"{type(model).__name__} does not have.",
                    next_step="use method.objective=itc",
                )
            trained += cast(Matching, model).matching_parameters()
        train_only(model, trained)
        classifier = WordedClassifier(model, task)
        return Fitted(classifier, _Step(classifier, task, self.options))

    def finish(self, fitted: Fitted, support: Support) -> Mapping[str, float]:
        """Average the weights where that is asked, and encode the class prompts with the text tower."""
        step, alpha = cast(_Step, fitted.step), self.options.alpha
        if step.start is not None:
            step.classifier.load_delta(between(step.start, step.classifier.delta(), alpha))
        vectors = class_embeddings(step.classifier.model, step.task)
        step.classifier.class_vectors.copy_(vectors)
        return {} if step.start is None else {"alpha": alpha}

    def zero_shot(
        self, fitted: Fitted, task: Task, tuned: Mapping[str, Tensor], support: Support
    ) -> Mapping[str, Tensor]:
        """Both towers as they came. Raises ``InputError`` where ``tuned`` is an average already."""
        if self.options.alpha != 1:
            raise averaged_already(self.options.alpha)
        return fitted.classifier.delta()

    def retarget(self, fitted: Fitted, task: Task) -> WordedClassifier:
        """Other names are encoded by the tuned text tower."""
        model = fitted.classifier.model
        return WordedClassifier(model, task)


class _Step(nn.Module):
    """Symmetric InfoNCE of a batch of pictures and prompts of their classes."""

    def __init__(self, classifier: WordedClassifier, task: Task, options: Flcp.Options) -> None:
        super().__init__()
        self.start = kept(classifier.delta()) if options.alpha < 1 else None
        self.classifier = classifier
        self.task = task
        self.options = options
        self._templates = len(task.templates) if options.templates == "all" else 1
        self._tokens = prompt_tokens(classifier.model, task, self._templates)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.outputs(images, labels).loss

    def outputs(self, images: Tensor, labels: Tensor) -> Outputs:
        """images B×3×S×S, labels B → the loss and the pictures' features."""
        model = self.classifier.model
        # Each text that occurs is encoded once, however often it occurs in the batch.
        present, position = torch.unique(self._texts_of(labels), return_inverse=True)
        if next(iter(self._tokens.values())).device != labels.device:
            self._tokens = {name: rows.to(labels.device) for name, rows in self._tokens.items()}
        tokens = {name: rows[present] for name, rows in self._tokens.items()}
        texts = F.normalize(model.embed_texts(tokens), dim=-1)
        if self.options.objective == "itc":
            features = model.embed_images(images)
            loss = self._contrastive(F.normalize(features, dim=-1), texts[position], labels)
            return Outputs(loss, image_features=features)
        matching = cast(Matching, model)
        seen = matching.image_tokens(images)
        features = matching.pool_images(seen)
        pictures = F.normalize(features, dim=-1)
        similarity = (pictures @ texts.T).detach() * self._scale().detach()
        match = matching_loss(matching, seen, tokens, similarity, position)
        loss = self._contrastive(pictures, texts[position], labels) + match
        return Outputs(loss, image_features=features)

    def tuned_images(self, images: Tensor, zero_shot: Tensor) -> Tensor:
        """See ``ImageTuning``."""
        with evaluation(self.classifier):
            return self.classifier.features(images)

    def zero_shot_images(self) -> Callable[[Tensor], Tensor]:
        """See ``ImageTuning``; keeps a copy of the image tower's weights."""
        return as_it_came(self.classifier.model, "embed_images")

    def tuned_texts(self, names: Sequence[str]) -> TunedTexts:
        """See ``TextTuning``: names in the task's first template. Raises what the tokeniser raises."""
        model = self.classifier.model
        tokens = dict(prompt_tokens(model, replace(self.task, classnames=tuple(names))))

        def encoded(rows: Tensor, outputs: Outputs) -> Tensor:
            return model.embed_texts(
                {name: every[rows.cpu()].to(rows.device) for name, every in tokens.items()}
            )

        return encoded

    def _texts_of(self, labels: Tensor) -> Tensor:
        """Labels B → a row of the tokens for each: its class in a template drawn at random."""
        if self._templates == 1:
            return labels
        # Drawn on the CPU, so that every device draws the same.
        return labels * self._templates + torch.randint(self._templates, labels.shape).to(labels.device)

    def _contrastive(self, pictures: Tensor, texts: Tensor, labels: Tensor) -> Tensor:
        """Unit rows B×D of pictures and of their texts, labels B → scalar."""
        if self.options.gather and dist.is_initialized():
            # Every process computes the whole loss; averaged gradients are then those of one process.
            pictures, texts, labels = _gathered(pictures), _gathered(texts), _gathered(labels)
        similarity = self._scale() * (pictures @ texts.T)
        targets = torch.arange(len(pictures), device=pictures.device)
        if self.options.targets == "soft":
            same = (labels[:, None] == labels).to(similarity.dtype)
            targets = same / same.sum(dim=1, keepdim=True)
        return (F.cross_entropy(similarity, targets) + F.cross_entropy(similarity.T, targets)) / 2

    def _scale(self) -> Tensor:
        if self.options.temperature == "learned":
            return self.classifier.model.logit_scale
        return torch.tensor(1 / self.options.temperature)


def _gathered(rows: Tensor) -> Tensor:
    """Rows of all processes, with gradients to each."""
    parts: tuple[Tensor, ...] = all_gather(rows)
    return torch.cat(parts)
