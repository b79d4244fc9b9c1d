"""Grad-CAM on the tokens of a transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Scalar, Specification
from rationale_cli.toolkit.attended import complete
from rationale_cli.toolkit.attention import frozen, record, tower_of
from rationale_cli.toolkit.layers import resolve
from rationale_cli.toolkit.projections import Tokens, projections
from rationale_cli.toolkit.relevance import class_score, directions, on_grid


class GradCamOptions(PluginOptions):
    """Grad-CAM has no options: layers and scalar are those of the specification."""


class GradCam:
    """Grad-CAM (Selvaraju et al. 2017) on tokens: (Σ_c α_c · x_ic)⁺ of patch i, α the mean of ∂y/∂x.

    x are the patch tokens that a layer's attention reads, after the norm before it; the mean runs over the
    patches of a picture, and the maps of several layers are averaged. The last layer is the default: the
    tokens that leave it are read by nothing but their own pooling, so those that enter it are the last ones
    with a gradient.
    """

    Options = GradCamOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = True

    def __init__(self, options: GradCamOptions) -> None:
        self._options = options

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``.

        Features may come from a mean over tokens. Raises ``InputError`` for layers that the model does not
        have and for attention whose values are no linear projection of tokens; ``WorkError`` where the
        relevance is not finite.
        """
        tower = tower_of(classifier, images)
        wanted = [_layers(one, tower.depth, classifier) for one in specifications]
        layers = range(min(one.start for one in wanted), max(one.stop for one in wanted))
        grid = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
        with torch.inference_mode(False), torch.enable_grad(), frozen(cast(nn.Module, classifier)):
            with record(layers) as recording, projections(recording, layers, tokens=True) as found:
                features = classifier.features(images.detach())
            complete(recording, tower)
            seen = features.detach()
            logits = classifier.logits(seen).detach()
            tokens = {index: found.tokens(index) for index in layers}
            objective = class_score(classifier, targets)
            rows: dict[tuple[Scalar, int], Tensor] = {}
            for direction, scalars in directions(seen, specifications, objective):
                found_rows = _rows(features, direction, tokens, grid[0] * grid[1])
                rows |= {(scalar, index): row for scalar in scalars for index, row in found_rows.items()}
        relevance = (
            torch.stack([rows[spec.scalar, index] for index in one]).mean(dim=0)
            for one, spec in zip(wanted, specifications, strict=True)
        )
        cls = tower.one_row and not tower.pooled
        return Explanation(logits, tuple(on_grid(row, grid, cls=cls) for row in relevance), seen)


def _layers(specification: Specification, depth: int, classifier: Classifier) -> range:
    """The explained layers, counted from 0."""
    first, last = resolve(specification.layers, depth, classifier.family)
    return range(first - 1, last)


def _rows(features: Tensor, direction: Tensor, tokens: dict[int, Tokens], patches: int) -> dict[int, Tensor]:
    """Relevance of all tokens of each layer, B×T, by one backward."""
    read = [one.tensor for one in tokens.values()]
    gradients = torch.autograd.grad(features, read, direction, retain_graph=True, materialize_grads=True)
    with torch.no_grad(), torch.autocast(features.device.type, enabled=False):
        return {
            index: _row(one.ordered(one.tensor), one.ordered(gradient)[:, -patches:])
            for (index, one), gradient in zip(tokens.items(), gradients, strict=True)
        }


def _row(tokens: Tensor, gradient: Tensor) -> Tensor:
    """Tokens B×T×W and the gradient at the patches, B×N×W → B×T."""
    return (tokens @ gradient.mean(dim=1).unsqueeze(-1)).squeeze(-1).clamp(min=0)
