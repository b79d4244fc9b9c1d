"""A method's step with the terms of regularizers: loss + Σ weight · term."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..contracts import (
    GROUPS,
    IMAGES,
    MASKS,
    Masks,
    Progress,
    Regularizer,
    RegularizerOptions,
    Setting,
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


_OF_DATA = (MASKS, GROUPS)
"""What terms are given of the data, in the order in which they are given it."""


def regularized(
    built: Built,
    chosen: Sequence[Regularizer],
    progress: Progress,
    groups: Mapping[str, int] | None = None,
) -> nn.Module:
    """The step of a method that is built and on its device, with the terms of ``chosen``.

    ``groups``: see ``Setting``. The very step where there are no terms. Raises ``PluginError`` where the
    method trains nothing or its step lacks what it should offer, and what a regularizer raises.
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
        groups or {},
    )
    terms, weights = [], []
    given = [tuple(need for need in _OF_DATA if need in one.needs) for one in chosen]
    for configured, one in zip(built.configuration.regularizers, chosen, strict=True):
        _check(one, step, configured.name, built.configuration.method.name)
        torch.manual_seed(setting.seed)
        terms.append(one.build(setting))
        weights.append(cast(RegularizerOptions, configured.options).weight)
    needs = {need for one in chosen for need in one.needs}
    cacheable = hasattr(step, "cached") and not needs.intersection({IMAGES, MASKS})
    return (_CacheableStep if cacheable else RegularizedStep)(step, terms, weights, needs, given)


def unseen(built: Built) -> tuple[str, ...]:
    """Names of the classes that the run is judged by and not tuned on."""
    task_of = getattr(built.dataset, "task_of", None)
    if task_of is None:
        return ()
    judged = [name for split in built.dataset.evaluation for name in task_of(split).classnames]
    return tuple(name for name in dict.fromkeys(judged) if name not in built.dataset.task.classnames)


class RegularizedStep(nn.Module):
    """A step whose loss is the method's own plus weight · term of each regularizer (``Step``).

    ``needs``: what the terms need of it, together; ``given``: of each, whether it is given ``masks`` and
    ``groups``, in this order.
    """

    def __init__(
        self,
        step: nn.Module,
        terms: Sequence[nn.Module],
        weights: Sequence[float],
        needs: Collection[str] = (),
        given: Sequence[Sequence[str]] = (),
    ) -> None:
        super().__init__()
        self.step = step
        self.terms = nn.ModuleList(terms)
        self.weights = tuple(weights)
        self._needs = needs
        self._given = tuple(given) or ((),) * len(terms)
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
        """What the method's own step and the terms keep over steps and epochs."""
        parts = {"": self.step} | {f"terms.{place}.": term for place, term in enumerate(self.terms)}
        return {
            f"{prefix}{name}": tensor
            for prefix, part in parts.items()
            if hasattr(part, "kept")
            for name, tensor in cast(Any, part).kept().items()
        }

    def forward(
        self, inputs: Tensor, labels: Tensor, masks: Masks | None = None, groups: Tensor | None = None
    ) -> Tensor:
        """The batch as the method's step gets it, its masks and groups where a term needs them → scalar."""
        # The method's own draws come first: they are those of a run without regularizers.
        with ExitStack() as stack:
            for term in self.terms:
                if hasattr(term, "watching"):
                    stack.enter_context(cast(Watching, term).watching())
            outputs = self._outputs(inputs, labels)
        loss, of_data = outputs.loss, dict(zip(_OF_DATA, (masks, groups), strict=True))
        for term, weight, given in zip(self.terms, self.weights, self._given, strict=True):
            loss = loss + weight * term(inputs, labels, outputs, *(of_data[name] for name in given))
        return loss


class _CacheableStep(RegularizedStep):
    """The same where the method trains on cached features and no term asks for pictures."""

    def cached(self) -> nn.Module:
        """The method's own twin with the same terms."""
        twin = cast(Any, self.step).cached()
        return RegularizedStep(twin, list(self.terms), self.weights, self._needs, self._given)


def _check(regularizer: Regularizer, step: nn.Module, name: str, method: str) -> None:
    lacking = lacks(step, regularizer.needs)
    if lacking:
        raise PluginError(
            f"regularizer {name!r} needs {', '.join(lacking)}, which method {method!r} says that it offers "
            "but its step does not have.",
            next_step="tell the authors of the method, or leave the regularizer out",
        )
