"""What a cache of features says, and how its weights are chosen."""

from __future__ import annotations

import math
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.datasets.scenes import Scenes
from rationale_plugins.methods import _cache, tip_adapter
from rationale_plugins.methods._cache import CacheClassifier, search
from rationale_plugins.methods.tip_adapter import TipAdapter
from safetensors.torch import load_file

from rationale_cli import finetune
from rationale_cli.errors import InputError
from rationale_cli.testing import FakeModel, FakeSupport, ToyDataset, fake_classifier

SMALL = {
    "model.weights": "none",
    "dataset.train_size": 96,
    "dataset.test_size": 12,
    "train.shots": 2,
    "method.passes": 2,
}


def cache(keys, labels, alpha, beta):
    classifier = CacheClassifier(FakeModel(), fake_classifier().class_vectors, alpha=alpha, beta=beta)
    classifier.fill(F.normalize(keys, dim=-1), torch.tensor(labels))
    return classifier.eval().requires_grad_(False)


def random(rows, seed=0):
    return 3 * torch.randn(rows, 16, generator=torch.Generator().manual_seed(seed))


def from_cache(classifier, features):
    zero_shot = cache(random(1), [0], alpha=0.0, beta=1.0).logits(features)
    return classifier.logits(features) - zero_shot


@pytest.mark.parametrize("kind", ["native", "dot", "cosine", "log-softmax", "contrast"])
def test_without_weight_the_cache_is_zero_shot(kind):
    features = random(5)
    own = cache(random(4, seed=1), [0, 1, 2, 1], alpha=0.0, beta=3.0).score(features, kind)
    torch.testing.assert_close(own, fake_classifier().score(features, kind).detach())


@pytest.mark.parametrize("beta", [0.1, 1.0, 5.5])
def test_a_key_says_one_of_its_own_picture_and_little_of_an_orthogonal_one(beta):
    features = torch.eye(16)[:2]
    says = from_cache(cache(features[:1], [2], alpha=1.0, beta=beta), features)
    expected = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, math.exp(-beta)]])
    torch.testing.assert_close(says, expected, rtol=0, atol=1e-5)


def test_the_length_of_a_feature_does_not_matter():
    classifier, features = cache(random(4, seed=1), [0, 1, 2, 1], alpha=2.0, beta=3.0), random(5)
    torch.testing.assert_close(classifier.logits(7 * features), classifier.logits(features))


def test_explained_scalars_contain_the_cache():
    """``dot`` is the native logit's gradient without the part that a feature's length takes out of it."""
    classifier = cache(random(4, seed=1), [0, 1, 2, 1], alpha=2.0, beta=3.0)
    features = random(5).requires_grad_()
    gradient = {
        kind: torch.autograd.grad(classifier.score(features, kind)[:, 1].sum(), features)[0]
        for kind in ("native", "dot", "cosine")
    }
    scale, length = classifier.model.logit_scale, features.norm(dim=-1, keepdim=True)
    unit = features / length
    along = (gradient["dot"] * unit).sum(dim=-1, keepdim=True) * unit
    torch.testing.assert_close(scale * (gradient["dot"] - along) / length, gradient["native"])
    torch.testing.assert_close(scale * gradient["cosine"], gradient["native"])
    plain = fake_classifier().class_vectors[1]
    assert not torch.allclose(gradient["dot"], plain.expand_as(features), atol=1e-2)


def test_the_search_is_the_best_of_its_grid_and_the_first_of_equals(monkeypatch):
    monkeypatch.setattr(_cache, "_BETAS", 20)
    monkeypatch.setattr(_cache, "_ALPHAS", 10)
    classifier = cache(random(9, seed=1), [2, 0, 1, 0, 0, 2, 0, 2, 0], alpha=1.0, beta=1.0)
    features, labels = random(40, seed=2), torch.arange(40) % 3
    found = search(classifier, features, labels, largest_alpha=20.0, largest_beta=7.0)
    best = (0.0, 0.0, 0.0)
    for row in range(20):
        for column in range(10):
            beta, alpha = 0.1 + row * 6.9 / 20, 0.1 + column * 19.9 / 10
            classifier.alpha.fill_(alpha)
            classifier.beta.fill_(beta)
            right = (classifier.logits(features).argmax(dim=1) == labels).float().mean().item()
            if right > best[2]:
                best = (alpha, beta, right)
    assert tuple(found) == pytest.approx(best)
    monkeypatch.setattr(_cache, "_AT_ONCE", 100)
    assert search(classifier, features, labels, largest_alpha=20.0, largest_beta=7.0) == found


def test_more_keys_than_fit_are_refused_before_any_picture_is_opened(monkeypatch):
    monkeypatch.setattr(tip_adapter, "_LARGEST", 8)
    method = TipAdapter(TipAdapter.Options())
    support = FakeSupport(torch.zeros(4, 3, 32, 32), torch.arange(4) % 3, 3)
    with pytest.raises(InputError, match="got 4 of 3 classes") as told:
        method.prepare(method.build(FakeModel(), ToyDataset().task), support)
    assert "--shots" in told.value.next_step


@pytest.mark.parametrize("method", ["tip-adapter", "tip-adapter-f"])
def test_no_test_picture_is_looked_at(method, tmp_path, monkeypatch):
    opened = set()
    original = Scenes.split

    def split(self, name):
        opened.add(name)
        return original(self, name)

    monkeypatch.setattr(Scenes, "split", split)
    run = finetune({**SMALL, "method": method, "train.epochs": 1}, root=tmp_path)
    assert opened == {"train"}
    delta = load_file(run.checkpoint)
    assert delta["keys"].shape == (24, 128)
    assert delta["cache_labels"].bincount().tolist() == [2] * 12
    found = run.manifest["training"]["found"]
    assert (float(delta["alpha"]), float(delta["beta"])) == pytest.approx((found["alpha"], found["beta"]))


def test_given_weights_stay_and_nothing_is_held_out(tmp_path):
    fixed = {"method.search": False, "method.alpha": 2.5, "method.beta": 0.5, "train.shots": 8}
    run = finetune({**SMALL, **fixed, "method": "tip-adapter"}, root=tmp_path)
    delta = load_file(run.checkpoint)
    assert (float(delta["alpha"]), float(delta["beta"])) == (2.5, 0.5)
    assert run.manifest["training"]["found"] == {}


class Interrupted(Exception):
    """What stops the training."""


class Interrupting:
    """Stops the training at its second epoch."""

    def task(self, description, total):
        @contextmanager
        def working():
            done = 0

            def advance(steps, remark):
                nonlocal done
                done += steps
                if description == "training" and done > total // 2:
                    raise Interrupted

            yield advance

        return working()

    def note(self, text): ...

    def warn(self, text): ...


def test_an_interrupted_training_ends_like_an_undisturbed_one(tmp_path):
    settings = {**SMALL, "method": "tip-adapter-f", "train.epochs": 4, "train.batch_size": 8}
    whole = finetune(settings, root=tmp_path, name="whole")
    with pytest.raises(Interrupted):
        finetune(settings, root=tmp_path, name="stopped", progress=Interrupting())
    stopped = finetune(settings, root=tmp_path, name="stopped")
    assert stopped.manifest["training"]["resumed"]
    one, other = load_file(whole.checkpoint), load_file(stopped.checkpoint)
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name
