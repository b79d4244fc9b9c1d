"""Occlusion: how far the class score falls where a part of the picture is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Scalar, Specification, Specified
from rationale_cli.errors import InputError
from rationale_cli.toolkit.modes import evaluation
from rationale_cli.toolkit.relevance import class_score

from ._masked import masked_features
from ._patches import Sign, finite, unsigned


class OcclusionOptions(PluginOptions):
    """Options of ``occlusion``."""

    window: int = Field(default=1, ge=1)
    """Side of the hidden square in patches."""
    stride: int = Field(default=1, ge=1)
    """Patches between one square and the next."""
    sign: Sign = "positive"
    """What of a change counts: a fall of the score alone, or its size."""


class Occlusion:
    """y(x) − y(x with a window hidden), for windows that slide over the patch grid (Zeiler & Fergus 2014).

    A patch gets the mean of what the windows that cover it change, then signs go. What is hidden has the mean
    colour.
    """

    Options = OcclusionOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = "scalar"

    def __init__(self, options: OcclusionOptions) -> None:
        self._options = options

    def passes(self, grid: tuple[int, int], scalars: int) -> tuple[int, int]:
        """See ``Repeated.passes``; raises as ``explain`` does."""
        return 1 + len(self._windows(grid)), 0

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``.

        Raises ``InputError`` for a window that is larger than the patch grid and a target that is no class.
        """
        size = images.shape[-2], images.shape[-1]
        windows = self._windows(classifier.model.patch_grid(*size)).to(images.device)
        scalars = dict.fromkeys(one.scalar for one in specifications)
        scores: dict[Scalar, list[Tensor]] = {scalar: [] for scalar in scalars}

        def shown(numbers: range) -> Tensor:
            # The first mask hides nothing.
            hidden = [_on_pixels(windows[number - 1], size) * (number > 0) for number in numbers]
            return 1 - torch.stack(hidden)

        whole: list[Tensor] = []
        with torch.no_grad(), evaluation(cast(nn.Module, classifier)):
            for _, features in masked_features(classifier, images, shown, 1 + len(windows)):
                whole = whole or [features[0]]
                objective = class_score(classifier, targets.repeat(len(features)))
                for scalar in scalars:
                    found = objective(features.flatten(0, 1), scalar)
                    scores[scalar].append(found.float().view(len(features), -1))
            logits = classifier.logits(whole[0])
        relevance = {scalar: self._relevance(torch.cat(one), windows) for scalar, one in scores.items()}
        return Explanation(logits, tuple(relevance[one.scalar] for one in specifications), whole[0])

    def _relevance(self, scores: Tensor, windows: Tensor) -> Tensor:
        """Scores (1+K)×B, the first without a window, windows K×h×w → B×h×w."""
        falls = scores[:1] - scores[1:]
        mean = torch.einsum("kb,khw->bhw", falls, windows) / windows.sum(dim=0)
        return finite(unsigned(mean, self._options.sign))

    def _windows(self, grid: tuple[int, int]) -> Tensor:
        """K×h×w, 1 where hidden: every patch is covered, by a last window at the border if need be."""
        side, stride = self._options.window, self._options.stride
        if side > min(grid):
            raise InputError(
                f"Expected a window within the grid of {grid[0]}×{grid[1]} patches but got a side of {side}.",
                next_step="choose a smaller attribution.window",
            )
        if stride > side:
            raise InputError(
                f"Expected windows that leave no patch out but a stride of {stride} is larger than their "
                f"side of {side}.",
                next_step="choose attribution.stride no larger than attribution.window",
            )
        down, across = (sorted({*range(0, cells - side + 1, stride), cells - side}) for cells in grid)
        windows = torch.zeros(len(down) * len(across), *grid)
        corners = [(top, left) for top in down for left in across]
        for window, (top, left) in zip(windows, corners, strict=True):
            window[top : top + side, left : left + side] = 1
        return windows


def _on_pixels(patches: Tensor, size: tuple[int, int]) -> Tensor:
    """h×w → S×S; what lies beyond the last patch belongs to nobody and is 0."""
    sides = [pixels // cells for pixels, cells in zip(size, patches.shape, strict=True)]
    large = patches.repeat_interleave(sides[0], dim=0).repeat_interleave(sides[1], dim=1)
    pixels = patches.new_zeros(size)
    pixels[: large.shape[0], : large.shape[1]] = large
    return pixels
