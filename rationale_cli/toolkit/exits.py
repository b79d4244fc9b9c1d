"""Early exits: what the features would be if the tower ended before a later layer.

The tokens that enter each layer pass a layer norm first, and those that leave the tower pass its last norm on
their way to the features. At that last norm the tokens of earlier layers are appended as further pictures, so
the model's own norm, pool and projection turn them into features, in the same forward and with no knowledge
of the model.

Shapes: B pictures, T tokens, W width, F features, k exits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..contracts import Classifier
from ..errors import InputError
from .attention import Recording, Tower, frozen, record
from .projections import replaced


class Ending(NamedTuple):
    """Where the tower's last norm stands: before its pool, or after its last block."""

    layer: int
    """How many attention layers ran before it."""
    norms: int
    """Which norm it is of those that run between this number of layers and the next."""


_ELSE = "choose an attribution that needs no exits, for example gaa"
_ENDINGS: WeakKeyDictionary[nn.Module, Ending] = WeakKeyDictionary()


@dataclass
class Exits:
    """The exits of one forward, filled while it runs."""

    recording: Recording
    ending: Ending
    wanted: range
    """By the layer that the tokens would enter; the tower's own end is ``ending.layer``."""
    ends: dict[int, Tensor] = field(default_factory=dict)
    """Tokens at each exit as the last norm reads them, in the graph; the tower's own end comes first."""
    leaves: dict[int, Tensor] = field(default_factory=dict)
    """The same tokens from which the features were computed: leaves that require a gradient."""
    entering: dict[int, Tensor] = field(default_factory=dict)
    passed: Counter[int] = field(default_factory=Counter)

    def rows(self, features: Tensor) -> dict[int, slice]:
        """The features' rows of each exit; raises ``InputError`` where the model did not carry them along."""
        exits = len(self.ends)
        if not exits or len(features) % exits:
            raise InputError(
                "Expected features of every exit but the model put together the tokens of several pictures.",
                next_step=_ELSE,
            )
        size = len(features) // exits
        return {exit_: slice(place * size, (place + 1) * size) for place, exit_ in enumerate(self.ends)}


def ending_of(classifier: Classifier, images: Tensor, tower: Tower) -> Ending:
    """Where the tower ends; found once for each classifier by two forwards of two pictures.

    Raises ``InputError`` for a tower without a layer norm there, or that cannot have more exits than one.
    """
    module = cast(nn.Module, classifier)
    if module not in _ENDINGS:
        with torch.inference_mode(False), torch.no_grad(), frozen(module):
            _ENDINGS[module] = _found(classifier, images[:1].detach().repeat(2, 1, 1, 1), tower)
    return _ENDINGS[module]


def _found(classifier: Classifier, pictures: Tensor, tower: Tower) -> Ending:
    layer, where = tower.depth - tower.pooled, type(classifier.model).__name__
    with record(range(0)) as recording, exits(recording, Ending(layer, 0), range(0)) as watched:
        plain = classifier.features(pictures)
    ending = Ending(layer, watched.passed[layer])
    if not ending.norms:
        raise InputError(
            "Expected a tower that ends in a layer norm but saw none after its last block.",
            where=where,
            next_step=_ELSE,
        )
    try:
        with (
            record(range(0)) as recording,
            exits(recording, ending, range(max(0, layer - 1), layer + 1)) as found,
        ):
            features = classifier.features(pictures)
        same = torch.allclose(
            features[found.rows(features)[layer]], plain, rtol=1e-3, atol=1e-4, equal_nan=True
        )
    except RuntimeError:
        # What torch says of sizes that do not fit.
        same = False
    if not same:
        raise InputError(
            "Expected a tower that carries further pictures along from its last norm on, but the model takes "
            "their number from elsewhere.",
            where=where,
            next_step=_ELSE,
        )
    return ending


@contextmanager
def exits(recording: Recording, ending: Ending, wanted: range) -> Iterator[Exits]:
    """Let the forward inside ``record`` compute the features of these exits too, B·k rows instead of B.

    The tower's own end comes first, whether it is wanted or not. Raises ``InputError`` for tokens that do not
    fit those of the end.
    """
    found = Exits(recording, ending, wanted)
    with _watching(found):
        yield found


@contextmanager
def _watching(found: Exits) -> Iterator[None]:
    def make(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def layer_norm(input: Tensor, *arguments: object, **keywords: object) -> Tensor:
            # Norms of heads, and those of pictures before there are tokens, have other shapes.
            if input.ndim in (2, 3):
                input = _passing(found, input)
            return original(input, *arguments, **keywords)

        return layer_norm

    with replaced("layer_norm", make):
        yield


def _passing(found: Exits, tokens: Tensor) -> Tensor:
    """What this norm reads instead of ``tokens``."""
    ran = found.recording.depth
    found.passed[ran] += 1
    if (ran, found.passed[ran]) != found.ending:
        if ran in found.wanted:
            # The last norm before a layer is its own.
            found.entering[ran] = tokens
        return tokens
    found.ends[ran] = tokens
    for earlier in (one for one in found.wanted if one != ran):
        found.ends[earlier] = _like(tokens, found.entering.get(earlier), earlier)
    found.leaves = {
        one: end.detach().requires_grad_(torch.is_grad_enabled()) for one, end in found.ends.items()
    }
    return torch.cat(list(found.leaves.values()))


def _like(end: Tensor, tokens: Tensor | None, layer: int) -> Tensor:
    """Those of the tokens B×T×W that the end has: all, the first as B×1×W or as B×W."""
    if tokens is not None and tokens.ndim == 3:
        if end.ndim == 2:
            tokens = tokens[:, 0]
        elif end.shape[1] == 1:
            tokens = tokens[:, :1]
    if tokens is None or tokens.shape != end.shape:
        raise InputError(
            f"Expected a layer norm before attention layer {layer + 1} of tokens as the tower's last norm "
            "reads them.",
            next_step=_ELSE,
        )
    return tokens
