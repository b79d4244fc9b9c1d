"""The contract suite of regularizers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from ..contracts import (
    GROUPS,
    MASKS,
    OF_ANY_METHOD,
    Fitted,
    Masks,
    Method,
    Regularizer,
    RegularizerOptions,
    Setting,
    Support,
    Task,
    VisionLanguageModel,
    Watching,
)
from ..toolkit.modes import training
from ..toolkit.steps import Forward, lacks
from .demands import demand, evaluation, listed, pictures, snapshot
from .fakes import FakeSupport
from .options import check_plugin

_MOVE = 0.02
"""Deviation of what is added to weights that train."""

_SIZES = {"common": 6, "rare": 2}
"""Groups that take turns in a batch, and the pictures that they have in training."""

_OfData = tuple[Masks | Tensor, ...]
"""What a term is given beside the method's outputs."""


def check_regularizer(
    regularizer: Regularizer,
    method: Method,
    model: VisionLanguageModel,
    task: Task,
    *,
    unseen: tuple[str, ...] = (),
    batch: int = 4,
) -> None:
    """Check a regularizer on a method that offers what it needs, on a model and a task.

    The term is one finite number with a gradient to what the method trains and to nothing else; it follows
    from torch's seed and from what it keeps (``kept``) alone, is the same when it is built again, and
    building it leaves model and method as they are. One that needs masks is 0 where none is known. What it
    needs of the method's step is looked at too. ``model`` itself is left alone.
    """
    check_plugin("regularizer", type(regularizer))
    demand(
        issubclass(regularizer.Options, RegularizerOptions),
        "a regularizer's Options must derive from RegularizerOptions, which has the weight",
    )
    _check_recommended(regularizer)
    offered = (*OF_ANY_METHOD, *getattr(method, "offers", ()))
    lacking = [need for need in regularizer.needs if need not in offered]
    demand(not lacking, f"this suite needs a method that offers {lacking}: give it one")
    images = pictures(model, batch)
    labels = torch.arange(batch, device=images.device) % len(task.classnames)
    setting, term = _built(regularizer, method, model, task, unseen)
    other, again = _built(regularizer, method, model, task, unseen)
    lacking = lacks(setting.step, regularizer.needs)
    demand(not lacking, f"the method's step must have what the method offers, but lacks {lacking}")
    forward, another = (Forward(one.step, regularizer.needs) for one in (setting, other))
    for one in (setting, other):
        _begin(method, one, images, labels)
    of_data = _of_data(regularizer, images)
    anew = _value(again, another, images, labels, of_data)
    demand(
        torch.equal(_value(term, forward, images, labels, of_data), anew),
        "a term that is built anew must be the same: training that is resumed builds it again",
    )
    _check_term(setting, term, forward, images, labels, of_data)
    if MASKS in regularizer.needs:
        nothing = _of_data(regularizer, images, unknown=batch)
        value = _value(term, forward, images, labels, nothing)
        demand(float(value.detach()) == 0, "pictures whose masks are not known must contribute nothing")


def _check_recommended(regularizer: Regularizer) -> None:
    table = getattr(regularizer, "recommended", {})
    demand(isinstance(table, Mapping), "recommended must be a mapping on the class, by the methods' names")
    own = {f"regularizer.{key}" for key in regularizer.Options.model_fields}
    for method, values in table.items():
        foreign = set(values) - own
        demand(not foreign, f"recommended[{method!r}] may hold its own options alone, not {listed(foreign)}")


def _built(
    regularizer: Regularizer,
    method: Method,
    model: VisionLanguageModel,
    task: Task,
    unseen: tuple[str, ...],
) -> tuple[Setting, nn.Module]:
    torch.manual_seed(0)
    fitted = method.build(copy.deepcopy(model), task)
    demand(fitted.step is not None, "this suite needs a method that trains: give it one")
    step = cast(nn.Module, fitted.step)
    groups = _SIZES if GROUPS in regularizer.needs else {}
    setting = Setting(fitted.classifier, step, task, unseen, groups=groups)
    before = snapshot(step)
    trained = {name for name, one in step.named_parameters() if one.requires_grad}
    torch.manual_seed(0)
    term = regularizer.build(setting)
    after = snapshot(step)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    demand(not moved, f"build must leave the method as it is: {listed(moved)}")
    now = {name for name, one in step.named_parameters() if one.requires_grad}
    demand(trained == now, f"build must leave what trains as it is: {listed(trained ^ now)}")
    demand(isinstance(term, nn.Module), "build must return an nn.Module: its tensors move with the step")
    return setting, term


