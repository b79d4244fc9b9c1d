"""Models that answer in words as classifiers of a fixed set of answers.

The logit of a class is the log-probability that the model's answer begins as the class's answer does: summed
over the ways to spell it (case, a blank before it) that no other class shares. The features are the states
from which that first token is told, so that all answers come from one forward and without any decoding.

Shapes: B pictures, C classes, K spellings, V tokens of the vocabulary, W width of a state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..contracts import Answering, Classifier, Family, Task, VisionLanguageModel
from ..errors import InputError
from .heads import VectorClassifier, WordedClassifier

NEEDS = ("converse", "read", "tell", "token_vectors", "first_tokens")
"""Attributes of a model that answers in words."""
QUESTION = "What is in the picture?"
"""Asked where neither the user nor the task says what."""


class Asked(NamedTuple):
    """A question, and how the answer of each class may begin."""

    question: str
    beginnings: tuple[frozenset[int], ...]
    """Tokens of each class, which no other class has."""


def asked(model: Answering, task: Task) -> Asked:
    """What a model is asked for a task.

    The question is the user's (``model.question``), else the task's, else which of the answers is in the
    picture. Where the answers do not begin differently, they are listed under letters and the letter is
    asked for. Raises ``InputError`` where there are more of such than letters.
    """
    answers = tuple(task.answers.get(name, name) for name in task.classnames)
    question = model.question or task.question
    beginnings = _beginnings(model, answers)
    if all(beginnings):
        return Asked(question or f"{QUESTION} Answer with one of these: {', '.join(answers)}.", beginnings)
    if len(answers) > len(ascii_uppercase):
        same = [answer for answer, tokens in zip(answers, beginnings, strict=True) if not tokens]
        raise InputError(
            f"Expected answers that begin with different tokens, or at most {len(ascii_uppercase)} of them, "
            f"but of {len(answers)} these begin like others: {', '.join(map(repr, same[:6]))}.",
            where=type(model).__name__,
            next_step="use fewer classes, or a dataset whose task names other answers",
        )
    letters = ascii_uppercase[: len(answers)]
    listed = "\n".join(f"{letter}. {answer}" for letter, answer in zip(letters, answers, strict=True))
    return Asked(
        f"{question or QUESTION}\n{listed}\nAnswer with the letter alone.", _beginnings(model, letters)
    )


def _beginnings(model: Answering, answers: Sequence[str]) -> tuple[frozenset[int], ...]:
    tokens = [model.first_tokens(answer) for answer in answers]
    shared = {
        token for token, classes in Counter(one for own in tokens for one in own).items() if classes > 1
    }
    return tuple(own - shared for own in tokens)


class AnswerClassifier(VectorClassifier):
    """The probabilities of a task's answers to its question (``Classifier``).

    ``dot`` and ``cosine`` compare states with the output layer's vectors of a class's spellings, weighed as
    the picture's answer is spelled.
    """

    family: Family = "text"

    def __init__(self, model: Answering, task: Task) -> None:
        super().__init__(model)
        question, beginnings = asked(model, task)
        self._prompt = _Held(model.converse(question))
        self._spelled = _Held(_padded(beginnings))

    @property
    def answering(self) -> Answering:
        """The model."""
        return cast(Answering, self.model)

    def features(self, images: Tensor) -> Tensor:
        """B×3×S×S → B×W, the states from which the answers are told."""
        return self.answering.read(images, self._prompt.tensors)

    def logits(self, features: Tensor) -> Tensor:
        """B×W → B×C: log-probabilities among all tokens of the vocabulary."""
        told = self.answering.tell(features)
        return self._spellings(told).logsumexp(dim=-1) - told.logsumexp(dim=-1, keepdim=True)

    def vectors(self, features: Tensor) -> Tensor:
        """B×C×W; the weights of the spellings are constants."""
        weights = self._spellings(self.answering.tell(features)).softmax(dim=-1).detach()
        rows = self.answering.token_vectors(self._spelled.tensors["tokens"])
        return torch.einsum("bck,ckw->bcw", weights, rows)

    def _spellings(self, told: Tensor) -> Tensor:
        """B×V → B×C×K, −∞ where a class has fewer spellings."""
        tokens, known = self._spelled.tensors["tokens"], self._spelled.tensors["known"]
        return told[:, tokens].masked_fill(~known, -torch.inf)


def zero_shot(model: VisionLanguageModel, task: Task) -> Classifier:
    """The classifier that a model is without tuning: by its answers, or by its class texts."""
    if all(hasattr(model, need) for need in NEEDS):
        return AnswerClassifier(cast(Answering, model), task)
    return WordedClassifier(model, task)


class _Held(nn.Module):
    """Tensors that move with a module and are part of no checkpoint."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    @property
    def tensors(self) -> dict[str, Tensor]:
        return dict(self.named_buffers())


def _padded(beginnings: Sequence[frozenset[int]]) -> dict[str, Tensor]:
    """``tokens`` and ``known`` C×K."""
    rows = [sorted(one) for one in beginnings]
    most = max(map(len, rows))
    tokens = torch.tensor([row + row[:1] * (most - len(row)) for row in rows])
    return {"tokens": tokens, "known": torch.tensor([[n < len(row) for n in range(most)] for row in rows])}
