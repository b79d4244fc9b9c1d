"""Relevance of words against autograd through explicit attention in the text tower, a text at a time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.methods.coop import CoOp
from rationale_plugins.methods.maple import MaPLe
from rationale_plugins.models.huggingface import HuggingFace
from rationale_plugins.models.open_clip import OpenClip
from rationale_plugins.models.tiny_clip import TinyClip
from rationale_plugins.models.tiny_fusion import TinyAlbef, TinyBlip

from rationale_cli.contracts import Task
from rationale_cli.errors import InputError
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier, WordedClassifier
from rationale_cli.toolkit.words import word_relevance

from ..repositories import FAMILIES
from .small_open_clip import tiny

TASK = Task(("dotted", "zebra", "striped star"), ("a photo of a {} object", "the {}"))
TARGETS = torch.tensor([2, 0, 1])


def siglip():
    with tempfile.TemporaryDirectory() as folder:
        FAMILIES["siglip"](Path(folder))
        model = HuggingFace(HuggingFace.Options(repository=folder))
        model.tokenize(["cat"])
        return model


def last(tokens):
    return [tokens["ids"].shape[1] - 1]


MODELS = {
    "tiny-clip": (lambda: TinyClip(TinyClip.Options()), lambda tokens: range(int(tokens["length"]))),
    "tiny-albef": (lambda: TinyAlbef(TinyAlbef.Options()), lambda tokens: [0]),
    "tiny-blip": (lambda: TinyBlip(TinyBlip.Options()), lambda tokens: [0]),
    "open_clip": (lambda: OpenClip(tiny(context_length=30)), lambda tokens: [int(tokens["length"]) - 1]),
    "siglip": (siglip, last),
}
"""And which tokens the tower reads in the end."""


class Explicit:
    """Attention as a matrix in the graph."""

    def __init__(self):
        self.maps = []

    def __call__(self, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
        scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        if attn_mask is not None:
            scores = scores + (attn_mask.float().log() if attn_mask.dtype == torch.bool else attn_mask)
        self.maps.append(scores.softmax(-1))
        return self.maps[-1] @ value


def rows_by_hand(model, feature, texts, ends, monkeypatch):
    """R − I of every text of a class, with whole matrices."""
    explicits, vectors, inputs = [], [], []
    for text in texts:
        explicit = Explicit()
        with monkeypatch.context() as patch:
            patch.setattr(F, "scaled_dot_product_attention", explicit)
            tokens = model.tokenize([text])
            vectors.append(F.normalize(model.embed_texts(tokens)[0], dim=-1))
        explicits.append(explicit.maps)
        inputs.append(tokens)
    score = F.cosine_similarity(feature, sum(vectors), dim=0)
    for maps, tokens in zip(explicits, inputs, strict=True):
        gradients = torch.autograd.grad(score, maps, retain_graph=True)
        relevance = torch.eye(maps[0].shape[-1])
        for attention, gradient in zip(maps, gradients, strict=True):
            relevance = relevance + (attention * gradient).clamp(min=0)[0].mean(0) @ relevance
        read = list(ends(tokens))
        yield (relevance - torch.eye(len(relevance)))[read].mean(0).detach()


@pytest.mark.parametrize("name", MODELS)
def test_words_have_what_autograd_gives_their_tokens(name, monkeypatch):
    make, ends = MODELS[name]
    torch.manual_seed(0)
    model = make().eval()
    classifier = WordedClassifier(model, TASK)
    features = torch.randn(len(TARGETS), classifier.class_vectors.shape[1])
    found = word_relevance(classifier, features, TARGETS)
    start = name != "siglip"
    for feature, target, one in zip(features, TARGETS.tolist(), found, strict=True):
        sums, whole = {}, 0.0
        texts = TASK.texts[target]
        for text, row in zip(texts, rows_by_hand(model, feature, texts, ends, monkeypatch), strict=True):
            words, place, whole = text.split(), int(start), whole + float(row.sum())
            for index, word in enumerate(words):
                both = 2 if start else 1
                size = int(model.token_counts(model.tokenize([word]))) - both
                key = word, words[:index].count(word)
                sums[key] = sums.get(key, 0.0) + float(row[place : place + size].sum())
                place += size
        total = sum(sums.values())
        assert [word for word, _ in one.words] == [word for word, _ in sums]
        shares = torch.tensor([share for _, share in one.words])
        torch.testing.assert_close(shares, torch.tensor(list(sums.values())) / total, rtol=1e-3, atol=1e-4)
        assert one.elsewhere == pytest.approx(1 - total / whole, abs=1e-3)


def test_a_word_is_worth_what_the_logit_loses_without_it():
    model = TinyClip(TinyClip.Options()).eval()
    classifier = WordedClassifier(model, Task(("dotted",), ("a photo of a {}", "the {}")))
    features = torch.randn(2, 128, generator=torch.Generator().manual_seed(3))
    found = word_relevance(classifier, features, torch.tensor([0, 0]))
    assert [word for word, _ in found[0].words] == ["a", "photo", "of", "a", "dotted", "the"]
    templates = [
        ("photo of a {}", "the {}"),
        ("a of a {}", "the {}"),
        ("a photo a {}", "the {}"),
        ("a photo of {}", "the {}"),
        ("a photo of a", "the"),
        ("a photo of a {}", "{}"),
    ]
    for place, texts in enumerate(templates):
        other = WordedClassifier(model, Task(("dotted",), texts))
        with torch.no_grad():
            wanted = (other.logits(features) - classifier.logits(features))[:, 0]
        assert [one.without[place] for one in found] == pytest.approx(wanted.tolist(), abs=1e-4)


def test_pairs_do_not_touch_each_other():
    classifier = WordedClassifier(TinyClip(TinyClip.Options()), TASK)
    features = torch.randn(80, 128, generator=torch.Generator().manual_seed(2))
    targets = torch.arange(80) % 3
    together = word_relevance(classifier, features, targets)
    for index in (0, 40, 79):
        (alone,) = word_relevance(classifier, features[index : index + 1], targets[index : index + 1])
        assert dict(alone.words) == pytest.approx(dict(together[index].words), abs=1e-4)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_learned_tokens_are_words_too(position):
    model = TinyClip(TinyClip.Options())
    fitted = CoOp(CoOp.Options(context=2, position=position)).build(model, TASK)
    (found,) = word_relevance(fitted.classifier, torch.randn(1, 128), torch.tensor([2]))
    names, context = ["striped", "star"], ["[V1]", "[V2]"]
    order = {
        "end": [*context, *names],
        "middle": ["[V1]", *names, "[V2]"],
        "front": [*names, *context],
    }[position]
    assert [word for word, _ in found.words] == order
    assert found.without is None
    assert sum(share for _, share in found.words) == pytest.approx(1)
    with torch.no_grad():
        vectors = F.normalize(fitted.classifier.encode_texts(torch.arange(3))[:, 0], dim=-1)
    torch.testing.assert_close(vectors, fitted.classifier.class_vectors)


def test_prompts_of_several_blocks_keep_their_other_words():
    fitted = MaPLe(MaPLe.Options()).build(TinyClip(TinyClip.Options()), TASK)
    (found,) = word_relevance(fitted.classifier, torch.randn(1, 128), torch.tensor([0]))
    assert [word for word, _ in found.words] == ["[V1]", "[V2]", "of", "a", "dotted"]


def test_vectors_of_no_text_have_no_words():
    model = TinyClip(TinyClip.Options())
    for classifier in (LinearClassifier(model, 3, 128), TextClassifier(model, torch.randn(3, 128))):
        with pytest.raises(InputError, match="class vectors come from texts"):
            word_relevance(classifier, torch.randn(1, 128), torch.tensor([0]))
