"""The recorder: it computes the same, keeps what the layers saw, and leaves no trace."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rationale_cli.errors import InputError
from rationale_cli.testing import FakeModel, fake_classifier
from rationale_cli.toolkit.attention import depth_of, frozen, record
from rationale_cli.toolkit.heads import TextClassifier

B, H, T, D = 2, 4, 5, 3


@pytest.fixture
def qkv():
    torch.manual_seed(0)
    return tuple(torch.randn(B, H, T, D) for _ in range(3))


def bias(*shape):
    return torch.randn(*shape)


def allowed(*shape):
    mask = torch.rand(*shape) > 0.4
    mask[..., 0] = True
    return mask


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"scale": 0.3},
        {"is_causal": True},
        {"attn_mask": bias(T, T)},
        {"attn_mask": bias(B, 1, T, T), "scale": 2.0},
        {"attn_mask": bias(B, H, T, T)},
        {"attn_mask": allowed(T, T)},
        {"attn_mask": allowed(B, 1, 1, T)},
        {"attn_mask": allowed(1, H, T, T)},
    ],
    ids=lambda arguments: (
        ",".join(f"{k}{tuple(getattr(v, 'shape', ()))}" for k, v in arguments.items()) or "plain"
    ),
)
def test_recomputed_probabilities_give_the_output_back(qkv, arguments):
    with record(range(1)) as recording:
        output = F.scaled_dot_product_attention(*qkv, **arguments)
    assert torch.equal(output, F.scaled_dot_product_attention(*qkv, **arguments))
    layer = recording.layers[0]
    assert torch.allclose(layer.probabilities() @ layer.value, output, atol=1e-6)
    assert torch.allclose(layer.probabilities(slice(0, 1)), layer.probabilities()[:, :, :1])
    second = layer.of_pictures(slice(1, 2))
    assert torch.allclose(second.probabilities(), layer.probabilities()[1:])


def test_heads_that_share_keys_and_values():
    torch.manual_seed(0)
    query, key, value = torch.randn(B, 4, T, D), torch.randn(B, 2, T, D), torch.randn(B, 2, T, D)
    with record(range(1)) as recording:
        output = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    layer = recording.layers[0]
    assert torch.allclose(layer.probabilities() @ layer.value, output, atol=1e-6)


def test_gradient_of_the_attention_equals_autograd_through_it(qkv):
    query, key, value = qkv
    attention = (query @ key.mT / D**0.5).softmax(-1).requires_grad_()
    weights = torch.randn(B, H, T, D)
    (expected,) = torch.autograd.grad(((attention @ value).tanh() * weights).sum(), attention)
    with record(range(1)) as recording:
        output = F.scaled_dot_product_attention(*qkv)
    layer = recording.layers[0]
    (towards,) = torch.autograd.grad((output.tanh() * weights).sum(), layer.output)
    assert torch.allclose(layer.gradient(towards), expected, atol=1e-5)
    assert torch.allclose(layer.gradient(towards, slice(2, 4)), expected[:, :, 2:4], atol=1e-5)


def test_only_the_layers_asked_for_are_kept(qkv):
    with record(range(1, 3)) as recording:
        for _ in range(4):
            F.scaled_dot_product_attention(*qkv)
    assert sorted(recording.layers) == [1, 2]
    assert recording.depth == 4


@pytest.mark.parametrize("fast", [True, False])
def test_function_and_fast_path_are_restored_also_by_an_error(fast, qkv):
    function, before = F.scaled_dot_product_attention, torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(fast)
    try:
        with pytest.raises(ZeroDivisionError), record(range(1)):
            assert F.scaled_dot_product_attention is not function
            assert not torch.backends.mha.get_fastpath_enabled()
            raise ZeroDivisionError
        assert F.scaled_dot_product_attention is function
        assert torch.backends.mha.get_fastpath_enabled() is fast
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def test_the_fast_path_of_multihead_attention_does_not_hide_a_layer():
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval().requires_grad_(False)
    tokens = torch.randn(2, 5, 8)
    with record(range(1)) as recording:
        attention(tokens, tokens, tokens, need_weights=False)
    assert recording.depth == 1


def test_other_threads_are_not_recorded(qkv):
    with record(range(8)) as recording:
        other = threading.Thread(target=lambda: F.scaled_dot_product_attention(*qkv))
        other.start()
        other.join(timeout=30)
        F.scaled_dot_product_attention(*qkv)
    assert recording.depth == 1


def test_attention_that_cannot_be_explained_is_refused(qkv):
    with pytest.raises(InputError, match="without dropout"), record(range(1)):
        F.scaled_dot_product_attention(*qkv, dropout_p=0.5)
    with pytest.raises(InputError, match="3 dimensions"), record(range(1)):
        F.scaled_dot_product_attention(*(tensor[0] for tensor in qkv))


def test_frozen_restores_mode_and_gradients_of_each_part():
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    module.train()
    module[1].eval()
    with pytest.raises(ZeroDivisionError), frozen(module):
        assert not any(part.training for part in module.modules())
        assert not any(parameter.requires_grad for parameter in module.parameters())
        raise ZeroDivisionError
    assert [part.training for part in module.modules()] == [True, True, False, True]
    assert [parameter.requires_grad for parameter in module.parameters()] == [False, False, True, True]


def test_a_tower_is_probed_once_for_each_classifier_and_not_kept_alive():
    model = FakeModel(FakeModel.Options(blocks=3))
    classifier = TextClassifier(model, torch.eye(16)[:2])
    sizes = []
    model.patches.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    images = torch.zeros(4, 3, 32, 32)
    assert [depth_of(classifier, images), depth_of(classifier, images)] == [3, 3]
    assert sizes == [1, 1]
    watch = weakref.ref(classifier)
    del classifier
    gc.collect()
    assert watch() is None


def test_a_model_with_other_attention_is_named(monkeypatch):
    classifier = fake_classifier("text")
    monkeypatch.setattr(classifier, "features", lambda images: torch.zeros(len(images), 16))
    with pytest.raises(InputError, match="scaled_dot_product_attention") as caught:
        depth_of(classifier, torch.zeros(1, 3, 32, 32))
    assert caught.value.where == "FakeModel"


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_multihead_attention_is_the_same_while_recorded(batch_first: bool, masked: bool) -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(8, 2, batch_first=batch_first).eval()
    nn.init.normal_(module.in_proj_bias)
    tokens = torch.randn(3, 3, 8)
    mask = torch.full((3, 3), -torch.inf).triu(1) if masked else None
    before = nn.MultiheadAttention.forward
    with torch.no_grad():
        expected, _ = module(tokens, tokens, tokens, need_weights=False, attn_mask=mask)
        with record(range(1)) as recording:
            found, weights = module(tokens, tokens, tokens, need_weights=False, attn_mask=mask)
            _, asked = module(tokens, tokens, tokens)
    torch.testing.assert_close(found, expected)
    assert weights is None
    assert asked is not None
    assert asked.shape == (3, 3, 3)
    assert recording.layers[0].output.shape == (3, 2, 3, 4)
    assert nn.MultiheadAttention.forward is before
