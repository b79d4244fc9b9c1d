"""Prompts around a learned context, ``[V]₁ … [V]ₘ <name>.`` (Zhou et al. 2022, "Learning to Prompt", CoOp).

Shapes: C names, M tokens of a context, K contexts, P prompts, L tokens of a text, W width of a token,
D joint embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..contracts import DeepPromptLearnable, PromptLearnable, Word
from ..errors import InputError

NEEDS = ("token_embeddings", "embed_prompts", "token_counts")
"""What a method that learns prompts needs of a model (``PromptLearnable``)."""

Position = Literal["end", "middle", "front"]
"""Where the name stands: after the context, in its middle, or before it."""

_DEVIATION = 0.02
"""Of a context that is drawn at random."""
_WORD = "a"
"""Holds the context's place; one token in the vocabularies of CLIP, SigLIP and BERT."""


class Frame(NamedTuple):
    """What surrounds the words of a text in its row of tokens."""

    first: int
    """Number of tokens that start a text."""
    both: int
    """Number of tokens that start and end it."""
    right: bool
    """Whether texts stand at the right of their rows, with the filling before them."""

    def start(self, width: int, count: int) -> int:
        """Where the words begin in a row of so many tokens, of which so many are the text's."""
        return self.first + (width - count if self.right else 0)


class Prompts:
    """The prompts of C names around contexts of M tokens, and what a text tower makes of them.

    Where a context stands is found by counting tokens, in any vocabulary that has the word "a". ``chunk``:
    prompts that are encoded at a time. Where there are more, each such part is computed once more in the
    backward, so that memory holds the activations of one part instead of all. (One step over 1,000 classes
    with the text tower of CLIP ViT-B/32, 16 learned tokens and float32 takes 13 GiB at once, 5 GiB by 256 and
    1.5 GiB by 64.)

    Raises ``InputError`` for a name that leaves no room for the context, for a tokeniser that makes several
    tokens of "a", and for a text tower that takes no embeddings.
    """

    def __init__(
        self,
        model: PromptLearnable,
        names: Sequence[str],
        length: int,
        position: Position = "end",
        chunk: int = 256,
    ) -> None:
        self.model, self.length, self.chunk = model, length, chunk
        frame, filler = frame_of(model, length), _filler(length)
        self._tokens = _tokenized(model, [f"{filler} {name}." for name in names], length)
        without_stop = _tokenized(model, [f"{filler} {name}" for name in names], length)
        own = (model.token_counts(without_stop) - length - frame.both).tolist()
        width = model.token_embeddings({key: rows[:1] for key, rows in self._tokens.items()}).shape[1]
        counts = model.token_counts(self._tokens)
        starts = [frame.start(width, count) for count in counts.tolist()]
        orders = [
            _order(start, length, name, width, position) for start, name in zip(starts, own, strict=True)
        ]
        self._order = torch.tensor(orders, device=counts.device)
        self._names, self._filler, self._starts, self._width = tuple(names), filler, starts, width
        self._places = (self._order >= width).nonzero()[:, 1].view(len(orders), length)

    def __len__(self) -> int:
        """C."""
        return len(self._order)

    def words(self, name: int) -> tuple[Word, ...]:
        """The words of a prompt in their order: those of the name, and ``[V1]`` to ``[VM]`` of the context.

        Raises ``InputError`` as ``words_in`` does.
        """
        (written,) = words_in(self.model, [f"{self._filler} {self._names[name]}"])
        order, moved = self._order[name].tolist(), self._starts[name] - written[0].start
        names = [(one.text, one.start + moved, one.stop - one.start) for one in written[self.length :]]
        context = [(f"[V{number + 1}]", self._width + number, 1) for number in range(self.length)]
        placed = [(order.index(token), text, count) for text, token, count in (*context, *names)]
        return tuple(Word(text, place, place + count) for place, text, count in sorted(placed))

    def encode(self, contexts: Tensor, of: Tensor, names: Tensor, deeper: Sequence[Tensor] = ()) -> Tensor:
        """P prompts: context ``of[p]`` of K×M×W around name ``names[p]`` → P×D, not normalised.

        ``deeper``: what takes the context's place before each block from the second on, M×W
        (``DeepPromptLearnable``).
        """
        self._move(contexts.device)
        parts = list(zip(torch.split(of, self.chunk), torch.split(names, self.chunk), strict=True))
        trained = any(one.requires_grad for one in (contexts, *deeper))
        if len(parts) == 1 or not (torch.is_grad_enabled() and trained):
            return torch.cat([self._encode(contexts, *part, *deeper) for part in parts])
        return torch.cat(
            [
                torch.as_tensor(checkpoint(self._encode, contexts, *part, *deeper, use_reentrant=False))
                for part in parts
            ]
        )

    def encode_names(self, context: Tensor, deeper: Sequence[Tensor] = ()) -> Tensor:
        """One context for all names M×W, or one for each C×M×W → C×D, not normalised; see ``encode``."""
        names = torch.arange(len(self), device=context.device)
        if context.ndim == 2:
            return self.encode(context.unsqueeze(0), torch.zeros_like(names), names, deeper)
        return self.encode(context, names, names, deeper)

    def _encode(self, contexts: Tensor, of: Tensor, names: Tensor, *deeper: Tensor) -> Tensor:
        tokens = {key: rows[names] for key, rows in self._tokens.items()}
        texts = self.model.token_embeddings(tokens)
        # The gradient of a context that all share is a plain sum: quick, and the same every time.
        chosen = contexts.expand(len(of), -1, -1) if len(contexts) == 1 else contexts[of]
        both = torch.cat([texts, chosen.to(texts.dtype)], dim=1)
        rows = torch.arange(len(of), device=of.device)[:, None]
        embeddings = both[rows, self._order[names]]
        if not deeper:
            return self.model.embed_prompts(embeddings, tokens)
        model = cast(DeepPromptLearnable, self.model)
        return model.embed_deep_prompts(embeddings, tokens, deeper, self._places[names])

    def _move(self, device: torch.device) -> None:
        if self._order.device != device:
            self._order, self._places = self._order.to(device), self._places.to(device)
            self._tokens = {key: rows.to(device) for key, rows in self._tokens.items()}


