"""Relevance with a gradient to what trains: what a loss may ask of a classifier while it is tuned.

Of the last attention layer alone. With o = A·V its output for one head, the gradient ∂y/∂A = (∂y/∂o)·Vᵀ
needs ∂y/∂o, which passes only what comes after that layer; so a second backward, with a graph of its own,
passes that part alone, and the forward is the one that the method's loss was computed with.

Shapes: B pictures, C classes, F features, H heads, T tokens, h×w patch grid.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contracts import Classifier, Outputs, Scalar, Setting, Specification, Task, TextTuning, TunedTexts
from ..contracts import VisionLanguageModel as Model
from ..errors import InputError
from .attention import AttentionLayer, Recording, Tower, record, tower_of
from .heads import CosineClassifier, TextClassifier, class_embeddings
from .modes import evaluation
from .relevance import Rule, blocks_of, of_class, on_grid, walk
from .substitution import called, weights_as_they_came

_EVERY = range(sys.maxsize)
_FIRST = slice(0, 1)
"""The row of the CLS token, or of an attention pool's query."""


class Seen(NamedTuple):
    """One forward of the image tower, in the graph."""

    features: Tensor
    """B×F."""
    layer: AttentionLayer
    """The tower's last."""

    def attention(self, grid: tuple[int, int]) -> Tensor:
        """How much the CLS token (or the pool) attends to each patch: the mean over heads, B×h×w."""
        with torch.autocast(self.features.device.type, enabled=False):
            return _patches(self.layer.probabilities(_FIRST).mean(dim=1)[:, 0], grid)

    def relevance(self, scores: Tensor, grid: tuple[int, int]) -> Tensor:
        """GAA of the last layer: E_heads[(∇A ⊙ A)⁺] of that row for scores B, which depend on the features.

        B×h×w, with a gradient to all that scores and attention depend on.
        """
        towards = self.towards_output(scores)
        with torch.autocast(self.features.device.type, enabled=False):
            return _patches(Rule().weigh(self.layer, towards, _FIRST).mean(dim=1)[:, 0], grid)

    def value_gradients(self, scores: Tensor, grid: tuple[int, int]) -> Tensor:
        """Squared length of the gradient of scores B in each patch's values, as that row reads them: B×h×w.

        ∂y/∂V of token t is A_t·∂y/∂o for each head: no derivative of the fused attention is needed.
        """
        towards = self.towards_output(scores)[:, :, _FIRST]
        with torch.autocast(self.features.device.type, enabled=False):
            lengths = towards.float().square().sum(dim=-1, keepdim=True)
            squares = self.layer.probabilities(_FIRST).square() * lengths
            return _patches(squares.sum(dim=1)[:, 0], grid)

    def towards_output(self, scores: Tensor) -> Tensor:
        """∂Σscores/∂o by way of the features, B×H×Q×d, in the graph."""
        # Scores may depend on attention in a text tower too; the features do not.
        (direction,) = torch.autograd.grad(scores.sum(), self.features, create_graph=True)
        (found,) = torch.autograd.grad(self.features, self.layer.output, direction, create_graph=True)
        return found


class Watch:
    """Sees the last attention layer of the image tower in the forward of a method's step."""

    def __init__(self, setting: Setting) -> None:
        """Raises ``InputError`` for a model without attention or without a token that stands for pictures."""
        self._classifier = setting.classifier
        self._tower = _tower(setting.classifier)
        self._recording: Recording | None = None
        self._places: dict[int, int] = {}
        self._texts = TunedScores(setting)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        model = self._classifier.model
        return model.patch_grid(model.preprocessing.size, model.preprocessing.size)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Surrounds the step's forward (``rationale_cli.contracts.Watching``)."""
        with record(_EVERY, live=True, leaf=False) as self._recording:
            yield

    def tuned(self, outputs: Outputs) -> Seen | None:
        """The tower's own forward by the step; None where the step tunes nothing of it."""
        recording, self._recording = self._recording, None
        features = outputs.image_features
        if recording is None or features is None or not features.requires_grad:
            return None
        layers = recording.layers
        if len(layers) not in self._places:
            self._places[len(layers)] = _behind(features, list(layers.values()))
        place = self._places[len(layers)]
        return None if place < 0 else Seen(features, _explained(layers[place]))

    def seen(self, images: Tensor, outputs: Outputs) -> Seen:
        """The same, or a further forward of B×3×S×S where the step's tower rests: the score alone trains."""
        return self.tuned(outputs) or self._further(images)

    def every_score(self, seen: Seen, outputs: Outputs, scalar: Scalar) -> Tensor:
        """B×C by the class vectors as they are now."""
        return self._texts.score(seen.features, outputs, scalar)

    def scores(self, seen: Seen, labels: Tensor, outputs: Outputs, scalar: Scalar) -> Tensor:
        """Each picture's score of its label, B."""
        return of_class(self.every_score(seen, outputs, scalar), labels)

    def _further(self, images: Tensor) -> Seen:
        last = self._tower.depth - 1
        resting = evaluation(cast(nn.Module, self._classifier))
        with torch.enable_grad(), resting, record(range(last, last + 1), live=True) as recording:
            features = self._classifier.features(images)
        return Seen(features, recording.layers[last])


