"""Attributions by attention against their formulas, for one picture with every map in the graph."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.attributions.attention import AttentionNorm, RawAttention, Rollout
from rationale_plugins.attributions.grad_cam import GradCam
from rationale_plugins.attributions.grad_eclip import GradEclip
from rationale_plugins.attributions.legrad import LeGrad
from torch import nn

from rationale_cli.contracts import Specification
from rationale_cli.errors import InputError, WorkError
from rationale_cli.testing import FakeModel
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier

WIDTH, HEADS, PATCH, DEPTH, CLASSES = 16, 2, 4, 3, 3
GRID = (2, 4)
PATCHES = GRID[0] * GRID[1]
TARGETS = torch.tensor([2, 0])


class Attention(nn.Module):
    """Queries of some tokens over others; with a ``trace`` its maps are in the graph and kept."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, queries, tokens, trace=None):
        query, key, value = (
            projection(read).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for projection, read in ((self.q, queries), (self.k, tokens), (self.v, tokens))
        )
        if trace is None:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            attention = (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)
            mixed = attention @ value
            trace.append({"read": tokens, "A": attention, "q": query, "k": key, "v": value, "o": mixed})
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A pre-norm block."""

    def __init__(self):
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention, self.change = Attention(), nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens, trace=None):
        normed = self.before(tokens)
        tokens = tokens + self.attention(normed, normed, trace)
        return tokens + self.change(self.between(tokens)).tanh()


class Tower(FakeModel):
    """Pictures of 8×16 pixels, read by a CLS token, behind registers or not, by a pool, or by their mean."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(4)
        self.kind = kind
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.front = nn.Parameter(torch.randn({"cls": 1, "registers": 3}.get(kind, 0), WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH - (kind == "pool")))
        self.end = nn.LayerNorm(WIDTH)
        self.query, self.pool = nn.Parameter(torch.randn(1, WIDTH)), Attention()
        self.last = nn.Linear(WIDTH, WIDTH)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))

    def patch_grid(self, height, width):
        return height // PATCH, width // PATCH

    def tokens(self, images, trace=None):
        """After each block, the patches first of all."""
        patches = self.patches(images).flatten(2).mT
        found = [torch.cat([self.front.expand(len(images), -1, -1), patches], dim=1)]
        for block in self.blocks:
            found.append(block(found[-1], trace))
        return found

    def features_of(self, tokens, trace=None):
        """What the tower makes of the tokens behind a block."""
        normed = self.end(tokens)
        if self.kind == "pool":
            return self.last(self.pool(self.query.expand(len(normed), -1, -1), normed, trace)[:, 0]).sin()
        return self.last(normed.mean(1) if self.kind == "mean" else normed[:, 0]).sin()

    def image_features(self, images):
        return self.features_of(self.tokens(images)[-1])

    def embed_images(self, images):
        return self.image_features(images)


def classifier_of(model, family):
    torch.manual_seed(5)
    if family == "text":
        return TextClassifier(model, torch.randn(CLASSES, WIDTH)).eval()
    return LinearClassifier(model, CLASSES, WIDTH).eval()


