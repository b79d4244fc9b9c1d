"""Fine-tuning like contrastive pre-training."""

from __future__ import annotations

from typing import ClassVar, Literal, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather

from rationale_cli.contracts import Fitted, Matching, MethodOptions, Support, Task, VisionLanguageModel
from rationale_cli.errors import PluginError
from rationale_cli.toolkit.heads import TextClassifier, class_embeddings, prompt_tokens, train_only

from ._matching import matching_loss


class Flcp:
    """Images and class texts aligned contrastively as in pre-training; evaluated as zero-shot.

    Protocol §4, FLCP; Goyal et al. 2023, "Finetune like you pretrain" (FLYP). The loss is the symmetric
    InfoNCE over the batch with identity targets: pictures of one class in a batch count as negatives.
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
        gather: bool = True
        """Take negatives from all processes: the loss is that of one process at the same global batch."""

    needs: ClassVar[tuple[str, ...]] = ()

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
        classifier = TextClassifier(model, class_embeddings(model, task))
        return Fitted(classifier, _Step(classifier, task, self.options))

    def finish(self, fitted: Fitted, support: Support) -> None:
        """Encode the class prompts with the tuned text tower."""
        step = cast(_Step, fitted.step)
        vectors = class_embeddings(step.classifier.model, step.task)
        step.classifier.class_vectors.copy_(vectors)


class _Step(nn.Module):
    """Symmetric InfoNCE of a batch of pictures and their classes' first prompts."""

    def __init__(self, classifier: TextClassifier, task: Task, options: Flcp.Options) -> None:
        super().__init__()
        self.classifier = classifier
        self.task = task
        self.options = options
        self._tokens = prompt_tokens(classifier.model, task)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        model = self.classifier.model
        # Each class that occurs is encoded once, however often it occurs in the batch.
        present, position = torch.unique(labels, return_inverse=True)
        tokens = {name: rows.to(labels.device)[present] for name, rows in self._tokens.items()}
        texts = F.normalize(model.embed_texts(tokens), dim=-1)
        if self.options.objective == "itc":
            pictures = F.normalize(model.embed_images(images), dim=-1)
            return self._contrastive(pictures, texts[position])
        matching = cast(Matching, model)
        seen = matching.image_tokens(images)
        pictures = F.normalize(matching.pool_images(seen), dim=-1)
        similarity = (pictures @ texts.T).detach() * self._scale().detach()
        match = matching_loss(matching, seen, tokens, similarity, position)
        return self._contrastive(pictures, texts[position]) + match

    def _contrastive(self, pictures: Tensor, texts: Tensor) -> Tensor:
        """Unit rows B×D of pictures and of their texts → scalar."""
        if self.options.gather and dist.is_initialized():
            # Every process computes the whole loss; averaged gradients are then those of one process.
            pictures, texts = _gathered(pictures), _gathered(texts)
        similarity = self._scale() * (pictures @ texts.T)
        pairs = torch.arange(len(pictures), device=pictures.device)
        return (F.cross_entropy(similarity, pairs) + F.cross_entropy(similarity.T, pairs)) / 2

    def _scale(self) -> Tensor:
        if self.options.temperature == "learned":
            return self.classifier.model.logit_scale
        return torch.tensor(1 / self.options.temperature)


def _gathered(rows: Tensor) -> Tensor:
    """Rows of all processes, with gradients to each."""
    parts: tuple[Tensor, ...] = all_gather(rows)  # type: ignore[no-untyped-call]
    return torch.cat(parts)
