"""Fine-tuning like contrastive pre-training."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rationale_cli.contracts import Fitted, MethodOptions, Task, VisionLanguageModel
from rationale_cli.toolkit.heads import TextClassifier, class_embeddings, prompt_tokens, train_only


class Flcp:
    """Images and class texts aligned contrastively as in pre-training; evaluated as zero-shot.

    Protocol §4, FLCP; Goyal et al. 2023, "Finetune like you pretrain" (FLYP). The loss is the symmetric
    InfoNCE over the batch with identity targets: pictures of one class in a batch count as negatives.
    """

    class Options(MethodOptions):
        """Options of FLCP."""

        lr: float = 1e-5
        """Learning rate of both towers."""
        temperature: float = 0.07
        """Divides the cosine similarities of the loss; the classifier's own scale is not trained."""

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, model: VisionLanguageModel, task: Task) -> Fitted:
        """Both towers train; class vectors start as the zero-shot ones."""
        trained = (*model.parameters_of("embed_images"), *model.parameters_of("embed_texts"))
        train_only(model, trained)
        classifier = TextClassifier(model, class_embeddings(model, task))
        return Fitted(classifier, _Step(classifier, task, self.options.temperature))

    def finish(self, fitted: Fitted) -> None:
        """Encode the class prompts with the tuned text tower."""
        step = cast(_Step, fitted.step)
        vectors = class_embeddings(step.classifier.model, step.task)
        step.classifier.class_vectors.copy_(vectors)


class _Step(nn.Module):
    """Symmetric InfoNCE of a batch of pictures and their classes' first prompts."""

    def __init__(self, classifier: TextClassifier, task: Task, temperature: float) -> None:
        super().__init__()
        self.classifier = classifier
        self.task = task
        self.temperature = temperature
        self._tokens = prompt_tokens(classifier.model, task)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        model = self.classifier.model
        # Each class that occurs is encoded once, however often it occurs in the batch.
        present, position = torch.unique(labels, return_inverse=True)
        tokens = {name: rows.to(labels.device)[present] for name, rows in self._tokens.items()}
        texts = F.normalize(model.embed_texts(tokens), dim=-1)[position]
        pictures = F.normalize(model.embed_images(images), dim=-1)
        similarity = pictures @ texts.T / self.temperature
        pairs = torch.arange(len(labels), device=labels.device)
        return (F.cross_entropy(similarity, pairs) + F.cross_entropy(similarity.T, pairs)) / 2
