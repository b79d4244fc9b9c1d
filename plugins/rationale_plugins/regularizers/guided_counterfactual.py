"""Counterfactual pictures without annotation: what zero-shot looks at stands for the object."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from rationale_cli.contracts import IMAGES, Setting

from ._pseudo_masks import Guided, GuidedOptions, PseudoMasks
from .counterfactual import ComposedPictures


class GuidedCounterfactual:
    """The loss of ``counterfactual``, composed by pseudo-masks of the model as it came.

    A pseudo-mask is the most relevant ``share`` of a picture by zero-shot's GAA of the annotated class
    (Chefer et al. 2021; the dataset's prompts), over all layers by default. Language stands for annotation,
    as in GALS (Petryk et al. 2022); but what is asked of the tuned model is said in predictions, so that none
    of its own attributions is trained to please. It can be no better than zero-shot's heatmaps: explain a
    zero-shot run and look at its RMA and pointing game first.
    """

    class Options(GuidedOptions):
        """Options of the guided counterfactual pictures."""

        background: float = Field(default=1.0, ge=0)
        """Factor of the second part, that a background alone has no class; at 0 it is not computed."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES,)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> Guided:
        """Keeps the weights as they came, of those that train.

        Raises ``InputError`` for a model whose features come from no CLS token and no attention pool, and for
        layers that it does not have.
        """
        composed = ComposedPictures(setting, self.options.background)
        return Guided(composed, PseudoMasks(setting, self.options))
