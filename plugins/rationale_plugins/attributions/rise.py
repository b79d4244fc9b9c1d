"""RISE: the classifier's probability under random masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Specification, Specified
from rationale_cli.toolkit.modes import evaluation
from rationale_cli.toolkit.relevance import of_class

from ._masked import masked_features
from ._patches import finite, patch_means


class RiseOptions(PluginOptions):
    """Options of ``rise``; all but the number of masks are the paper's."""

    masks: int = Field(default=1000, ge=1)
    """Random masks, the same for every picture; the paper has 4,000 and 8,000."""
    cells: int = Field(default=7, ge=1)
    """Cells of a mask along each side, before it is enlarged and shifted."""
    shown: float = Field(default=0.5, gt=0, lt=1)
    """Probability that a cell is shown."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Another seed draws other masks."""


class Rise:
    """Σ p(x ⊙ M)·M / (N·E[M]) over N random masks M (Petsiuk, Das, Saenko 2018).

    p is the softmax probability of the target class: a black box, of which nothing else is read. Each mask is
    a grid of cells that are shown or hidden, enlarged bilinearly and shifted by a part of a cell; what is
    hidden has the mean colour. The map is averaged over each patch.
    """

    Options = RiseOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = False

    def __init__(self, options: RiseOptions) -> None:
        self._options = options

    def passes(self, grid: tuple[int, int], scalars: int) -> tuple[int, int]:
        """See ``Repeated.passes``."""
        return self._options.masks, 0

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises ``InputError`` for a target that is no class."""
        options, size = self._options, (images.shape[-2], images.shape[-1])
        grid = classifier.model.patch_grid(*size)
        masks = RandomMasks(options, size)
        relevance = images.new_zeros(len(images), *grid, dtype=torch.float32)
        with torch.no_grad(), evaluation(cast(nn.Module, classifier)):
            for shown, features in masked_features(classifier, images, masks, options.masks):
                probabilities = classifier.logits(features.flatten(0, 1)).float().softmax(dim=-1)
                chosen = of_class(probabilities, targets.repeat(len(shown))).view(len(shown), -1)
                relevance += torch.einsum("kb,khw->bhw", chosen, patch_means(shown, grid))
        return Explanation(None, (finite(relevance / (options.masks * options.shown)),) * len(specifications))


class RandomMasks:
    """Masks by number, the same ones for the same options and size; drawn small, enlarged when asked for."""

    def __init__(self, options: RiseOptions, size: tuple[int, int]) -> None:
        generator = torch.Generator().manual_seed(options.seed)
        self._size, self._cell = size, [math.ceil(side / options.cells) for side in size]
        shape = (options.masks, options.cells, options.cells)
        self._cells = (torch.rand(shape, generator=generator) < options.shown).float()
        self._shifts = torch.stack(
            [torch.randint(side, (options.masks,), generator=generator) for side in self._cell], dim=1
        ).tolist()

    def __call__(self, numbers: range) -> Tensor:
        """K×S×S between 0 and 1."""
        height, width = self._size
        enlarged = [(self._cells.shape[-1] + 1) * side for side in self._cell]
        whole = F.interpolate(
            self._cells[numbers.start : numbers.stop, None],
            size=enlarged,
            mode="bilinear",
            align_corners=False,
        )[:, 0]
        corners = self._shifts[numbers.start : numbers.stop]
        return torch.stack(
            [
                one[down : down + height, across : across + width]
                for one, (down, across) in zip(whole, corners, strict=True)
            ]
        )
