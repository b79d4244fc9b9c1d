"""The linear maps around attention: the tokens that a layer reads, and the projection of its result.

The recorder sees queries, keys, values and outputs alone. What they are projected from, and the weight that
joins the heads, pass through ``torch.nn.functional.linear``: the last call before a layer makes its values,
the first one after it takes its output. Both are checked by their numbers, so that no model is misread.

Shapes: B pictures, H heads, T tokens, d width of a head, W width of a token.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .attention import Recording


class Tokens(NamedTuple):
    """What a layer's keys and values are projected from, its norm included."""

    tensor: Tensor
    """B×T×W, or T×B×W where ``swapped``: the tensor itself, to which a gradient can be taken."""
    swapped: bool

    def ordered(self, tensor: Tensor) -> Tensor:
        """The tokens, or a gradient of their shape, as B×T×W float32."""
        return (tensor.transpose(0, 1) if self.swapped else tensor).float()


@dataclass
class Projections:
    """The linear calls next to the recorded layers, filled while the forward runs."""

    recording: Recording
    before: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Input and result of the last call before each layer."""
    after: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """First row of the input, and the weight, of the first call after it."""

    def tokens(self, index: int) -> Tokens:
        """What layer ``index`` reads. Raises ``InputError`` where its values are no projection of tokens."""
        value = self.recording.layers[index].value
        _, heads, _, width = value.shape
        read, result = self.before.get(index, (value, value))
        for swapped in (False, True):
            ordered = result.transpose(0, 1) if swapped else result
            if ordered.ndim == 3 and ordered.shape[-1] >= heads * width:
                found = ordered[..., -heads * width :].unflatten(-1, (heads, width)).transpose(1, 2)
                if _same(found, value):
                    return Tokens(read, swapped)
        raise InputError(
            f"Expected the values of attention layer {index + 1} as a linear projection of its tokens but "
            "its model computes them otherwise.",
            next_step="choose an attribution that needs attention alone, for example gaa",
        )

    def output(self, index: int) -> Tensor:
        """The weight W×(H·d) that joins the heads of layer ``index``; raises ``InputError`` without one."""
        first = self.recording.layers[index].output[0, :, 0].flatten()
        taken, weight = self.after.get(index, (first.new_zeros(0), first))
        if not _same(taken, first):
            raise InputError(
                f"Expected a linear projection of the output of attention layer {index + 1} but its model "
                "goes on otherwise.",
                next_step="choose an attribution that needs attention alone, for example gaa",
            )
        return weight.detach().float()


@contextmanager
def projections(recording: Recording, layers: range, *, tokens: bool = False) -> Iterator[Projections]:
    """Note the linear calls around these layers (counted from 0) of the forward inside ``record``.

    ``tokens``: also those before each layer; the graph of autograd then begins at the tokens that the first
    of them reads, not at its output. Everything is restored on leaving, also by an error.
    """
    found = Projections(recording)
    with replaced("linear", lambda original: _observer(original, found, layers, tokens)):
        yield found


@contextmanager
def replaced(name: str, make: Callable[[Callable[..., Tensor]], Callable[..., Tensor]]) -> Iterator[None]:
    """Put ``make(original)`` in the place of a function of ``torch.nn.functional``, for this thread.

    One forward at a time: use it inside ``record``, for which other threads wait.
    """
    original, thread = getattr(F, name), threading.get_ident()
    instead = make(original)

    def call(*arguments: Tensor, **keywords: Tensor) -> Tensor:
        function = instead if threading.get_ident() == thread else original
        return torch.as_tensor(function(*arguments, **keywords))

    setattr(F, name, call)
    try:
        yield
    finally:
        setattr(F, name, original)


def _observer(
    original: Callable[..., Tensor], found: Projections, layers: range, tokens: bool
) -> Callable[..., Tensor]:
    recording = found.recording
    begun: list[Tensor] = []
    """An input outside the graph, and the leaf in its place: queries, keys and values share one."""

    def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        ran = recording.depth
        if ran - 1 in layers and ran - 1 not in found.after:
            found.after[ran - 1] = (input.detach().flatten(0, -2)[0].clone(), weight)
        if not tokens or ran not in layers:
            return original(input, weight, bias)
        # Pixels may come from inference mode, where nothing becomes a leaf.
        if not input.requires_grad and not input.is_inference():
            if not begun or begun[0] is not input:
                begun[:] = (input, input.detach().requires_grad_())
            input = begun[1]
        result = original(input, weight, bias)
        found.before[ran] = (input, result.detach())
        return result

    return linear


def _same(one: Tensor, other: Tensor) -> bool:
    """Equal in every number; where one has NaN, so has the other."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
