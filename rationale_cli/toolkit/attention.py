"""The recorder: queries, keys, values and outputs of every attention layer, with no model-specific code.

Nearly every current model computes attention with ``torch.nn.functional.scaled_dot_product_attention``.
While a recording lasts, that function is replaced by one that computes the same and keeps what the layers
of interest saw. The softmax output A itself never exists in the graph: with o = A·V, the gradient is
∂y/∂A = (∂y/∂o)·Vᵀ, and A is recomputed from q and k (protocol §2).

Shapes: B pictures, H heads, Q query tokens, T tokens, d width of a head.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contracts import Classifier
from ..errors import InputError

_RECORDING = threading.RLock()
"""The function is one for the whole process, so recordings in several threads wait for each other."""


@dataclass(frozen=True)
class Tower:
    """How an image tower computes its features."""

    depth: int
    """Number of attention layers, an attention pool included."""
    pooled: bool
    """Whether the last one is an attention pool: its queries are learned, and no token of the picture."""
    one_row: bool
    """Whether features depend on the first row of the last layer alone: CLS token, or a pool's query."""


_Attended = tuple[Tensor, Tensor | None]
"""What ``nn.MultiheadAttention`` returns."""

_Seen = tuple[Tensor, Tensor, Tensor, Tensor]
"""Queries, keys, values and output of a layer."""

_TOWERS: WeakKeyDictionary[nn.Module, Tower] = WeakKeyDictionary()


class _Arrangement(NamedTuple):
    """See ``arranged``."""

    order: Tensor | None = None
    recorded: bool = True


_AS_THEY_STAND = _Arrangement()
_ARRANGEMENT: ContextVar[_Arrangement] = ContextVar("arrangement", default=_AS_THEY_STAND)


@dataclass(frozen=True)
class AttentionLayer:
    """What one attention layer saw.

    ``query``, ``key`` and ``value`` are outside the graph, unless recorded ``live``.
    """

    query: Tensor
    """B×H×Q×d."""
    key: Tensor
    """B×H×T×d."""
    value: Tensor
    """B×H×T×d."""
    output: Tensor
    """B×H×Q×d: what the gradient is taken to."""
    scale: float
    mask: Tensor | None
    """Broadcasts to B×H×Q×T: boolean (true takes part) or added to the scores."""
    dropout: float = 0.0
    """Share of A that was left out; above 0 only where recorded ``live``, in training."""

    def probabilities(self, rows: slice = slice(None)) -> Tensor:
        """A = softmax(q·kᵀ·scale + mask) of these query rows, B×H×R×T float32."""
        scores = (self.query[:, :, rows].float() * self.scale) @ self.key.float().transpose(-1, -2)
        if self.mask is not None:
            mask = self.mask if self.mask.shape[-2] == 1 else self.mask[:, :, rows]
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        return scores.softmax(dim=-1)

    def gradient(self, towards_output: Tensor, rows: slice = slice(None)) -> Tensor:
        """∂y/∂A of these query rows from ∂y/∂o (B×H×Q×d), B×H×R×T float32."""
        return towards_output[:, :, rows].float() @ self.value.float().transpose(-1, -2)

    def of_pictures(self, pictures: slice) -> AttentionLayer:
        """The same layer for a part of the batch."""
        mask = self.mask
        if mask is not None and mask.shape[0] > 1:
            mask = mask[pictures]
        parts = (tensor[pictures] for tensor in (self.query, self.key, self.value, self.output))
        query, key, value, output = parts
        return replace(self, query=query, key=key, value=value, output=output, mask=mask)


@dataclass
class Recording:
    """The layers of one forward pass, filled while it runs."""

    layers: dict[int, AttentionLayer] = field(default_factory=dict)
    """The layers asked for, by position counted from 0."""
    depth: int = 0
    """Number of attention layers that ran, recorded or not."""
    learned: set[int] = field(default_factory=set)
    """Recorded layers whose queries depend on nothing that requires a gradient; where the pictures alone do
    require one, the queries of these layers are parameters."""


