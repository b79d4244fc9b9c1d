"""Attention attribution with gradients: GAA and the gradient of attention alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Specification
from rationale_cli.toolkit.relevance import Rule, class_score, explain


class GaaOptions(PluginOptions):
    """GAA has no options: layers and scalar are those of the specification."""


class Gaa:
    """Generic attention attribution (Chefer, Gur, Wolf 2021; protocol Eq. 2).

    Ā = E_heads[(∇A ⊙ A)⁺] for each explained layer, R ← R + Ā·R from the identity, and the CLS row of R
    over the patch tokens, for the score of the target class.
    """

    Options = GaaOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = True

    def __init__(self, options: GaaOptions) -> None:
        self._options = options

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises as ``rationale_cli.toolkit.relevance.explain`` does."""
        return explain(classifier, images, specifications, class_score(classifier, targets), Rule())


class GradAttentionOptions(PluginOptions):
    """Options of ``grad-attention``; the defaults are this project's reading of the paper's ablation."""

    negative: Literal["drop", "keep"] = "drop"
    """Whether negative gradients are set to 0 before the mean over heads; kept ones shift the map so that
    its smallest value is 0."""
    combine: Literal["rollout", "sum"] = "rollout"
    """Roll out over the explained layers as GAA does, or sum the layers' maps."""


class GradAttention:
    """∇A: the gradient of the attention itself, without the product (Serrano & Smith 2019).

    The paper names it in an ablation and its code does not contain it. The definition is this project's:
    Ā = E_heads[(∇A)⁺], all else as GAA.
    """

    Options = GradAttentionOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = True

    def __init__(self, options: GradAttentionOptions) -> None:
        self._rule = Rule("gradient", options.negative, options.combine)

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``; raises as ``rationale_cli.toolkit.relevance.explain`` does."""
        return explain(classifier, images, specifications, class_score(classifier, targets), self._rule)
