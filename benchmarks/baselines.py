"""How others explain a CLIP of open_clip: the loop of the paper's released code, LeGrad, and two libraries.

The first two are written anew after what the published code does; for the libraries
``pip install grad-cam captum``. Every function explains the pictures of a ``Subject``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from interleaved import Work
from subjects import Subject
from torch import Tensor, nn

STEPS = 50
"""Of integrated gradients."""


def baselines(subject: Subject) -> list[Work]:
    """What can be run here on this model."""
    if subject.visual is None:
        return []
    batch = len(subject.images)
    works = [
        Work("released code, last", partial(released, subject, "last"), batch),
        Work("released code, all", partial(released, subject, "all"), batch, rounds=3),
        Work("LeGrad, last 2 layers", partial(legrad, subject), batch),
    ]
    if importlib.util.find_spec("pytorch_grad_cam"):
        works.append(Work("pytorch-grad-cam", partial(grad_cam, subject), batch))
    if importlib.util.find_spec("captum"):
        works.append(Work("captum LayerGradCam", partial(layer_grad_cam, subject), batch))
        works.append(Work("captum IntegratedGradients", partial(integrated, subject), 1, rounds=2))
    return works


def released(subject: Subject, layers: Literal["last", "all"]) -> Tensor:
    """The released code: a prediction pass, then one picture at a time, its text encoded again for each,
    with one ``autograd.grad`` for each layer and full relevance matrices; B×T rows.
    """
    subject.plain()
    return torch.stack([_released(subject, index, layers) for index in range(len(subject.images))])


def _released(subject: Subject, index: int, layers: str) -> Tensor:
    model, visual = subject.classifier.model, _visual(subject)
    target = int(subject.targets[index])
    text = model.embed_texts({key: rows[target : target + 1] for key, rows in subject.tokens.items()})
    with _kept_attention() as maps:
        feature = visual(subject.images[index : index + 1])
    score = (model.logit_scale * F.normalize(feature, dim=-1) * F.normalize(text, dim=-1)).sum()
    relevance = torch.eye(maps[0].shape[-1], device=feature.device)
    for attention in maps[-1:] if layers == "last" else maps:
        (gradient,) = torch.autograd.grad(score, [attention], retain_graph=True)
        relevance = relevance + (gradient * attention).clamp(min=0).mean(dim=1)[0] @ relevance
    return relevance[0, 1:].detach()


def legrad(subject: Subject, layers: int = 2) -> Tensor:
    """LeGrad as published for CLIP: one picture at a time, the last two layers, each by the score of its own
    mean token; parameters of these layers alone take gradients. B×T.
    """
    visual: Any = _visual(subject)
    blocks = list(visual.transformer.resblocks)[-layers:]
    trained = {id(one) for block in blocks for one in block.parameters()}
    states = [(one, one.requires_grad) for one in visual.parameters()]
    for one, _ in states:
        one.requires_grad_(id(one) in trained)
    try:
        return torch.stack([_legrad(subject, index, blocks) for index in range(len(subject.images))])
    finally:
        for one, state in states:
            one.requires_grad_(state)


def _legrad(subject: Subject, index: int, blocks: list[nn.Module]) -> Tensor:
    visual: Any = _visual(subject)
    text = subject.classifier.class_vectors[subject.targets[index]]
    tokens: list[Tensor] = []
    hooks = [block.register_forward_hook(lambda _, __, output: tokens.append(output)) for block in blocks]
    with _kept_attention() as maps:
        visual(subject.images[index : index + 1])
    for hook in hooks:
        hook.remove()
    total = torch.zeros(())
    for attention, states in zip(maps[-len(blocks) :], tokens, strict=True):
        pooled = F.normalize(visual.ln_post(states.mean(dim=1)) @ visual.proj, dim=-1)
        score = (pooled * text).sum()
        (gradient,) = torch.autograd.grad(score, [attention], retain_graph=True, create_graph=True)
        total = total + gradient.clamp(min=0).mean(dim=(1, 2))[0, 1:].detach()
    return total


def grad_cam(subject: Subject) -> object:
    """pytorch-grad-cam's GradCAM as its page on vision transformers shows it."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    classifier = _logits(subject)
    side = subject.classifier.model.patch_grid(*subject.images.shape[-2:])

    def as_picture(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].unflatten(1, side).permute(0, 3, 1, 2)

    targets = [ClassifierOutputTarget(int(target)) for target in subject.targets]
    with GradCAM(model=classifier, target_layers=[_norm(subject)], reshape_transform=as_picture) as cam:
        return cam(input_tensor=subject.images, targets=targets)


def layer_grad_cam(subject: Subject) -> object:
    """captum's LayerGradCam at the first norm of the last block."""
    from captum.attr import LayerGradCam

    return LayerGradCam(_logits(subject), _norm(subject)).attribute(subject.images, target=subject.targets)


def integrated(subject: Subject) -> object:
    """captum's IntegratedGradients of one picture, all steps in batches of the others' size."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(_logits(subject)).attribute(
        subject.images[:1],
        target=subject.targets[:1],
        n_steps=STEPS,
        internal_batch_size=len(subject.images),
    )


def _visual(subject: Subject) -> nn.Module:
    assert subject.visual is not None
    return subject.visual


def _norm(subject: Subject) -> nn.Module:
    visual: Any = _visual(subject)
    last: nn.Module = visual.transformer.resblocks[-1].ln_1
    return last


def _logits(subject: Subject) -> nn.Module:
    """The library's forward with the classifier's vectors."""
    assert subject.general is not None
    return subject.general


@contextmanager
def _kept_attention() -> Iterator[list[Tensor]]:
    """Attention computed as softmax(q·kᵀ)·v inside, its maps 1×H×T×T kept in the graph."""
    maps: list[Tensor] = []
    fused: Callable[..., Tensor] = F.scaled_dot_product_attention

    def attend(
        query: Tensor, key: Tensor, value: Tensor, *rest: Any, **keywords: Mapping[str, Any]
    ) -> Tensor:
        maps.append((query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(dim=-1))
        return maps[-1] @ value

    F.scaled_dot_product_attention = attend
    try:
        yield maps
    finally:
        F.scaled_dot_product_attention = fused
