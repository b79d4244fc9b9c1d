"""What a step is told while it is trained, and what it keeps when training is interrupted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rationale_cli.contracts import Fitted, Silent
from rationale_cli.engine import train as training
from rationale_cli.engine.batches import Pictures
from rationale_cli.engine.build import accelerator
from rationale_cli.engine.regularize import RegularizedStep
from rationale_cli.engine.train import Places, TrainingSet, train
from rationale_cli.errors import WorkError
from rationale_cli.recipe import TrainOptions
from rationale_cli.testing import ToyDataset, fake_classifier

from ...interrupting import Stopping

EPOCHS, STEPS = 3, 3
"""Of 12 pictures in batches of 4."""


class Averaging(nn.Module):
    """Trains the classifier's head, and sums what it was after each epoch, weighted by the epochs' number."""

    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier
        self.total = torch.zeros_like(classifier.head.bias)
        self.folded = torch.tensor(0)
        self.told = []

    def begin_training(self, epochs):
        self.told.append(f"{epochs} epochs")

    def begin_epoch(self, number):
        self.told.append(number)
        if number > self.folded:
            self.total += number * self.classifier.head.bias.detach()
            self.folded.fill_(number)

    def kept(self):
        return {"total": self.total, "folded": self.folded}

    def forward(self, images, labels):
        return nn.functional.cross_entropy(self.classifier(images), labels)


class Term(nn.Module):
    """Nothing, told of epochs."""

    def __init__(self):
        super().__init__()
        self.told = []

    def begin_epoch(self, number):
        self.told.append(number)

    def forward(self, inputs, labels, outputs):
        return torch.zeros(())


def fitted(wrap=lambda step: step):
    torch.manual_seed(0)
    classifier = fake_classifier("linear")
    step = Averaging(classifier)
    return step, Fitted(classifier, wrap(step))


def trained(made, folder, progress):
    pictures = Pictures(
        ToyDataset().split("train"), made.classifier.model.preprocessing, evidence=False, augment="none"
    )
    options = TrainOptions(epochs=EPOCHS, batch_size=4)
    places = Places(folder / "state.pt", folder / "log.jsonl")
    given = TrainingSet(pictures, range(len(pictures)))
    return train(made, given, options, 0.1, places, accelerator("no"), progress)


@pytest.fixture
def always_saved(monkeypatch):
    """After every step, whatever it costs."""
    monkeypatch.setattr(training, "_SAVE_SECONDS", 0.0)
    monkeypatch.setattr(training, "_SAVE_SHARE", 0.0)


@pytest.mark.parametrize("regularized", [False, True])
def test_a_step_is_told_of_its_epochs_with_and_without_regularizers(tmp_path, regularized):
    term = Term()
    step, made = fitted(lambda own: RegularizedStep(own, [term], [1.0]) if regularized else own)
    trained(made, tmp_path, Silent())
    assert step.told == ["3 epochs", 0, 1, 2]
    assert term.told == ([0, 1, 2] if regularized else [])


@pytest.mark.parametrize(
    ("stop", "regularized"), [(STEPS - 1, False), (STEPS, True), (STEPS + 1, True), (EPOCHS * STEPS, False)]
)
def test_what_is_kept_survives_an_interruption(tmp_path, always_saved, stop, regularized):
    wrap = (lambda own: RegularizedStep(own, [Term()], [1.0])) if regularized else (lambda own: own)
    whole, made = fitted(wrap)
    (tmp_path / "whole").mkdir()
    trained(made, tmp_path / "whole", Silent())
    halved = tmp_path / "halved"
    halved.mkdir()
    if stop < EPOCHS * STEPS:
        with pytest.raises(KeyboardInterrupt):
            trained(fitted(wrap)[1], halved, Stopping(stop))
    else:
        # Killed between its last step and the end of its run.
        trained(fitted(wrap)[1], halved, Silent())
    again, resumed = fitted(wrap)
    assert trained(resumed, halved, Silent()).resumed
    assert torch.equal(again.classifier.head.bias, whole.classifier.head.bias)
    assert torch.equal(again.total, whole.total)
    assert again.folded == EPOCHS - 1


def test_nothing_is_kept_of_steps_that_keep_nothing(tmp_path):
    _, made = fitted()
    plain = Fitted(made.classifier, RegularizedStep(Plain(made.classifier), [Term()], [1.0]))
    trained(plain, tmp_path, Silent())
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["kept"] == {}


class Plain(nn.Module):
    """Offers nothing beyond a loss."""

    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, images, labels):
        return nn.functional.cross_entropy(self.classifier(images), labels)


class Failing(nn.Module):
    """Its loss is not finite at one step, nor is what trains from then on."""

    def __init__(self, classifier, at):
        super().__init__()
        self.classifier = classifier
        self.left = at

    def forward(self, images, labels):
        self.left -= 1
        loss = nn.functional.cross_entropy(self.classifier(images), labels)
        return loss * torch.nan if self.left < 0 else loss


@pytest.mark.parametrize("at", [0, STEPS + 1, EPOCHS * STEPS - 1])
def test_a_loss_that_is_not_finite_is_told_by_its_step_and_never_saved(tmp_path, always_saved, at):
    _, made = fitted()
    with pytest.raises(WorkError, match=rf"got nan at step {at + 1} of {EPOCHS * STEPS} "):
        trained(Fitted(made.classifier, Failing(made.classifier, at)), tmp_path, Silent())
    if at == 0:
        assert not (tmp_path / "state.pt").exists()
        return
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == at
    assert all(torch.isfinite(one).all() for one in state["parameters"])


def test_pictures_are_put_in_order_once_an_epoch(tmp_path, monkeypatch):
    drawn, randperm = [], torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n, **how: drawn.append(n) or randperm(n, **how))
    trained(fitted()[1], tmp_path, Silent())
    assert len(drawn) <= EPOCHS