def _begin(method: Method, setting: Setting, images: Tensor, labels: Tensor) -> None:
    """What comes between building and training, and a first step: a term may rest where nothing is tuned."""
    prepare: Callable[[Fitted, Support], None] | None = getattr(method, "prepare", None)
    torch.manual_seed(0)
    if prepare is not None:
        classes, validates = len(setting.task.classnames), getattr(method, "validates", False)
        with torch.no_grad(), evaluation(cast(nn.Module, setting.classifier)):
            support = FakeSupport(images, labels, classes, validates=validates)
            prepare(Fitted(setting.classifier, setting.step), support)
    with torch.no_grad():
        for one in setting.step.parameters():
            if one.requires_grad:
                one.add_(_MOVE * torch.randn_like(one))


def _check_term(
    setting: Setting,
    term: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
    of_data: _OfData,
) -> None:
    own = {id(one) for one in setting.step.parameters()}
    foreign = {name for name, one in term.named_parameters() if one.requires_grad and id(one) not in own}
    demand(
        not foreign, f"a term trains nothing of its own, which no checkpoint would hold: {listed(foreign)}"
    )
    training(setting.step)
    kept = {name: one.clone() for name, one in _kept(term).items()}
    value = _value(term, forward, images, labels, of_data)
    demand(
        value.ndim == 0 and bool(value.isfinite()), f"a term's forward must be one finite number, not {value}"
    )
    for name, one in _kept(term).items():
        one.copy_(kept[name])
    demand(
        torch.equal(value, _value(term, forward, images, labels, of_data)),
        "a term must follow from torch's seed alone, and what it keeps: a run that is resumed goes on as it "
        "would have",
    )
    demand(value.requires_grad, "a term must depend on what the method trains, else it changes nothing")
    torch.autograd.backward(value)
    trained = [one for one in setting.step.parameters() if one.requires_grad]
    demand(
        any(one.grad is not None and bool(one.grad.abs().sum() > 0) for one in trained),
        "a term must have a gradient to what the method trains, else it changes nothing",
    )
    setting.step.zero_grad(set_to_none=True)


def _kept(term: nn.Module) -> Mapping[str, Tensor]:
    kept: Callable[[], Mapping[str, Tensor]] | None = getattr(term, "kept", None)
    return kept() if kept is not None else {}


def _value(term: nn.Module, forward: Forward, images: Tensor, labels: Tensor, of_data: _OfData) -> Tensor:
    begin = getattr(term, "begin_epoch", None)
    if begin is not None:
        begin(0)
    torch.manual_seed(1)
    watching = cast(Watching, term).watching() if hasattr(term, "watching") else nullcontext()
    with watching:
        outputs = forward(images, labels)
    value: Tensor = term(images, labels, outputs, *of_data)
    return value


def _of_data(regularizer: Regularizer, images: Tensor, *, unknown: int = 0) -> _OfData:
    """Masks and groups where they are needed; the masks of the first ``unknown`` pictures are not known."""
    masks = (_left_halves(images, unknown=unknown),) if MASKS in regularizer.needs else ()
    groups = (torch.arange(len(images), device=images.device) % len(_SIZES),)
    return (*masks, *groups) if GROUPS in regularizer.needs else masks


def _left_halves(images: Tensor, *, unknown: int = 0) -> Masks:
    """Objects in the left halves of pictures B×3×S×S; the first ``unknown`` are not annotated."""
    inside = torch.zeros_like(images[:, 0], dtype=torch.uint8)
    inside[:, :, : images.shape[-1] // 2] = 1
    known = torch.arange(len(images), device=images.device) >= unknown
    return Masks(inside * known[:, None, None], known)