def context_of(model: PromptLearnable, words: str) -> Tensor:
    """The embeddings of some words, M×W, to begin with. Raises ``InputError`` as ``Prompts`` does."""
    frame = frame_of(model, 1)
    tokens = _tokenized(model, [words], 0)
    row, count = model.token_embeddings(tokens)[0], int(model.token_counts(tokens))
    if count == frame.both:
        raise InputError(f"Expected words to begin with but got {words!r}.")
    start = frame.start(len(row), count)
    return row[start : start + count - frame.both].detach().clone()


def random_context(model: PromptLearnable, length: int) -> Tensor:
    """A context drawn from N(0, 0.02²), M×W; raises as ``Prompts`` does."""
    like = model.token_embeddings(_tokenized(model, [_WORD], 1))
    return (torch.randn(length, like.shape[-1]) * _DEVIATION).to(like)


def words_in(model: PromptLearnable, texts: Sequence[str]) -> list[tuple[Word, ...]]:
    """Where the words of texts stand, found by counting the tokens of their beginnings.

    A word is what stands between blanks. Raises ``InputError`` as ``Prompts`` does, and for a tokeniser whose
    tokens reach over words.
    """
    frame = frame_of(model, 1)
    return [_words(model, text, frame) for text in texts]


def _words(model: PromptLearnable, text: str, frame: Frame) -> tuple[Word, ...]:
    words = text.split()
    beginnings = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
    tokens = _tokenized(model, beginnings, 0)
    rows, counts = model.token_embeddings(tokens), model.token_counts(tokens).tolist()
    whole = frame.start(rows.shape[1], counts[-1])
    found, done = [], 0
    for word, row, count in zip(words, rows, counts, strict=True):
        start, length = frame.start(len(row), count), count - frame.both
        if length < done or not torch.equal(row[start : start + length], rows[-1][whole : whole + length]):
            raise InputError(
                f"Expected a tokeniser that keeps words apart but the tokens of {text!r} do not begin with "
                f"those of its beginning at {word!r}.",
                where=type(model).__name__,
            )
        found.append(Word(word, whole + done, whole + length))
        done = length
    return tuple(found)


def frame_of(model: PromptLearnable, length: int) -> Frame:
    """Found by texts of equal words, so many and one more: they differ first where the longer goes on."""
    right = _at_the_right(model)
    tokens = _tokenized(model, [_filler(length), _filler(length + 1)], length)
    counts, rows = model.token_counts(tokens).tolist(), model.token_embeddings(tokens)
    shorter, longer = (
        row[len(row) - count :] if right else row[:count] for row, count in zip(rows, counts, strict=True)
    )
    differing = (shorter != longer[: len(shorter)]).any(dim=-1).nonzero().flatten().tolist()
    first = (differing[0] if differing else len(shorter)) - length
    if counts[1] - counts[0] != 1 or first < 0:
        raise InputError(
            f"Expected a tokeniser that makes one token of the word {_WORD!r} but {length} of them are "
            f"{counts[0]} tokens and {length + 1} are {counts[1]}, start and end included.",
            where=type(model).__name__,
            next_step="choose a method that learns no prompts",
        )
    return Frame(first, counts[0] - length, right)


def _at_the_right(model: PromptLearnable) -> bool:
    """Whether the filling of a short text stands before it: it is one token over and over."""
    tokens = _tokenized(model, [_filler(1), _filler(4)], 0)
    row, count = model.token_embeddings(tokens)[0], int(model.token_counts(tokens)[0])
    before, after = row[: len(row) - count], row[count:]
    return bool((before == before[0]).all()) and not bool((after == after[0]).all())


def _filler(length: int) -> str:
    return " ".join([_WORD] * length)


def _order(start: int, length: int, name: int, width: int, position: Position) -> list[int]:
    """The tokens of a prompt in their order: below L the text's own, from L on the context's.

    start: tokens before the context's place; length: of the context; name: of the name; width: L.
    """
    context = list(range(width, width + length))
    before = {"end": length, "middle": length // 2, "front": 0}[position]
    names = range(start + length, start + length + name)
    rest = range(names.stop, width)
    return [*range(start), *context[:before], *names, *context[before:], *rest]


def _tokenized(model: PromptLearnable, texts: Sequence[str], length: int) -> dict[str, Tensor]:
    """Tokens on the model's device; of a text that is too long, it is told that a context is part of it."""
    try:
        tokens = model.tokenize(texts)
    except InputError as error:
        raise InputError(
            error.what + (f" (A context of {length} tokens is part of it.)" if length else ""),
            where=error.where,
            next_step="learn fewer tokens (method.context), or shorten the class name",
        ) from error
    device = model.logit_scale.device
    return {key: rows.to(device) for key, rows in tokens.items()}