@contextmanager
def record(layers: range, *, live: bool = False, leaf: bool = True) -> Iterator[Recording]:
    """Record these layers (counted from 0, in the order in which they run) of the forward inside.

    The first recorded output is made a leaf that requires a gradient, where it does not and ``leaf`` is true:
    with frozen parameters nothing before it is kept by autograd. ``live`` leaves queries, keys and values in
    the graph, so that attention itself can be trained.

    The fast path of ``nn.MultiheadAttention``, which bypasses the function, is off meanwhile; ``_directly``
    takes its place. Other threads are not recorded; everything is restored on leaving, also by an error.
    Raises ``InputError`` for attention that cannot be explained (dropout, no heads), unless ``live``.
    """
    recording = Recording()
    with _RECORDING:
        original = F.scaled_dot_product_attention
        multihead = nn.MultiheadAttention.forward
        fast = torch.backends.mha.get_fastpath_enabled()
        # Both are replaced on purpose and put back below, which a type checker cannot see to be right.
        F.scaled_dot_product_attention = _recorder(original, recording, layers, live=live, leaf=leaf)
        nn.MultiheadAttention.forward = _directly(multihead)  # type: ignore[method-assign]
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield recording
        finally:
            F.scaled_dot_product_attention = original
            nn.MultiheadAttention.forward = multihead  # type: ignore[method-assign]
            torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def arranged(order: Tensor | None) -> Iterator[None]:
    """For adapters of models that read pictures and text as one sequence of T tokens.

    Attention inside is recorded with its tokens in this order (T places of the sequence): first the token
    that the features are read from, last those of the patches in row-major order. None: what attends inside
    is another tower, and is not recorded. What the model computes stays the same.
    """
    before = _ARRANGEMENT.set(_Arrangement(order, recorded=order is not None))
    try:
        yield
    finally:
        _ARRANGEMENT.reset(before)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no parameter that requires a gradient; both as before on leaving."""
    training = [part for part in module.modules() if part.training]
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for part in training:
            part.training = False
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for part in training:
            part.training = True
        for parameter in trained:
            parameter.requires_grad_(True)


def tower_of(classifier: Classifier, images: Tensor) -> Tower:
    """How the tower behind ``classifier.features`` is built; found once for each classifier.

    images B×3×S×S, of which the first is used. Raises ``InputError`` where no attention is seen.
    """
    module = cast(nn.Module, classifier)
    if module not in _TOWERS:
        _TOWERS[module] = probe(module, classifier.features, images, type(classifier.model).__name__)
    return _TOWERS[module]


def depth_of(classifier: Classifier, images: Tensor) -> int:
    """Number of attention layers behind ``classifier.features``; arguments and errors as ``tower_of``."""
    return tower_of(classifier, images).depth


def probe(module: nn.Module, features: Callable[[Tensor], Tensor], images: Tensor, name: str) -> Tower:
    """Find how a tower is built by two forwards of one picture; ``name`` is that of its model in errors.

    images B×3×S×S, ``features`` B×3×S×S → B×F on the parameters of ``module``. Raises ``InputError`` for a
    tower that never calls ``torch.nn.functional.scaled_dot_product_attention``.
    """
    with torch.inference_mode(False), frozen(module):
        picture = images[:1].detach().clone()
        with torch.no_grad(), record(range(0)) as recording:
            features(picture)
        depth = recording.depth
        if depth == 0:
            raise InputError(
                "Expected a model whose image tower computes attention with "
                "torch.nn.functional.scaled_dot_product_attention but saw no such call.",
                where=name,
                next_step="prediction works, and so do attributions that need no attention; if the tower has "
                "attention, let the model's adapter compute it by that function of that module",
            )
        with torch.enable_grad(), record(range(depth - 1, depth)) as recording:
            result = features(picture.requires_grad_())
            # No sum: what a normalised vector sums up to does not depend on anything.
            score = (result * torch.arange(result.shape[-1], device=result.device).cos()).sum()
            last = recording.layers[depth - 1].output
            (gradient,) = torch.autograd.grad(score, last, materialize_grads=True)
    return Tower(depth, depth - 1 in recording.learned, not bool((gradient[:, :, 1:].abs() > 0).any()))


def _recorder(
    original: Callable[..., Tensor], recording: Recording, layers: range, *, live: bool, leaf: bool
) -> Callable[..., Tensor]:
    thread = threading.get_ident()

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **keywords: Any,
    ) -> Tensor:
        output = original(query, key, value, attn_mask, dropout_p, is_causal, **keywords)
        order, recorded = _ARRANGEMENT.get()
        if threading.get_ident() != thread or not recorded:
            return output
        index, recording.depth = recording.depth, recording.depth + 1
        if index not in layers:
            return output
        if not live:
            _check(query, dropout_p)
        if not query.requires_grad:
            recording.learned.add(index)
        mask = _causal(query, key) if is_causal else attn_mask
        if not live:
            query, key, value = query.detach(), key.detach(), value.detach()
        seen = (query, key, value, output)
        if order is not None:
            seen, mask = _reordered(seen, mask, order)
        if leaf and not seen[-1].requires_grad:
            seen[-1].requires_grad_()
        layer = _layer(seen, mask, keywords.get("scale"))
        recording.layers[index] = replace(layer, dropout=dropout_p)
        # What the model goes on with depends on the very tensor that was recorded.
        return seen[-1] if order is None else seen[-1][:, :, order.argsort()]

    return attend


def _directly(original: Callable[..., _Attended]) -> Callable[..., _Attended]:
    """``nn.MultiheadAttention.forward`` that projects all tokens of a plain self-attention in one product.

    Without its fast path, the module wants tokens before pictures and computes the projections in as many
    small products as there are tokens: half as fast, forward and backward.
    """

    def forward(
        module: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **keywords: Any
    ) -> _Attended:
        plain = (
            query is key is value
            and query.ndim == 3
            and module.batch_first
            and module._qkv_same_embed_dim
            and module.bias_k is None
            and not module.add_zero_attn
            and not (module.training and module.dropout)
            and not rest
            and not keywords.get("need_weights", True)
            and keywords.get("key_padding_mask") is None
            and keywords.get("attn_mask") is None
            and not keywords.get("is_causal")
        )
        if not plain:
            return original(module, query, key, value, *rest, **keywords)
        parts = F.linear(query, module.in_proj_weight, module.in_proj_bias).chunk(3, dim=-1)
        heads = (part.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(*heads)
        return module.out_proj(mixed.transpose(1, 2).flatten(2)), None

    return forward


def _check(query: Tensor, dropout: float) -> None:
    if query.ndim != 4:
        raise InputError(
            f"Expected attention over batch, heads, tokens and width but got {query.ndim} dimensions.",
            next_step="let the model's adapter pass four-dimensional queries",
        )
    if dropout > 0:
        raise InputError(
            f"Expected attention without dropout in evaluation mode but got a rate of {dropout}.",
            next_step="let the model's adapter pass dropout only while training",
        )


def _reordered(seen: _Seen, mask: Tensor | None, order: Tensor) -> tuple[_Seen, Tensor | None]:
    query, key, value, output = seen
    if not query.shape[-2] == key.shape[-2] == len(order):
        raise InputError(
            f"Expected attention among the {len(order)} tokens of picture and text but one layer maps "
            f"{key.shape[-2]} to {query.shape[-2]}.",
            next_step="prediction works, and so do attributions that need no attention",
        )
    if mask is not None:
        mask = mask[..., order] if mask.shape[-1] > 1 else mask
        mask = mask[..., order, :] if mask.shape[-2] > 1 else mask
    return (query[:, :, order], key[:, :, order], value[:, :, order], output[:, :, order]), mask


def _layer(tensors: _Seen, mask: Tensor | None, scale: float | None) -> AttentionLayer:
    query, key, value, output = tensors
    # Grouped queries: several heads share one key and value.
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
    if mask is not None:
        mask = mask.detach().view((1,) * (4 - mask.ndim) + tuple(mask.shape))
    factor = query.shape[-1] ** -0.5 if scale is None else float(scale)
    return AttentionLayer(query, key, value, output, factor, mask)


def _causal(query: Tensor, key: Tensor) -> Tensor:
    return torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
