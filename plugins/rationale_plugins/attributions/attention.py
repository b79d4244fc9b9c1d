"""Attention as it is, without a class: the maps, their rollout, and the size of what they move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Specification, Specified
from rationale_cli.toolkit.attended import Attended, attended, averaged, walked
from rationale_cli.toolkit.attention import AttentionLayer, Tower
from rationale_cli.toolkit.projections import Projections
from rationale_cli.toolkit.relevance import Blocks

_FIRST = slice(0, 1)
"""The row of the CLS token, or of an attention pool's query."""


class AttentionOptions(PluginOptions):
    """No options: layers are those of the specification."""


class _Seen(ABC):
    """An attribution that reads the attention of one forward: no gradient, the same for every class."""

    Options = AttentionOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[Specified] = "layers"

    def __init__(self, options: AttentionOptions) -> None:
        self._options = options

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises as ``rationale_cli.toolkit.attended.attended`` does."""
        return attended(classifier, images, specifications, self._read)

    @abstractmethod
    def _read(self, found: Projections, wanted: set[Blocks], tower: Tower) -> dict[Blocks, Tensor]:
        """Rows B×T."""


class RawAttention(_Seen):
    """The CLS row of A, or the pool's: the mean over heads, and over the explained layers."""

    def _read(self, found: Projections, wanted: set[Blocks], tower: Tower) -> dict[Blocks, Tensor]:
        def row(index: int, layer: AttentionLayer) -> Tensor:
            return layer.probabilities(_FIRST).mean(dim=1)[:, 0]

        return averaged(found, wanted, tower, row)


class Rollout(_Seen):
    """Attention rollout (Abnar & Zuidema 2020): the CLS row of Π (½I + ½·E_heads[A]) over the layers.

    Each factor's rows sum to 1, so the row is how much of each token's start is in the CLS token at the end,
    if attention and residual weigh alike. A pool's row is multiplied as it is: its query is no token.
    """

    def _read(self, found: Projections, wanted: set[Blocks], tower: Tower) -> dict[Blocks, Tensor]:
        rows = walked(found, wanted, tower, Attended())
        return {one: row / 2 ** (len(one.layers) - tower.pooled) for one, row in rows.items()}


class AttentionNorm(_Seen):
    """‖α·f(x)·W_O‖ (Kobayashi et al. 2020): how large a vector each token adds to the CLS token.

    α is the token's weight and f(x) its value, both by head, and W_O joins the heads before the norm is
    taken. The mean over the explained layers. A factor that a block puts on its attention afterwards (layer
    scale) is left out.
    """

    def _read(self, found: Projections, wanted: set[Blocks], tower: Tower) -> dict[Blocks, Tensor]:
        def row(index: int, layer: AttentionLayer) -> Tensor:
            weighted = layer.probabilities(_FIRST).transpose(-1, -2) * layer.value.float()
            added = weighted.transpose(1, 2).flatten(2) @ found.output(index).T
            return added.square().sum(dim=-1).sqrt()

        return averaged(found, wanted, tower, row)
