"""LoRA of generative models: what trains, what a checkpoint holds, and that it learns."""

from __future__ import annotations

import sys

import pytest
import torch
from rationale_plugins.methods.fine_tuning import FineTuning
from rationale_plugins.methods.lora import Lora
from rationale_plugins.methods.zero_shot import ZeroShot
from rationale_plugins.models.huggingface_chat import HuggingFaceChat
from rationale_plugins.models.tiny_chat import TinyChat

from rationale_cli.contracts import Task
from rationale_cli.errors import InputError
from rationale_cli.testing import FakeSupport, check_method

from ..chats import SIDE, qwen

TASK = Task(
    ("stable", "unstable"), question="Will any block fall?", answers={"stable": "no", "unstable": "yes"}
)


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return TinyChat(TinyChat.Options()).eval()


@pytest.mark.parametrize("method", [Lora, ZeroShot, FineTuning])
def test_methods_hold_their_contract_on_a_generative_model(tiny, method):
    check_method(method(method.Options()), tiny, TASK)


@pytest.fixture
def small(tmp_path):
    qwen(tmp_path)
    return HuggingFaceChat(HuggingFaceChat.Options(repository=str(tmp_path), size=SIDE))


def test_attention_and_mlp_of_both_towers_train_and_nothing_else(small):
    fitted = Lora(Lora.Options(rank=4)).build(small, TASK)
    updated = {name.split(".lora_")[0] for name in fitted.classifier.delta()}
    assert updated == {name.split(".lora_")[0] for name in updated}
    parts = {name.split(".model.model.")[1].rsplit(".", 1)[0] for name in updated}
    assert {"visual.blocks.0.attn", "visual.blocks.1.mlp"} < parts
    assert {"language_model.layers.0.self_attn", "language_model.layers.1.mlp"} < parts
    assert not any("merger" in one or "patch_embed" in one or "embed_tokens" in one for one in parts)
    assert all(min(one.shape) == 4 for one in fitted.classifier.delta().values())


def test_it_learns_and_is_asked_other_questions_afterwards(small):
    fitted = Lora(Lora.Options()).build(small, TASK)
    torch.manual_seed(0)
    images = torch.randn(8, 3, SIDE, SIDE) + torch.tensor([-1.0, 1.0] * 4).view(-1, 1, 1, 1)
    labels = torch.tensor([0, 1] * 4)
    optimizer = torch.optim.AdamW([one for one in fitted.step.parameters() if one.requires_grad], lr=1e-2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = fitted.step(images, labels)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    # Of a random output layer no token becomes certain.
    assert losses[-1] < 0.6 * losses[0]
    classifier = fitted.classifier.eval()
    with torch.no_grad():
        assert torch.equal(classifier(images).argmax(dim=1), labels)
        other = Lora(Lora.Options()).retarget(fitted, Task(("cat", "dog")))(images)
    assert not torch.allclose(other, classifier(images))


def test_between_zero_shot_and_tuned_stands_the_model_as_it_came(small):
    fitted = Lora(Lora.Options()).build(small, TASK)
    images = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        before = fitted.classifier.eval()(images)
        tuned = {name: torch.randn_like(one) for name, one in fitted.classifier.delta().items()}
        support = FakeSupport(images, torch.tensor([0, 1]), 2)
        start = Lora(Lora.Options()).zero_shot(fitted, TASK, tuned, support)
        fitted.classifier.load_delta(start)
        assert torch.equal(fitted.classifier(images), before)


def test_four_bits_need_bitsandbytes(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes.nn", None)
    with pytest.raises(InputError, match="bitsandbytes for weights of four bits"):
        Lora(Lora.Options(quantise="4bit")).build(small, TASK)


def test_beside_weights_of_four_bits_the_updates_train_in_full_precision(small):
    pytest.importorskip("bitsandbytes")
    fitted = Lora(Lora.Options(quantise="4bit")).build(small, TASK)
    fitted.classifier.to("cpu")
    resting = [one for one in fitted.classifier.parameters() if one.dtype == torch.uint8]
    assert len(resting) == len(fitted.classifier.delta()) // 2
    torch.autograd.backward(fitted.step(torch.randn(2, 3, SIDE, SIDE), torch.tensor([0, 1])))
    trained = [one for one in fitted.step.parameters() if one.requires_grad]
    assert all(one.dtype == torch.float32 and one.grad is not None for one in trained)