class ZeroShotRelevance:
    """GAA by the model as it came, for its zero-shot class scores."""

    def __init__(self, model: Model, task: Task, scalar: Scalar, layers: str = "last") -> None:
        """Keeps a copy of those weights that train. ``layers`` as of a ``Specification``.

        Raises as ``Watch`` does, and ``InputError`` for layers that the model does not have.
        """
        self._classifier = TextClassifier(model, class_embeddings(model, task))
        self._tower = _tower(self._classifier)
        self._blocks = blocks_of(Specification(layers), self._tower, self._classifier)
        self._weights = weights_as_they_came(model, "embed_images")
        self._scalar = scalar

    def __call__(self, images: Tensor, labels: Tensor, grid: tuple[int, int]) -> Tensor:
        """B×3×S×S, labels B → B×h×w, without a gradient."""
        model = self._classifier.model
        with torch.enable_grad(), evaluation(cast(nn.Module, model)):
            with record(self._blocks.layers) as recording:
                features = called(model, self._weights, "embed_images", images)
            scores = of_class(self._classifier.score(features, self._scalar), labels)
            layers = recording.layers
            found = torch.autograd.grad(scores.sum(), [one.output for one in layers.values()])
            with torch.autocast(images.device.type, enabled=False):
                gradients = dict(zip(layers, found, strict=True))
                rows = walk(layers, gradients, {self._blocks}, Rule(), self._tower)
        return on_grid(rows[self._blocks], grid, cls=not self._tower.pooled)


class TunedScores:
    """Class scores by class vectors that may be tuned in this very step."""

    def __init__(self, setting: Setting) -> None:
        self._classifier, self._step = setting.classifier, setting.step
        self._classnames = setting.task.classnames
        self._now = _Now(setting.classifier.model)
        self._encode: TunedTexts | None = None

    def score_others(self, features: Tensor, outputs: Outputs, scalar: Scalar) -> Tensor:
        """R×F of other pictures than the batch's → R×C.

        Raises ``InputError`` where texts depend on the picture.
        """
        texts = outputs.class_texts
        if texts is not None and texts.ndim > 2:
            raise InputError(
                "Expected class texts that are the same for all pictures but those of this method depend on "
                "the picture.",
                where="regularizer.use",
                next_step="use another method or another regularizer",
            )
        return self.score(features, outputs, scalar)

    def score(self, features: Tensor, outputs: Outputs, scalar: Scalar) -> Tensor:
        """B×F of the batch's pictures → B×C."""
        texts = outputs.class_texts
        if texts is None and hasattr(self._step, "tuned_texts"):
            # The method's own loss needs no text of every class.
            self._encode = self._encode or cast(TextTuning, self._step).tuned_texts(self._classnames)
            texts = self._encode(torch.arange(len(self._classnames), device=features.device), outputs)
        if texts is None:
            return self._classifier.score(features, scalar)
        self._now.texts = F.normalize(texts, dim=-1)
        return self._now.score(features, scalar)


class _Now(CosineClassifier):
    texts: Tensor

    def vectors(self, features: Tensor) -> Tensor:
        return self.texts


def _tower(classifier: Classifier) -> Tower:
    model = classifier.model
    size = model.preprocessing.size
    tower = tower_of(classifier, torch.zeros(1, 3, size, size, device=model.logit_scale.device))
    blocks_of(Specification(), tower, classifier)
    return tower


def _explained(layer: AttentionLayer) -> AttentionLayer:
    if layer.query.ndim != 4 or layer.dropout > 0:
        raise InputError(
            "Expected an image tower whose last attention is over batch, heads, tokens and width, without "
            f"dropout, but got {layer.query.ndim} dimensions and a dropout of {layer.dropout}.",
            next_step="leave the regularizer out, or let the model's adapter compute attention so",
        )
    return layer


def _behind(features: Tensor, layers: Sequence[AttentionLayer]) -> int:
    """Which is the last layer that features depend on; −1 where it is none of them."""
    for place in range(len(layers) - 1, -1, -1):
        output = layers[place].output
        if output.requires_grad:
            (found,) = torch.autograd.grad(
                features, output, torch.ones_like(features), retain_graph=True, allow_unused=True
            )
            if found is not None:
                return place
    return -1


def _patches(row: Tensor, grid: tuple[int, int]) -> Tensor:
    """B×T → B×h×w: patch tokens are the last."""
    return row[:, -grid[0] * grid[1] :].reshape(-1, *grid)