class ByHand:
    """One picture, its class score, and everything on the way as nodes of one graph."""

    def __init__(self, classifier, image, target, scalar):
        self.classifier, self.model, self.target, self.scalar = classifier, classifier.model, target, scalar
        self.trace = []
        self.tokens = self.model.tokens(image[None], self.trace)
        self.score = self.of(self.model.features_of(self.tokens[-1], self.trace))
        self.pooled = self.model.kind == "pool"

    def of(self, features):
        return self.classifier.score(features, self.scalar)[0, self.target]

    def gradient(self, node):
        return torch.autograd.grad(self.score, node, retain_graph=True)[0]

    def raw_attention(self, layers):
        return sum(self.trace[one]["A"][0, :, 0].mean(0) for one in layers) / len(layers)

    def rollout(self, layers):
        rows = torch.eye(self.trace[layers[0]]["A"].shape[-1])
        for one in layers:
            attention = self.trace[one]["A"][0].mean(0)
            last = self.pooled and one == DEPTH - 1
            rows = attention @ rows if last else (0.5 * attention + 0.5 * torch.eye(len(rows))) @ rows
        return rows[0]

    def attention_norm(self, layers):
        return sum(self.moved(one) for one in layers) / len(layers)

    def moved(self, layer):
        attentions = [*(block.attention for block in self.model.blocks), self.model.pool]
        columns = attentions[layer].out.weight.split(WIDTH // HEADS, dim=1)
        found = self.trace[layer]
        vectors = sum(
            found["A"][0, head, 0][:, None] * (found["v"][0, head] @ columns[head].T) for head in range(HEADS)
        )
        return vectors.square().sum(-1).sqrt()

    def grad_eclip(self, layers):
        total = 0
        for one in layers:
            found = self.trace[one]
            query, key, value, channels = (
                node[0].transpose(0, 1).flatten(1)
                for node in (found["q"], found["k"], found["v"], self.gradient(found["o"]))
            )
            cosine = torch.stack([F.cosine_similarity(query[0], row, dim=0) for row in key[-PATCHES:]])
            loosened = (cosine - cosine.min()) / (cosine.max() - cosine.min())
            total = total + ((value[-PATCHES:] * channels[0]).sum(-1) * loosened).clamp(min=0)
        return total

    def grad_cam(self, layers):
        maps = []
        for one in layers:
            read = self.trace[one]["read"]
            weights = self.gradient(read)[0, -PATCHES:].mean(0)
            maps.append((read[0, -PATCHES:] * weights).sum(-1).clamp(min=0))
        return sum(maps) / len(maps)

    def legrad(self, layers):
        return sum(self.formed(one) for one in layers) / len(layers)

    def formed(self, layer):
        """The score of the tokens behind a block, or of those that enter a layer, through the pool."""
        trace = []
        score = self.of(self.model.features_of(self.tokens[layer + (not self.pooled)], trace))
        attention = (trace[0] if self.pooled else self.trace[layer])["A"]
        gradient = torch.autograd.grad(score, attention, retain_graph=True)[0]
        return gradient[0].clamp(min=0).mean(0)[0]


ATTRIBUTIONS = {
    "raw_attention": RawAttention,
    "rollout": Rollout,
    "attention_norm": AttentionNorm,
    "grad_eclip": GradEclip,
    "grad_cam": GradCam,
    "legrad": LeGrad,
}
OF_EACH_LAYER = {"rollout", "grad_cam", "legrad"}
"""Also without a CLS token these tell something of layers before the pool."""
RANGES = {"3..3": [2], "2..3": [1, 2], "all": [0, 1, 2]}


@pytest.fixture
def images():
    torch.manual_seed(6)
    return torch.randn(2, 3, GRID[0] * PATCH, GRID[1] * PATCH)


def made(name, **options):
    return ATTRIBUTIONS[name](ATTRIBUTIONS[name].Options(**options))


@pytest.mark.parametrize(("kind", "family"), [("cls", "text"), ("registers", "linear"), ("pool", "text")])
@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_relevance_is_that_of_the_formula(name, kind, family, images):
    classifier = classifier_of(Tower(kind), family)
    ranges = ["3..3"] if kind == "pool" and name not in OF_EACH_LAYER else list(RANGES)
    if kind != "pool":
        ranges.append("1..2")
    specifications = [Specification(layers, scalar) for scalar in ("dot", "native") for layers in ranges]
    found = made(name).explain(classifier, images, TARGETS, specifications)
    with torch.no_grad():
        torch.testing.assert_close(found.logits, classifier(images))
        torch.testing.assert_close(found.features, classifier.features(images))
    maps = iter(found.relevance)
    for scalar in ("dot", "native"):
        pairs = zip(images, TARGETS.tolist(), strict=True)
        by_hand = [ByHand(classifier, image, target, scalar) for image, target in pairs]
        for layers in ranges:
            rows = [getattr(one, name)(RANGES.get(layers, [0, 1])).detach() for one in by_hand]
            wanted = torch.stack([row[-PATCHES:].view(GRID) for row in rows])
            assert wanted.max() > 0
            torch.testing.assert_close(next(maps), wanted, rtol=1e-4, atol=1e-5 * float(wanted.max()))


def test_last_layers_of_legrad_are_two_unless_told_otherwise(images):
    classifier = classifier_of(Tower("cls"), "text")

    def explained(layers, **options):
        return made("legrad", **options).explain(classifier, images, TARGETS, [Specification(layers)])[1][0]

    torch.testing.assert_close(explained("last"), explained("2..3"))
    torch.testing.assert_close(explained("reference"), explained("2..3"))
    torch.testing.assert_close(explained("last", last=1), explained("3..3"))
    torch.testing.assert_close(explained("last", last=9), explained("all"))


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_a_mean_over_tokens_is_explained_by_grad_cam_alone(name, images):
    classifier = classifier_of(Tower("mean"), "text")
    if name != "grad_cam":
        with pytest.raises(InputError, match="mean pooling"):
            made(name).explain(classifier, images, TARGETS, [Specification()])
        return
    (found,) = made(name).explain(classifier, images, TARGETS, [Specification()]).relevance
    wanted = [
        ByHand(classifier, image, target, "dot").grad_cam([2]).detach()
        for image, target in zip(images, TARGETS.tolist(), strict=True)
    ]
    torch.testing.assert_close(found, torch.stack(wanted).view(2, *GRID), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(ATTRIBUTIONS.keys() - OF_EACH_LAYER))
def test_rows_of_several_layers_need_a_cls_token(name, images):
    classifier = classifier_of(Tower("pool"), "text")
    with pytest.raises(InputError, match="CLS token") as caught:
        made(name).explain(classifier, images, TARGETS, [Specification("all")])
    assert "--layers last" in caught.value.next_step


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("grad_cam", lambda attend, q, k, v: attend(q, k, v.tanh()), "linear projection of its tokens"),
        ("attention_norm", lambda attend, q, k, v: attend(q, k, v).tanh(), "projection of the output"),
    ],
)
def test_attention_between_other_than_linear_maps_is_refused(name, change, message, images, monkeypatch):
    classifier = classifier_of(Tower("cls"), "text")

    def forward(self, queries, tokens, trace=None):
        query, key, value = (
            projection(read).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for projection, read in ((self.q, queries), (self.k, tokens), (self.v, tokens))
        )
        mixed = change(F.scaled_dot_product_attention, query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))

    monkeypatch.setattr(Attention, "forward", forward)
    with pytest.raises(InputError, match=message):
        made(name).explain(classifier, images, TARGETS, [Specification()])


