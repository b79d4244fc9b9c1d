"""Fine-tuning like pre-training: its losses, by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.methods.flcp import Flcp
from torch import nn

from rationale_cli.errors import PluginError
from rationale_cli.testing import FakeModel, ToyDataset, check_method

TASK = ToyDataset().task


class Matching(FakeModel):
    """The fake model with a matching head: a linear layer on mean token times text."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 2)
        self.seen = []

    def image_tokens(self, images):
        return super().image_features(images)[:, None, :]

    def pool_images(self, tokens):
        return self.projection(tokens[:, 0])

    def embed_images(self, images):
        return self.pool_images(self.image_tokens(images))

    def match(self, image_tokens, tokens):
        self.seen.append((image_tokens.detach(), tokens["ids"]))
        return self.head(image_tokens.mean(dim=1) * self.embed_texts(tokens))

    def matching_parameters(self):
        return self.head.parameters()


def step_of(model, **options):
    return Flcp(Flcp.Options(**options)).build(model, TASK).step


def batch(*labels):
    torch.manual_seed(3)
    return torch.randn(len(labels), 3, 32, 32), torch.tensor(labels)


def contrastive(model, images, labels, scale):
    prompts = [TASK.templates[0].format(name) for name in TASK.classnames]
    texts = F.normalize(model.embed_texts(model.tokenize(prompts)), dim=-1)[labels]
    logits = scale * F.normalize(model.embed_images(images), dim=-1) @ texts.T
    right = torch.arange(len(labels))
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


@pytest.mark.parametrize(("temperature", "scale"), [(0.07, 1 / 0.07), (0.5, 2.0), ("learned", math.exp(2.0))])
def test_the_loss_is_symmetric_infonce_at_the_temperature(temperature, scale):
    model = FakeModel()
    images, labels = batch(0, 1, 2, 1)
    loss = step_of(model, temperature=temperature)(images, labels)
    torch.testing.assert_close(loss, contrastive(model, images, labels, scale))


@pytest.mark.parametrize("temperature", [0.07, "learned"])
def test_a_learned_temperature_trains_and_a_fixed_one_does_not(temperature):
    model = FakeModel()
    step = step_of(model, temperature=temperature)
    step(*batch(0, 1, 2)).backward()
    assert (model.log_scale.grad is not None) == (temperature == "learned")


def test_an_unknown_temperature_is_refused():
    with pytest.raises(ValueError, match="temperature"):
        Flcp.Options(temperature="learnt")


def test_matching_takes_each_pair_and_one_hard_negative_each_way():
    model = Matching()
    images, labels = batch(0, 1, 2, 1, 0, 0)
    loss = step_of(model, objective="itc+itm")(images, labels)
    (tokens, ids), *more = model.seen
    assert not more
    assert len(tokens) == len(ids) == 3 * len(labels)
    prompts = model.tokenize([TASK.templates[0].format(name) for name in TASK.classnames])["ids"]
    text_class = [next(c for c, row in enumerate(prompts) if torch.equal(row, one)) for one in ids]
    own = model.image_tokens(images)
    picture = [int((own - one).norm(dim=-1).argmin()) for one in tokens]
    right = [int(labels[i]) == c for i, c in zip(picture, text_class, strict=True)]
    assert right == [True] * 6 + [False] * 12
    assert picture[:12] == [*range(6), *range(6)]
    assert text_class[12:] == labels.tolist()
    truth = torch.tensor([1] * 6 + [0] * 12)
    matching = F.cross_entropy(model.match(tokens, {"ids": ids}), truth)
    torch.testing.assert_close(loss, contrastive(model, images, labels, 1 / 0.07) + matching)


def test_negatives_are_hard():
    """The likelier of two wrong texts is drawn nearly always when their scores are far apart."""
    model = Matching()
    images, labels = batch(*[0] * 20, 1, 2)
    step = step_of(model, objective="itc+itm", temperature=0.001)
    step(images, labels)
    ((_, ids),) = model.seen
    prompts = model.tokenize([TASK.templates[0].format(name) for name in TASK.classnames])
    texts = F.normalize(model.embed_texts(prompts), dim=-1)
    similarity = F.normalize(model.embed_images(images), dim=-1) @ texts.T
    gap = (similarity[:, 1] - similarity[:, 2]).abs() > 0.02
    clear = [i for i in range(20) if gap[i]]
    assert len(clear) >= 5
    for i in clear:
        assert torch.equal(ids[len(labels) + i], prompts["ids"][1 + int(similarity[i, 1:].argmax())])


def test_a_batch_of_one_class_has_no_negatives():
    model = Matching()
    loss = step_of(model, objective="itc+itm")(*batch(1, 1))
    ((tokens, _),) = model.seen
    assert len(tokens) == 2
    assert loss.isfinite()


def test_the_whole_objective_fulfils_the_contract():
    method = Flcp(Flcp.Options(objective="itc+itm", temperature="learned"))
    check_method(method, Matching(), TASK)


def test_matching_needs_a_matching_head():
    with pytest.raises(PluginError, match="needs a model with a matching head"):
        step_of(FakeModel(), objective="itc+itm")
