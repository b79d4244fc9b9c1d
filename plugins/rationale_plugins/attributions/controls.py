"""Controls: what a heatmap scores that knows nothing of the class, or nothing of the picture.

``uniform``, ``center`` and ``random`` never run the classifier; ``random-head`` and ``wrong-class`` are GAA
of a direction that means nothing and of another class (protocol §1 and §7.3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Scalar, Specification
from rationale_cli.errors import InputError
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier
from rationale_cli.toolkit.relevance import Rule, explain, of_class

from ._seeded import generators


class _Drawn(ABC):
    """An attribution that draws its maps without the classifier."""

    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; ``logits`` is None."""
        grid = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
        relevance = self._draw(images, grid).to(images.device)
        return Explanation(None, (relevance,) * len(specifications))

    @abstractmethod
    def _draw(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        """B×h×w, float32, ≥ 0."""


class UniformOptions(PluginOptions):
    """``uniform`` has no options."""


class Uniform(_Drawn):
    """The same relevance everywhere: its mass on the object is the object's share of the picture.

    Min–max normalisation leaves nothing of a constant map, so as evidence it is "no evidence"; chance
    level is the mask's area.
    """

    Options = UniformOptions

    def __init__(self, options: UniformOptions) -> None:
        self._options = options

    def _draw(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        return torch.ones(len(images), *grid)


class CenterOptions(PluginOptions):
    """Options of ``center``."""

    sigma: float = Field(default=0.25, gt=0)
    """Standard deviation of the Gaussian as a share of the picture's side."""


class Center(_Drawn):
    """A Gaussian on the picture's centre: photographers put objects there."""

    Options = CenterOptions

    def __init__(self, options: CenterOptions) -> None:
        self._sigma = options.sigma

    def _draw(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        down, across = (self._profile(cells) for cells in grid)
        return torch.outer(down, across).expand(len(images), -1, -1).contiguous()

    def _profile(self, cells: int) -> Tensor:
        """The Gaussian at the centres of the patches."""
        position = (torch.arange(cells) + 0.5) / cells - 0.5
        return torch.exp(-0.5 * (position / self._sigma) ** 2)


class RandomOptions(PluginOptions):
    """Options of the random controls."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Another seed draws other maps, class vectors or classes."""


class Random(_Drawn):
    """Independent uniform relevance for each patch, seeded by the picture."""

    Options = RandomOptions

    def __init__(self, options: RandomOptions) -> None:
        self._seed = options.seed

    def _draw(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        return torch.stack([torch.rand(grid, generator=one) for one in generators(images, self._seed)])


class RandomHead:
    """GAA of an untrained head: random class vectors of unit length in the place of the classifier's.

    Text classifiers: native is scale · cosine; linear heads: the dot product. The vectors depend on the
    seed and their number and width alone. ``logits`` are the true classifier's.
    """

    Options = RandomOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = True
    control: ClassVar[bool] = True

    def __init__(self, options: RandomOptions) -> None:
        self._seed = options.seed

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises as ``rationale_cli.toolkit.relevance.explain`` does."""

        def objective(features: Tensor, scalar: Scalar) -> Tensor:
            classes = classifier.logits(features.detach()).shape[-1]
            return of_class(self._head(classifier, features, classes).score(features, scalar), targets)

        return explain(classifier, images, specifications, objective, Rule())

    def _head(
        self, classifier: Classifier, features: Tensor, classes: int
    ) -> TextClassifier | LinearClassifier:
        generator = torch.Generator().manual_seed(self._seed)
        width = features.shape[-1]
        vectors = F.normalize(torch.randn(classes, width, generator=generator), dim=-1).to(features)
        if classifier.family == "text":
            return TextClassifier(classifier.model, vectors)
        with torch.random.fork_rng(devices=()):
            linear = LinearClassifier(classifier.model, classes, width)
        linear.head.requires_grad_(False).to(features)
        linear.head.weight.copy_(vectors)
        linear.head.bias.zero_()
        return linear


class WrongClass:
    """GAA of a class that the picture does not show, drawn among the others and seeded by the picture."""

    Options = RandomOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = True
    control: ClassVar[bool] = True

    def __init__(self, options: RandomOptions) -> None:
        self._seed = options.seed

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises ``InputError`` where there is one class only."""

        def objective(features: Tensor, scalar: Scalar) -> Tensor:
            scores = classifier.score(features, scalar)
            return of_class(scores, self._others(images, targets, scores.shape[-1]))

        return explain(classifier, images, specifications, objective, Rule())

    def _others(self, images: Tensor, targets: Tensor, classes: int) -> Tensor:
        if classes < 2:
            raise InputError("Expected at least two classes for a wrong one but got one.")
        draws = [int(torch.randint(1, classes, (), generator=one)) for one in generators(images, self._seed)]
        return (targets + torch.tensor(draws, device=targets.device)) % classes
