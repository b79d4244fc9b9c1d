"""Attribution of the image–text-matching score through the text's attention to the picture (ALBEF, BLIP).

Shapes: B pictures, H heads, L tokens of a text, T tokens of a picture, h×w patch grid.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Specification
from rationale_cli.errors import InputError
from rationale_cli.toolkit.attention import AttentionLayer
from rationale_cli.toolkit.matching import Matched, matched
from rationale_cli.toolkit.relevance import Rule, on_grid, over_heads

_RULE = Rule()
"""Ā = E_heads[(∇A ⊙ A)⁺]; A is positive, so this is E_heads[A ⊙ (∇A)⁺] too."""


class _OfMatch(ABC):
    """An attribution of the logit of "match" of a picture with the first text of its class."""

    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = False
    _image: ClassVar[bool]
    """Whether the attention of the image tower plays a part, and the gradient goes down to it."""

    def passes(self, grid: tuple[int, int], scalars: int) -> tuple[int, int]:
        """See ``Repeated.passes``: the text layers, which read the picture once more, count as a forward."""
        return 2, int(self._image)

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``.

        Raises as ``rationale_cli.toolkit.matching.matched`` does, ``InputError`` for a layer that the model
        does not have, and ``WorkError`` where the relevance is not finite.
        """
        grid = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
        with matched(classifier, images, targets, image=self._image) as found:
            with torch.autocast(images.device.type, enabled=False):
                relevance = on_grid(self._row(found), grid, cls=True)
            return Explanation(found.logits, (relevance,) * len(specifications), found.features)

    @abstractmethod
    def _row(self, found: Matched) -> Tensor:
        """Relevance of the picture's tokens, B×T."""


class ItmGaaOptions(PluginOptions):
    """``itm-gaa`` has no options: all layers take part."""


class ItmGaa(_OfMatch):
    """GAA of the matching score through cross-attention (Chefer, Gur, Wolf 2021, Eq. 5 to 10).

    Ā = E_heads[(∇A ⊙ A)⁺]. Pictures: R_ii ← R_ii + Ā·R_ii over the image tower. Text: R_tt ← R_tt + Ā·R_tt
    and R_ti ← R_ti + Ā·R_ti where it reads itself, R_ti ← R_ti + R̄_ttᵀ·Ā·R̄_ii where it reads the picture.
    R̄ = I + (R − I, its rows divided by their sums). The relevance is the row of R_ti that the head reads.
    (Eq. 11 adds nothing: the picture never reads the text.)
    """

    Options = ItmGaaOptions
    _image = True

    def __init__(self, options: ItmGaaOptions) -> None:
        self._options = options

    def _row(self, found: Matched) -> Tensor:
        layers = (*found.image, *found.text)
        outputs = [layer.output for layer in layers]
        gradients = iter(torch.autograd.grad(found.score.sum(), outputs, materialize_grads=True))
        images = _identity(found.image[0])
        for layer in found.image:
            images = images + over_heads(layer, next(gradients), _RULE) @ images
        images = _normalised(images)
        texts = _identity(found.text[0])
        both = texts.new_zeros(*texts.shape[:2], images.shape[-1])
        for layer in found.text:
            attended = over_heads(layer, next(gradients), _RULE)
            if found.crosses(layer):
                both = both + _normalised(texts).mT @ (attended @ images)
            else:
                texts, both = texts + attended @ texts, both + attended @ both
        return both[:, 0]


class ItmGradCamOptions(PluginOptions):
    """Options of ``itm-grad-cam``."""

    layer: int | None = Field(default=None, ge=1)
    """Which of the layers that read the picture, counted from 1; if not said, the one half way up: the third
    of ALBEF's six, the sixth of BLIP's twelve."""


class ItmGradCam(_OfMatch):
    """Grad-CAM of the matching score on one cross-attention map (Li et al. 2021, ALBEF).

    Σ_text E_heads[A ⊙ (∇A)⁺] over all tokens of the text, its two ends included.
    """

    Options = ItmGradCamOptions
    _image = False

    def __init__(self, options: ItmGradCamOptions) -> None:
        self._layer = options.layer

    def _row(self, found: Matched) -> Tensor:
        crossing = [layer for layer in found.text if found.crosses(layer)]
        chosen = self._layer or (len(crossing) + 1) // 2
        if chosen > len(crossing):
            raise InputError(
                f"Expected one of the {len(crossing)} layers in which the text reads the picture but got "
                f"{chosen}.",
                where="attribution.layer",
                next_step=f"choose 1 to {len(crossing)}",
            )
        layer = crossing[chosen - 1]
        (gradient,) = torch.autograd.grad(found.score.sum(), layer.output)
        return over_heads(layer, gradient, _RULE).sum(dim=1)


def _identity(layer: AttentionLayer) -> Tensor:
    """B×Q×Q, one for each query of a self-attention layer."""
    pictures, _, queries, _ = layer.query.shape
    return torch.eye(queries, device=layer.query.device).expand(pictures, -1, -1)


def _normalised(relevance: Tensor) -> Tensor:
    """R̄ of R, B×N×N (Eq. 8 and 9); a row of the identity stays as it is."""
    identity = torch.eye(relevance.shape[-1], device=relevance.device)
    added = relevance - identity
    sums = added.sum(dim=-1, keepdim=True)
    return torch.where(sums > 0, added / sums, 0.0) + identity
