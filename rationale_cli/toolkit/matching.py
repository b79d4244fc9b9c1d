"""What a matching head says of pictures and their classes' texts, and the attention that it came through.

ALBEF and BLIP read a text together with a picture: text layers whose queries are the text's tokens take keys
and values from the picture's (cross-attention). Everything is found by the recorder, with no model-specific
code.

Shapes: B pictures, H heads, L tokens of a text, T tokens of a picture, W width, D joint embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..contracts import Classifier, Matching, VisionLanguageModel, Worded
from ..errors import InputError
from .attention import AttentionLayer, frozen, record
from .relevance import of_class

_EVERY = range(1 << 16)
_MATCH = 1
"""Of the two logits, no match and match."""


class Matched(NamedTuple):
    """One forward of the matching head, inside its graph."""

    score: Tensor
    """B: the logit of "match" of each picture with the text of its class."""
    logits: Tensor
    """B×C, the classifier's."""
    features: Tensor
    """B×D, the classifier's."""
    tokens: int
    """T."""
    image: tuple[AttentionLayer, ...]
    """Layers of the image tower in their order; empty where its graph is not wanted."""
    text: tuple[AttentionLayer, ...]
    """Layers of the text in their order, self-attention and cross-attention; at least one of the latter."""

    def crosses(self, layer: AttentionLayer) -> bool:
        """Whether the text reads the picture in this layer."""
        return _crosses(layer, self.tokens)


@contextmanager
def matched(classifier: Classifier, images: Tensor, targets: Tensor, *, image: bool) -> Iterator[Matched]:
    """Match pictures B×3×S×S with the first text of their classes (targets B), gradients on inside.

    ``image``: whether the graph includes the image tower. Parameters are frozen and the classifier is in
    evaluation mode meanwhile; both are restored. Raises ``InputError`` for a classifier without written class
    texts, a model without matching head, one whose text does not read the picture through
    ``scaled_dot_product_attention``, and a target that is no class.
    """
    model, worded = _capable(classifier)
    with torch.inference_mode(False), torch.enable_grad(), frozen(cast(nn.Module, classifier)):
        with record(_EVERY if image else range(0)) as seen, torch.set_grad_enabled(image):
            tokens = model.image_tokens(images.detach())
        with torch.no_grad():
            features = model.pool_images(tokens.detach())
            logits = classifier.logits(features)
            of_class(logits, targets)
        texts = [worded.wordings[target][0] for target in targets.tolist()]
        asked = cast(VisionLanguageModel, model).tokenize(texts)
        with record(_EVERY) as read:
            score = model.match(tokens, {name: rows.to(images.device) for name, rows in asked.items()})
        count = tokens.shape[1]
        layers = tuple(read.layers.values())
        if not any(_crosses(layer, count) for layer in layers):
            raise InputError(
                "Expected text layers that read the picture by cross-attention but saw none.",
                where=type(model).__name__,
                next_step="let the model's adapter compute them with "
                "torch.nn.functional.scaled_dot_product_attention, or choose another attribution",
            )
        yield Matched(score[:, _MATCH], logits, features, count, tuple(seen.layers.values()), layers)


def _crosses(layer: AttentionLayer, tokens: int) -> bool:
    # A text is always shorter than a picture, so the two are told apart by their numbers of tokens.
    return layer.key.shape[-2] == tokens and layer.query.shape[-2] != tokens


def _capable(classifier: Classifier) -> tuple[Matching, Worded]:
    if not hasattr(classifier.model, "match"):
        raise InputError(
            "Expected a model with an image–text-matching head (ALBEF, BLIP) but "
            f"{type(classifier.model).__name__} has none.",
            next_step="choose an attribution of the image tower, for example gaa",
        )
    if not hasattr(classifier, "wordings"):
        raise InputError(
            "Expected a classifier whose class vectors are those of written texts, with which the picture is "
            f"matched, but {type(classifier).__name__} has none.",
            next_step="explain a run of zs or flcp, or choose another attribution, for example gaa",
        )
    return cast(Matching, classifier.model), cast(Worded, classifier)
