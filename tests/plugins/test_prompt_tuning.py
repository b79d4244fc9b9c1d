"""Methods of learned prompts: what their options mean, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from rationale_plugins.methods.cocoop import CoCoOp
from rationale_plugins.methods.coop import CoOp
from rationale_plugins.methods.kgcoop import KgCoOp
from rationale_plugins.methods.prograd import ProGrad, aligned
from rationale_plugins.models._dimensions import Dimensions
from rationale_plugins.models._wordpiece import bert_pieces
from rationale_plugins.models.albef import Albef

from rationale_cli.errors import InputError
from rationale_cli.testing import FakeModel, ToyDataset, check_method
from rationale_cli.toolkit.heads import class_embeddings
from rationale_cli.toolkit.prompts import context_of

TASK = ToyDataset().task
SIZES = {"image_size": 32, "patch": 16, "width": 32, "depth": 1, "heads": 2, "embedding": 16}
PLAIN = [CoOp, KgCoOp, ProGrad]


def albef():
    """One with BERT's dropout."""
    torch.manual_seed(0)
    dimensions = Dimensions(**SIZES, text_layers=2, fusion_layer=1, text_heads=2)
    return Albef(dimensions, bert_pieces())


def fitted(kind, model=None, **options):
    method = kind(kind.Options(**options))
    torch.manual_seed(1)
    return method, method.build(model or FakeModel(), TASK)


def batch():
    torch.manual_seed(2)
    return torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 1])


# -- the context ------------------------------------------------------------------------------------


def test_sixteen_tokens_without_words_and_as_many_as_words_with_them():
    assert fitted(CoOp)[1].classifier.context.shape == (16, 16)
    assert fitted(CoOp, context=3)[1].classifier.context.shape == (3, 16)
    assert fitted(CoOp, words="one of many")[1].classifier.context.shape == (3, 16)
    assert fitted(KgCoOp)[1].classifier.context.shape == (4, 16)
    assert fitted(ProGrad)[1].classifier.context.shape == (16, 16)


def test_zeros_come_before_the_words_of_a_longer_context():
    context = fitted(ProGrad)[1].classifier.context
    assert bool((context[:12] == 0).all())
    assert torch.equal(context[12:], context_of(FakeModel(), "a photo of a"))


def test_words_need_room():
    with pytest.raises(InputError, match="at least 4 learned tokens for 'a photo of a' but got 3"):
        fitted(CoOp, words="a photo of a", context=3)


def test_a_context_for_each_class():
    drawn = fitted(CoOp, class_specific=True, context=2)[1].classifier.context
    assert drawn.shape == (3, 2, 16)
    assert not torch.equal(drawn[0], drawn[1])
    worded = fitted(CoOp, class_specific=True, words="a photo of a")[1].classifier
    assert torch.equal(worded.context[0], worded.context[2])
    shared = fitted(CoOp, words="a photo of a")[1].classifier
    torch.testing.assert_close(worded.class_vectors, shared.class_vectors)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (CoOp, {"class_specific": True, "position": "middle", "context": 3}),
        (CoOp, {"words": "a photo of a", "chunk": 1, "position": "front"}),
        (KgCoOp, {"chunk": 2}),
        (ProGrad, {"chunk": 2, "temperature": 2.0}),
        (CoCoOp, {"chunk": 2, "position": "middle"}),
    ],
)
def test_the_contract_holds_whatever_is_chosen(kind, options):
    check_method(kind(kind.Options(**options)), FakeModel(), TASK)


@pytest.mark.parametrize("kind", [*PLAIN, CoCoOp])
def test_frozen_towers_compute_in_training_what_they_will_in_use(kind):
    """BERT's dropout has no part in the loss, before the features are cached and after."""
    _, made = fitted(kind, albef())
    images, labels = batch()
    made.step.train()
    first = made.step(images, labels)
    assert torch.equal(made.step(images, labels), first)
    twin = made.step.cached().train()
    features = made.classifier.features(images).detach()
    assert torch.equal(twin(features, labels), twin(features, labels))
    torch.testing.assert_close(twin(features, labels), first)
    assert not made.classifier.model.training
    assert made.classifier.training


# -- other classes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*PLAIN, CoCoOp])
def test_other_names_are_read_in_the_learned_context(kind):
    method, made = fitted(kind)
    with torch.no_grad():
        for one in made.step.parameters():
            if one.requires_grad:
                one.add_(0.1 * torch.randn_like(one))
    method.finish(made, None) if hasattr(method, "finish") else None
    names = ("blue", "yellow", "red", "green")
    other = method.retarget(made, replace(TASK, classnames=names))
    features = torch.randn(2, 16)
    own, found = (one.logits(features) for one in (made.classifier.eval(), other.eval()))
    torch.testing.assert_close(found[:, [2, 3, 0]], own)
    assert other.model is made.classifier.model


