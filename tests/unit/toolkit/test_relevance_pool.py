"""Towers without a CLS token: their attention pool's row against a computation that keeps every map."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rationale_cli.contracts import Preprocessing, Specification
from rationale_cli.errors import InputError
from rationale_cli.testing import check_model
from rationale_cli.testing.fakes import FakeModel
from rationale_cli.toolkit.attention import tower_of
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier
from rationale_cli.toolkit.relevance import Rule, class_score, explain

WIDTH, HEADS, SIDE, PATCH = 16, 2, 16, 4
TOKENS = (SIDE // PATCH) ** 2


class Attention(nn.Module):
    """Queries of some tokens over others; ``maps`` makes it unfused and keeps its maps in the graph."""

    def __init__(self):
        super().__init__()
        self.q, self.kv, self.out = (
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, 2 * WIDTH),
            nn.Linear(WIDTH, WIDTH),
        )

    def forward(self, queries, tokens, maps=None):
        query = self.q(queries).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        key, value = self.kv(tokens).unflatten(-1, (2 * HEADS, -1)).transpose(1, 2).chunk(2, dim=1)
        if maps is None:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            maps.append((query @ key.mT * query.shape[-1] ** -0.5).softmax(-1))
            mixed = maps[-1] @ value
        return self.out(mixed.transpose(1, 2).flatten(2))


class Tower(FakeModel):
    """Read by ``cls``, ``pool`` (its first query), ``pool-without-cls`` or ``mean``."""

    def __init__(self, kind, blocks=2, prefix=0, queries=1):
        super().__init__()
        torch.manual_seed(1)
        self.kind = kind
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.before = nn.Parameter(torch.randn(prefix, WIDTH))
        self.blocks = nn.ModuleList(Attention() for _ in range(blocks))
        self.query = nn.Parameter(torch.randn(queries, WIDTH))
        self.pool = Attention()
        self.last = nn.Linear(WIDTH, WIDTH)

    @property
    def preprocessing(self):
        return Preprocessing(SIDE, (0.5,) * 3, (0.25,) * 3)

    def patch_grid(self, height, width):
        return height // PATCH, width // PATCH

    def image_features(self, images, maps=None):
        patches = self.patches(images).flatten(2).mT
        tokens = torch.cat([self.before.expand(len(images), -1, -1), patches], dim=1)
        for block in self.blocks:
            normed = F.layer_norm(tokens, (WIDTH,))
            tokens = tokens + block(normed, normed, maps)
        if self.kind == "cls":
            return self.last(tokens[:, 0])
        if self.kind == "mean":
            return self.last(tokens.mean(1))
        read = tokens[:, -TOKENS:] if self.kind == "pool-without-cls" else tokens
        pooled = self.pool(self.query.expand(len(images), -1, -1), read, maps)
        return self.last(pooled.mean(1) if self.kind == "mean-of-queries" else pooled[:, 0]).sin()

    def embed_images(self, images):
        return self.image_features(images)

    def parameters_of(self, part):
        if part in {"embed_texts", "logit_scale"}:
            yield from super().parameters_of(part)
            return
        for module in (self.patches, self.blocks, self.last):
            yield from module.parameters()
        yield self.before
        if "pool" in self.kind:
            yield from (self.query, *self.pool.parameters())


def classifier_of(model, family):
    torch.manual_seed(2)
    if family == "text":
        return TextClassifier(model, torch.randn(3, WIDTH)).eval()
    return LinearClassifier(model, 3, WIDTH).eval()


def by_hand(classifier, images, targets, scalar, layers, weight):
    """Chefer's rule with whole matrices, one picture at a time; a pool's row goes before the matrices."""
    found = []
    for image, target in zip(images, targets, strict=True):
        maps = []
        features = classifier.model.image_features(image[None], maps)
        score = classifier.score(features, scalar)[0, target]
        gradients = torch.autograd.grad(score, maps)
        weighted = [
            ((gradient * one) if weight else gradient).clamp(min=0).mean(1)[0]
            for gradient, one in zip(gradients, maps, strict=True)
        ][layers]
        square = [one for one in weighted if one.shape[0] == one.shape[1]]
        size = square[0].shape[0] if square else weighted[0].shape[1]
        rolled = torch.eye(size)
        for one in square:
            rolled = rolled + one @ rolled
        row = rolled[0]
        if len(square) < len(weighted):
            pool = weighted[-1][0]
            row = F.pad(pool, (size - len(pool), 0)) @ rolled
        found.append(row[-TOKENS:].view(SIDE // PATCH, SIDE // PATCH))
    return torch.stack(found).detach()


@pytest.fixture
def images():
    torch.manual_seed(3)
    return torch.randn(3, 3, SIDE, SIDE)


TARGETS = torch.tensor([0, 2, 1])
TOWERS = {
    "cls": lambda: Tower("cls", blocks=3, prefix=1),
    "registers": lambda: Tower("cls", prefix=3),
    "pool": lambda: Tower("pool"),
    "pool only": lambda: Tower("pool", blocks=0),
    "pool over cls": lambda: Tower("pool", prefix=1),
    "pool without cls": lambda: Tower("pool-without-cls", prefix=2),
    "one of several": lambda: Tower("pool", prefix=1, queries=3),
}


@pytest.mark.parametrize("family", ["text", "linear"])
@pytest.mark.parametrize("name", TOWERS)
def test_relevance_is_that_of_whole_matrices(name, family, images):
    classifier = classifier_of(TOWERS[name](), family)
    depth = tower_of(classifier, images).depth
    asked = {
        "last": slice(depth - 1, None),
        "all": slice(None),
        f"{max(depth - 1, 1)}..{depth}": slice(-2, None),
    }
    specifications = [
        Specification(layers, scalar) for layers in asked for scalar in ("dot", "native", "cosine")
    ]
    for rule, weight in ((Rule(), True), (Rule("gradient"), False)):
        result = explain(classifier, images, specifications, class_score(classifier, TARGETS), rule)
        for one, found in zip(specifications, result.relevance, strict=True):
            wanted = by_hand(classifier, images, TARGETS, one.scalar, asked[one.layers], weight)
            assert float(wanted.max()) > 0
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6 * float(wanted.max()))


def test_a_pools_relevance_is_never_negative_and_that_of_a_picture_alone(images):
    classifier = classifier_of(Tower("pool"), "text")
    specifications = [Specification("last", "dot"), Specification("all", "dot")]

    def maps(part):
        objective = class_score(classifier, TARGETS[part])
        return explain(classifier, images[part], specifications, objective, Rule()).relevance

    for whole, alone in zip(maps(slice(None)), maps(slice(1, 2)), strict=True):
        assert bool((whole >= 0).all())
        torch.testing.assert_close(whole[1:2], alone)


def test_the_tower_is_known_for_what_it_is(images):
    found = {name: tower_of(classifier_of(build(), "text"), images) for name, build in TOWERS.items()}
    assert {name: tower.pooled for name, tower in found.items()} == {
        name: name not in {"cls", "registers"} for name in TOWERS
    }
    assert all(tower.one_row for tower in found.values())
    assert found["pool only"].depth == 1


@pytest.mark.parametrize(
    "tower",
    [lambda: Tower("mean"), lambda: Tower("mean", prefix=1), lambda: Tower("mean-of-queries", queries=2)],
)
def test_a_mean_over_tokens_is_refused_by_name(tower, images):
    classifier = classifier_of(tower(), "text")
    with pytest.raises(InputError, match="mean pooling") as caught:
        explain(classifier, images, [Specification("last", "dot")], class_score(classifier, TARGETS), Rule())
    assert caught.value.where == "Tower"
    assert "prediction works" in caught.value.next_step


def test_layers_below_the_pool_alone_are_refused(images):
    classifier = classifier_of(Tower("pool"), "text")
    with pytest.raises(InputError, match=r"which is layer 3, but got '1\.\.2'") as caught:
        explain(classifier, images, [Specification("1..2", "dot")], class_score(classifier, TARGETS), Rule())
    assert "1..3" in caught.value.next_step


def test_a_sum_over_layers_needs_a_cls_token(images):
    classifier = classifier_of(Tower("pool"), "text")
    rule, objective = Rule(combine="sum"), class_score(classifier, TARGETS)
    explain(classifier, images, [Specification("last", "dot")], objective, rule)
    with pytest.raises(InputError, match="CLS token"):
        explain(classifier, images, [Specification("all", "dot")], objective, rule)


@pytest.mark.parametrize("name", TOWERS)
def test_the_contract_suite_takes_both_layouts(name):
    check_model(TOWERS[name]())


@pytest.mark.parametrize("prefix", [0, 1])
def test_the_contract_suite_refuses_a_mean(prefix):
    with pytest.raises(AssertionError, match="CLS token, or from an attention pool"):
        check_model(Tower("mean", prefix=prefix))