def test_a_pool_that_counts_the_pictures_before_the_norm_has_no_exits(images, monkeypatch):
    def features_of(self, tokens, trace=None):
        return self.pool(self.query.expand(len(tokens), -1, -1), self.end(tokens), trace)[:, 0]

    monkeypatch.setattr(Tower, "features_of", features_of)
    with pytest.raises(InputError, match="carries further pictures along"):
        made("legrad").explain(classifier_of(Tower("pool"), "text"), images, TARGETS, [Specification()])


def test_a_tower_without_a_norm_at_its_end_has_no_exits(images):
    model = Tower("cls")
    model.end = nn.Identity()
    for block in model.blocks:
        block.between = nn.Identity()
    with pytest.raises(InputError, match="ends in a layer norm"):
        made("legrad").explain(classifier_of(model, "text"), images, TARGETS, [Specification()])


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_relevance_that_is_not_finite_is_an_error(name, images):
    images[1] = torch.inf
    with pytest.raises(WorkError, match="finite"):
        made(name).explain(classifier_of(Tower("cls"), "text"), images, TARGETS, [Specification()])


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_bad_input_is_told(name, images):
    classifier = classifier_of(Tower("cls"), "text")
    with pytest.raises(InputError, match=r"within 1\.\.3"):
        made(name).explain(classifier, images, TARGETS, [Specification("2..4")])
    if made(name).specified is True:
        with pytest.raises(InputError, match=r"targets within 0\.\.2"):
            made(name).explain(classifier, images, torch.tensor([0, 3]), [Specification()])


def test_torch_is_as_before_after_an_error(images, monkeypatch):
    functions = F.scaled_dot_product_attention, F.linear, F.layer_norm
    for name in ATTRIBUTIONS:
        classifier = classifier_of(Tower("cls"), "text")
        made(name).explain(classifier, images, TARGETS, [Specification()])
        classifier.model.last = None
        with pytest.raises(TypeError):
            made(name).explain(classifier, images, TARGETS, [Specification()])
        assert functions == (F.scaled_dot_product_attention, F.linear, F.layer_norm)


@pytest.mark.parametrize("name", ATTRIBUTIONS)
def test_pictures_from_inference_mode_and_frozen_buffers_stay_as_they_are(name, images):
    model = Tower("pool")
    del model.query
    model.register_buffer("query", torch.randn(1, WIDTH))
    model.patches = nn.Sequential(nn.Unfold(PATCH, stride=PATCH), Linear(3 * PATCH**2, WIDTH))
    classifier = classifier_of(model, "text")
    layers = "all" if name in OF_EACH_LAYER else "last"
    plain = made(name).explain(classifier, images, TARGETS, [Specification(layers)]).relevance[0]
    with torch.inference_mode():
        pictures = images.clone()
        found = made(name).explain(classifier, pictures, TARGETS, [Specification(layers)]).relevance[0]
    torch.testing.assert_close(found, plain)
    assert not model.query.requires_grad and not images.requires_grad


class Linear(nn.Linear):
    """On channels first."""

    def forward(self, unfolded):
        return super().forward(unfolded.mT).mT
