"""The tuned model looks where zero-shot sees the class: its heatmap stands for a mask that nobody drew.

Shapes: B pictures, S pixels.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

from torch import Tensor, nn

from rationale_cli.contracts import IMAGES, Outputs, Setting
from rationale_cli.toolkit.tuned import Watch

from ._mass import Form, outside
from ._pseudo_masks import GuidedOptions, PseudoMasks


class TextGuided:
    """Relevance for the label lies where the model as it came sees the class's text: −log of its share there.

    Language for supervision, as in GALS (Petryk et al. 2022, "On Guiding Visual Attention with Language
    Specification"). The pseudo-mask is hard, a quantile: the most relevant ``share`` of a picture by
    zero-shot's GAA of the annotated class (the dataset's prompts), as in ``guided-counterfactual``. What is
    asked of the tuned model's map is then what ``gaa-mass`` asks. Where in the pseudo-mask the evidence lies
    is left open, which ``evidence-anchor`` does not do.
    """

    class Options(GuidedOptions):
        """Options of the guidance by text."""

        layers: str = "last"
        """Layers of zero-shot's heatmap: last, all or a..b. All of them cost a backward through the tower."""
        form: Form = "log"
        """−log of the share within the pseudo-mask, or 1 − that share (linear)."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES,)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> GuidedMass:
        """Keeps the weights as they came, of those that train.

        Raises ``InputError`` for a model whose features come from no CLS token and no attention pool, and for
        layers that it does not have.
        """
        return GuidedMass(Watch(setting), PseudoMasks(setting, self.options), self.options)


class GuidedMass(nn.Module):
    """The mass of the label's relevance outside zero-shot's own."""

    def __init__(self, watch: Watch, known: PseudoMasks, options: TextGuided.Options) -> None:
        super().__init__()
        self._watch, self._known, self._options = watch, known, options

    def watching(self) -> AbstractContextManager[object]:
        """Sees the step's own forward."""
        return self._watch.watching()

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs) -> Tensor:
        """images B×3×S×S, labels B → scalar."""
        seen = self._watch.seen(images, outputs)
        scores = self._watch.scores(seen, labels, outputs, self._options.scalar)
        masks = self._known(images, labels)
        return outside(seen.relevance(scores, self._watch.grid), masks, self._options.form)
