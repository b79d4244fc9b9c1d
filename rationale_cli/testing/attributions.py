"""The contract suite of attributions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contracts import Attribution, Classifier, Explanation, Repeated, Specification
from ..errors import InputError
from .demands import close, demand, evaluation, pictures
from .options import check_plugin

_SPECIFICATIONS = (
    Specification("last", "dot"),
    Specification("all", "native"),
    Specification("last", "native"),
)


def check_attribution(attribution: Attribution, classifier: Classifier, batch: int = 3) -> None:
    """Check an attribution on a classifier: shapes, independence of the batch, and what it leaves behind.

    Relevance is finite and ≥ 0, the same twice, of each picture alone; several specifications share one
    forward, or as many as a ``Repeated`` says, and give what each gives alone; parameters, training mode and
    torch are as they were. Of the classifier's tower it may refuse several layers at once by ``InputError``,
    but not the last one.
    """
    check_plugin("attribution", type(attribution))
    lacking = [need for need in attribution.needs if not hasattr(classifier, need)]
    demand(not lacking, f"this suite needs a classifier with {lacking}: give it one")
    specifications = tuple(dict.fromkeys(one.applied(attribution.specified) for one in _SPECIFICATIONS))
    images = pictures(classifier.model, batch)
    with torch.no_grad(), evaluation(cast(nn.Module, classifier)):
        logits = classifier(images)
    targets = torch.arange(batch, device=images.device) % logits.shape[-1]
    check = _Suite(attribution, classifier, images, targets, specifications)
    check.refused()
    check.left_alone()
    check.shapes(logits)
    check.independence()
    check.sharing()


class _Suite:
    def __init__(
        self,
        attribution: Attribution,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> None:
        self.attribution, self.classifier = attribution, classifier
        self.images, self.targets, self.specifications = images, targets, specifications

    def explained(
        self, chosen: Sequence[int] | None = None, specifications: Sequence[Specification] | None = None
    ) -> Explanation:
        images, targets = self.images, self.targets
        if chosen is not None:
            images, targets = images[list(chosen)], targets[list(chosen)]
        return self.attribution.explain(
            self.classifier, images, targets, specifications or self.specifications
        )

    def refused(self) -> None:
        """What is refused is left out; tried on a copy, so that nothing it leaves behind goes unseen."""
        copied = deepcopy(self.classifier)
        for specification in self.specifications:
            if specification.layers != "last":
                try:
                    self.attribution.explain(copied, self.images[:1], self.targets[:1], [specification])
                except InputError:
                    kept = (one for one in self.specifications if one != specification)
                    self.specifications = tuple(kept)

    def left_alone(self) -> None:
        """In both modes and with every second parameter frozen, so that a change of either shows."""
        module = cast(nn.Module, self.classifier)
        wanted = {name: one.requires_grad for name, one in module.named_parameters()}
        function = F.scaled_dot_product_attention
        try:
            for training in (True, False):
                module.train(training)
                for index, parameter in enumerate(module.parameters()):
                    parameter.requires_grad_(index % 2 == 0)
                before, numbers = _state(module), torch.get_rng_state()
                self.explained()
                demand(
                    _state(module) == before,
                    "requires_grad, training mode and .grad must be as before when explain returns",
                )
                demand(
                    F.scaled_dot_product_attention is function
                    and torch.is_grad_enabled()
                    and torch.equal(torch.get_rng_state(), numbers),
                    "torch itself, its random numbers included, must be as before when explain returns",
                )
        finally:
            for name, parameter in module.named_parameters():
                parameter.requires_grad_(wanted[name])
            module.eval()

    def shapes(self, logits: Tensor) -> None:
        explanation = self.explained()
        demand(
            explanation.logits is None or close(explanation.logits, logits),
            "logits of an explanation must be the classifier's, in evaluation mode",
        )
        with torch.no_grad(), evaluation(cast(nn.Module, self.classifier)):
            features = self.classifier.features(self.images)
        demand(
            explanation.features is None or close(explanation.features, features),
            "features of an explanation must be the classifier's, in evaluation mode",
        )
        demand(
            len(explanation.relevance) == len(self.specifications),
            "there must be one relevance for each specification",
        )
        size = self.images.shape[-1]
        expected = (len(self.images), *self.classifier.model.patch_grid(size, size))
        for relevance in explanation.relevance:
            demand(
                tuple(relevance.shape) == expected and relevance.dtype == torch.float32,
                f"relevance must be {expected} float32 but is {tuple(relevance.shape)} {relevance.dtype}",
            )
            demand(bool(relevance.isfinite().all()), "relevance must be finite")
            demand(bool((relevance >= 0).all()), "relevance must not be negative")
            demand(not relevance.requires_grad, "relevance must be outside of autograd's graph")

    def independence(self) -> None:
        whole, again = self.explained(), self.explained()
        order = list(range(len(self.images)))
        backwards, alone = self.explained(order[::-1]), self.explained(order[:1])
        for index in range(len(self.specifications)):
            demand(
                torch.equal(whole.relevance[index], again.relevance[index]),
                "the same pictures must give the same relevance twice",
            )
            demand(
                close(backwards.relevance[index].flip(0), whole.relevance[index])
                and close(alone.relevance[index], whole.relevance[index][:1]),
                "relevance of a picture must not depend on its place or its neighbours in the batch",
            )

    def sharing(self) -> None:
        with torch.no_grad(), _counting() as plain:
            self.classifier(self.images)
        with _counting() as seen:
            whole = self.explained()
        size = self.images.shape[-1]
        grid, scalars = (
            self.classifier.model.patch_grid(size, size),
            {one.scalar for one in self.specifications},
        )
        forwards = 1
        if hasattr(self.attribution, "passes"):
            forwards, _ = cast(Repeated, self.attribution).passes(grid, len(scalars))
        demand(
            # A part of the tower may run again, such as its pool; a whole forward may not.
            seen["pictures"] < (forwards + 1) * plain["pictures"],
            f"all specifications must share {'one forward' if forwards == 1 else f'{forwards} forwards'}: "
            f"{seen['pictures']} pictures went through attention layers where a forward takes "
            f"{plain['pictures']}",
        )
        for index, specification in enumerate(self.specifications):
            single = self.explained(specifications=[specification])
            demand(
                close(single.relevance[0], whole.relevance[index]),
                f"{specification} must give the same alone as among others",
            )


@contextmanager
def _counting() -> Iterator[Counter[str]]:
    """``pictures``: how many went through the attention layers inside, summed over the layers."""
    seen, original = Counter[str](), F.scaled_dot_product_attention
    fast = torch.backends.mha.get_fastpath_enabled()

    def counted(query: Tensor, *rest: Any, **keywords: Any) -> Tensor:
        seen["pictures"] += len(query)
        return original(query, *rest, **keywords)

    F.scaled_dot_product_attention = counted
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield seen
    finally:
        F.scaled_dot_product_attention = original
        torch.backends.mha.set_fastpath_enabled(fast)


def _state(module: nn.Module) -> list[tuple[object, ...]]:
    parameters: list[tuple[object, ...]] = [
        (name, one.requires_grad, one.grad is None) for name, one in module.named_parameters()
    ]
    return parameters + [(name, part.training) for name, part in module.named_modules()]
