"""A method's step with the terms of regularizers: loss + Σ weight · term."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..contracts import (
    IMAGES,
    MASKS,
    MaskedTerm,
    Masks,
    Progress,
    Regularizer,
    RegularizerOptions,
    Setting,
    Term,
    Watching,
)
from ..errors import PluginError
from ..toolkit.steps import Forward, lacks
from .build import Built
from .configuration import Configuration


def regularizers(configuration: Configuration) -> list[Regularizer]:
    """Those of a run, constructed: their files are read, nothing is encoded. Raises what they raise."""
    if not configuration.train.epochs:
        return []
    return [cast(Regularizer, one.build()) for one in configuration.regularizers]


def regularized(built: Built, chosen: Sequence[Regularizer], progress: Progress) -> nn.Module:
    """The step of a method that is built and on its device, with the terms of ``chosen``.

    The very step where there are none. Raises ``PluginError`` where the method trains nothing or its step
    lacks what it should offer, and what a regularizer raises.
    """
    step = built.fitted.step
    if step is None:
        raise PluginError(
            "Expected a method that trains, for a regularizer, but "
            f"{built.configuration.method.bare!r} trains nothing.",
            next_step="leave the regularizer out, or choose another method",
        )
    if not chosen:
        return step
    setting = Setting(
        built.classifier,
        step,
        built.dataset.task,
        unseen(built),
        built.configuration.train.seed,
        progress,
        built.preprocessing,
    )
    terms, weights = [], []
    masked = [MASKS in one.needs for one in chosen]
    for configured, one in zip(built.configuration.regularizers, chosen, strict=True):
        _check(one, step, configured.name, built.configuration.method.name)
        torch.manual_seed(setting.seed)
        terms.append(one.build(setting))
        weights.append(cast(RegularizerOptions, configured.options).weight)
    needs = {need for one in chosen for need in one.needs}
    cacheable = hasattr(step, "cached") and not needs.intersection({IMAGES, MASKS})
    return (_CacheableStep if cacheable else RegularizedStep)(step, terms, weights, needs, masked)


def unseen(built: Built) -> tuple[str, ...]:
    """Names of the classes that the run is judged by and not tuned on."""
    task_of = getattr(built.dataset, "task_of", None)
    if task_of is None:
        return ()
    judged = [name for split in built.dataset.evaluation for name in task_of(split).classnames]
    return tuple(name for name in dict.fromkeys(judged) if name not in built.dataset.task.classnames)


class RegularizedStep(nn.Module):
    """A step whose loss is the method's own plus weight · term of each regularizer (``Step``).

    ``needs``: what the terms need of it, together; ``masked``: which of them are given masks.
    """

    def __init__(
        self,
        step: nn.Module,
        terms: Sequence[nn.Module],
        weights: Sequence[float],
        needs: Collection[str] = (),
        masked: Sequence[bool] = (),
    ) -> None:
        super().__init__()
        self.step = step
        self.terms = nn.ModuleList(terms)
        self.weights = tuple(weights)
        self._needs = needs
        self._masked = tuple(masked) or (False,) * len(terms)
        self._outputs = Forward(step, needs)

    def begin_training(self, epochs: int) -> None:
        """Training of so many epochs begins: the method's own step may want to know."""
        begin: Callable[[int], None] | None = getattr(self.step, "begin_training", None)
        if begin is not None:
            begin(epochs)

    def begin_epoch(self, number: int) -> None:
        """An epoch begins, counted from 0."""
        for part in (self.step, *self.terms):
            begin: Callable[[int], None] | None = getattr(part, "begin_epoch", None)
            if begin is not None:
                begin(number)

    def kept(self) -> Mapping[str, Tensor]:
        """What the method's own step keeps over epochs; the terms keep nothing."""
        kept: Callable[[], Mapping[str, Tensor]] | None = getattr(self.step, "kept", None)
        return kept() if kept is not None else {}

    def forward(self, inputs: Tensor, labels: Tensor, masks: Masks | None = None) -> Tensor:
        """The batch as the method's step gets it, and its masks where a term needs them → scalar."""
        # The method's own draws come first: they are those of a run without regularizers.
        with ExitStack() as stack:
            for term in self.terms:
                if hasattr(term, "watching"):
                    stack.enter_context(cast(Watching, term).watching())
            outputs = self._outputs(inputs, labels)
        loss = outputs.loss
        for term, weight, masked in zip(self.terms, self.weights, self._masked, strict=True):
            if masked:
                assert masks is not None
                value = cast(MaskedTerm, term)(inputs, labels, outputs, masks)
            else:
                value = cast(Term, term)(inputs, labels, outputs)
            loss = loss + weight * value
        return loss


class _CacheableStep(RegularizedStep):
    """The same where the method trains on cached features and no term asks for pictures."""

    def cached(self) -> nn.Module:
        """The method's own twin with the same terms."""
        return RegularizedStep(cast(Any, self.step).cached(), list(self.terms), self.weights, self._needs)


def _check(regularizer: Regularizer, step: nn.Module, name: str, method: str) -> None:
    lacking = lacks(step, regularizer.needs)
    if lacking:
        raise PluginError(
            f"regularizer {name!r} needs {', '.join(lacking)}, which method {method!r} says that it offers "
            "but its step does not have.",
            next_step="tell the authors of the method, or leave the regularizer out",
        )
