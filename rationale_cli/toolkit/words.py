"""Which words of a class's text carried the score of a picture: GAA on the text tower.

Chefer, Gur, Wolf 2021: R ← R + Ā·R over the layers, Ā = E_heads[(∇A ⊙ A)⁺], for y = cosine of the picture's
feature with the class vector. The rows of R that count are those that the tower reads after its last layer:
the end token's (CLIP), the CLS token's (BERT), or the mean of several. They are told by the gradient at that
layer's output, with no model-specific code. What a row had of the identity is no relevance and is left out.

Shapes: P pairs of a picture and a class, K texts of a class, H heads, L tokens, D joint embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contracts import Classifier, Spoken, Word, Worded
from ..errors import InputError, WorkError
from .attention import AttentionLayer, frozen, record
from .heads import text_embeddings
from .relevance import Rule, over_heads

NEEDS = ("encode_texts", "words_of")
_Key = tuple[str, int]
"""A word, and how many like it stand before it in its text."""
_EVERY = range(1 << 16)
_ROWS = 64
"""Texts that are encoded at a time."""


@dataclass(frozen=True)
class WordRelevance:
    """What carried the score of one picture and class."""

    words: tuple[tuple[str, float], ...]
    """Each word with its share of the relevance of all words, in reading order. Of several texts, a word that
    they share is counted once, with what it has in all of them; a second one in a text stays a second one."""
    elsewhere: float
    """Share of the whole relevance that lies on no word: on tokens of start, end and filling, and full
    stops."""
    without: tuple[float, ...] | None = None
    """What becomes of the class's logit where each word is left out of its texts: the difference, in the
    order of ``words``. It rests on no attribution. None where the texts are not written (``Worded``)."""


def word_relevance(classifier: Classifier, features: Tensor, targets: Tensor) -> list[WordRelevance]:
    """Features P×D of pictures, classes P → one for each pair; a word's share is the sum over its tokens.

    Parameters are frozen and the classifier is in evaluation mode meanwhile; both are restored. Raises
    ``InputError`` for a classifier whose class vectors come from no texts or whose text tower does not call
    ``torch.nn.functional.scaled_dot_product_attention``, and what ``Spoken.words_of`` raises.
    """
    lacking = [need for need in NEEDS if not hasattr(classifier, need)]
    if lacking:
        raise InputError(
            f"Expected a classifier whose class vectors come from texts but {type(classifier).__name__} has "
            "none.",
            next_step="ask for the words of a run of zs, flcp, coop or another method that keeps texts",
        )
    spoken = cast(Spoken, classifier)
    words = {label: spoken.words_of(label) for label in set(targets.tolist())}
    size = max(1, _ROWS // max(len(texts) for texts in words.values()))
    parts = zip(features.split(size), targets.split(size), strict=True)
    found = [one for part in parts for one in _token_relevance(spoken, *part)]
    joined = [_joined(tokens, words[label]) for tokens, label in zip(found, targets.tolist(), strict=True)]
    if not hasattr(classifier, "wordings"):
        return joined
    changes = _changes(cast(Worded, classifier), features, targets)
    return [replace(one, without=change) for one, change in zip(joined, changes, strict=True)]


def _token_relevance(classifier: Spoken, features: Tensor, classes: Tensor) -> Tensor:
    """P×D, P → P×K×L."""
    with torch.inference_mode(False), torch.enable_grad(), frozen(cast(nn.Module, classifier)):
        with record(_EVERY) as recording:
            texts = classifier.encode_texts(classes)
        layers = list(recording.layers.values())
        pairs, several, _ = texts.shape
        if not layers or len(layers[0].query) != pairs * several:
            raise InputError(
                "Expected a text tower that computes the attention of all texts with "
                "torch.nn.functional.scaled_dot_product_attention but saw no such call.",
                where=type(classifier.model).__name__,
                next_step="prediction and heatmaps need none of it",
            )
        vectors = F.normalize(texts, dim=-1).mean(dim=1)
        scores = F.cosine_similarity(features.detach().clone(), vectors, dim=-1)
        gradients = torch.autograd.grad(
            scores.sum(), [layer.output for layer in layers], materialize_grads=True
        )
    with torch.no_grad(), torch.autocast(features.device.type, enabled=False):
        return _walked(layers, gradients).view(pairs, several, -1)


def _walked(layers: list[AttentionLayer], gradients: tuple[Tensor, ...]) -> Tensor:
    """Rows N×L of R − I, from the last layer to the first."""
    read = (gradients[-1] != 0).any(dim=3).any(dim=1).float()
    start = read / read.sum(dim=1, keepdim=True).clamp(min=1)
    row, rule = start, Rule()
    for layer, gradient in zip(reversed(layers), reversed(gradients), strict=True):
        row = row + (row[:, None] @ over_heads(layer, gradient, rule))[:, 0]
    if not bool(row.isfinite().all()):
        raise WorkError(
            "Expected finite relevance of words but got infinite values or NaN.",
            next_step="check the run's loss for NaN",
        )
    return row - start


def _joined(tokens: Tensor, texts: Sequence[Sequence[Word]]) -> WordRelevance:
    """Tokens K×L and the words of K texts."""
    sums: dict[_Key, float] = {}
    for row, words in zip(tokens.tolist(), texts, strict=True):
        for key, word in zip(_keys([one.text for one in words]), words, strict=True):
            sums[key] = sums.get(key, 0.0) + sum(row[word.start : word.stop])
    on_words, whole = sum(sums.values()), float(tokens.sum())
    shares = tuple((word, value / on_words if on_words > 0 else 0.0) for (word, _), value in sums.items())
    return WordRelevance(shares, 1 - on_words / whole if whole > 0 else 0.0)


def _changes(classifier: Worded, features: Tensor, targets: Tensor) -> list[tuple[float, ...]]:
    """For each pair what its class's words are worth: a class's texts are encoded once for all pictures."""
    cosines = {
        label: F.normalize(features.float(), dim=-1) @ _shortened(classifier, label).T
        for label in set(targets.tolist())
    }
    scale = float(classifier.model.logit_scale.detach())
    found = []
    for pair, label in enumerate(targets.tolist()):
        whole, *parts = cosines[label][pair].tolist()
        found.append(tuple(scale * (part - whole) for part in parts))
    return found


def _shortened(classifier: Worded, label: int) -> Tensor:
    """(1+W)×D unit class vectors: of the texts as they are, and without each of their W words."""
    texts = [text.split() for text in classifier.wordings[label]]
    keys = dict.fromkeys(key for words in texts for key in _keys(words))
    versions = [
        " ".join(word for word, key in zip(words, _keys(words), strict=True) if key != left_out)
        for left_out in (None, *keys)
        for words in texts
    ]
    embeddings = text_embeddings(classifier.model, versions).float()
    return F.normalize(embeddings.view(1 + len(keys), len(texts), -1).mean(dim=1), dim=-1)


def _keys(words: Sequence[str]) -> list[_Key]:
    return [(word, words[:place].count(word)) for place, word in enumerate(words)]