def test_contexts_of_classes_know_no_other_classes():
    method, made = fitted(CoOp, class_specific=True)
    assert method.retarget(made, replace(TASK, classnames=("one", "other"))) is None


# -- losses -----------------------------------------------------------------------------------------


def test_kgcoop_pulls_towards_the_prompts_of_the_dataset():
    _, made = fitted(KgCoOp, weight=100.0)
    loss = made.step.loss
    anchors = class_embeddings(FakeModel(), TASK)
    torch.testing.assert_close(loss.anchors, anchors)
    context = made.classifier.context
    features, labels = torch.randn(4, 16), torch.tensor([0, 1, 2, 0])
    optimiser = torch.optim.SGD([context], lr=0.05)
    with torch.no_grad():
        context.add_(torch.randn_like(context))
    away = []
    for _ in range(40):
        vectors = made.classifier.tuned(context).detach()
        away.append(float(1 - (vectors * anchors).sum(dim=-1).mean()))
        optimiser.zero_grad()
        loss(features, labels).backward()
        optimiser.step()
    assert away[-1] < 0.5 * away[0]


@pytest.mark.parametrize(
    ("known", "strength", "wanted"),
    [([-1, 1], 1.0, [0.5, 0.5]), ([-1, 1], 0.8, [0.6, 0.4]), ([1, 1], 1.0, [1, 0]), ([0, 0], 1.0, [1, 0])],
)
def test_an_opposing_part_of_a_gradient_is_taken_away(known, strength, wanted):
    found = aligned(torch.tensor([1.0, 0.0]), torch.tensor(known).float(), strength)
    torch.testing.assert_close(found, torch.tensor(wanted).float())


@given(st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6))
def test_what_is_left_never_opposes(numbers):
    gradient, known = torch.tensor(numbers, dtype=torch.float64).view(2, 3)
    found = aligned(gradient, known, 1.0)
    assert float((found * known).sum()) >= -1e-9 * float(known.square().sum() + 1)
    if float((gradient * known).sum()) >= 0:
        assert torch.equal(found, gradient)


def test_prograds_gradient_is_scaled_with_its_loss():
    """As half precision scales it: the direction that is compared with has no scale."""
    gradients = []
    for scale in (1.0, 1024.0):
        _, made = fitted(ProGrad)
        (made.step(*batch()) * scale).backward()
        gradients.append(made.classifier.context.grad / scale)
    torch.testing.assert_close(*gradients)


# -- a context for each picture ---------------------------------------------------------------------


def test_every_scalar_of_cocoop_is_explained_by_both_ways():
    """Its gradient is that of the whole function, and not that of fixed class vectors."""
    classifier = fitted(CoCoOp)[1].classifier.eval().double()
    features = torch.randn(2, 16, dtype=torch.float64)
    for kind in ("native", "dot", "cosine"):
        leaf = features.clone().requires_grad_()
        (found,) = torch.autograd.grad(classifier.score(leaf, kind)[:, 1].sum(), leaf)
        step = 1e-5 * torch.randn_like(features)
        with torch.no_grad():
            ends = [classifier.score(features + sign * step, kind)[:, 1] for sign in (1, -1)]
            vectors = classifier.vectors(features)[:, 1]
        change = (ends[0] - ends[1]) / 2
        torch.testing.assert_close((found * step).sum(dim=-1), change, rtol=1e-4, atol=1e-12)
        if kind == "dot":
            assert not torch.allclose(found, vectors, rtol=1e-3)


def test_scalars_of_cocoop_belong_together():
    classifier = fitted(CoCoOp)[1].classifier.eval()
    features = torch.randn(3, 16)
    with torch.no_grad():
        native, dot, cosine = (classifier.score(features, kind) for kind in ("native", "dot", "cosine"))
    torch.testing.assert_close(native, classifier.model.logit_scale * cosine)
    torch.testing.assert_close(dot, features.norm(dim=-1, keepdim=True) * cosine)
    alone = classifier.vectors(features[1:2])
    torch.testing.assert_close(classifier.vectors(features)[1:2], alone)
    assert not torch.allclose(classifier.vectors(features)[0], alone[0])
    assert F.normalize(alone, dim=-1).allclose(alone)
