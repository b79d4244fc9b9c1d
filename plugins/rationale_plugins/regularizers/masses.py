"""Terms that fall as evidence moves onto the object: the mass of relevance, or of attention.

Shapes: B pictures, S pixels.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar

from torch import Tensor, nn

from rationale_cli.contracts import IMAGES, MASKS, Masks, Outputs, RegularizerOptions, Scalar, Setting
from rationale_cli.errors import InputError
from rationale_cli.toolkit.tuned import Watch

from ._mass import Form, outside


class GaaMass:
    """Relevance by GAA lies on the object: −log RMA of the label's score, by the last attention layer.

    The measure of Wang et al. 2025 (RMA of GAA, Chefer et al. 2021) made a loss: R = E_heads[(∇A ⊙ A)⁺] of
    the CLS row, RMA = Σ(R⊙M)/ΣR. Only what comes after the last attention is passed a second time.
    """

    class Options(RegularizerOptions):
        """Options of the mass of relevance."""

        form: Form = "log"
        """−log RMA, which pulls hardest where hardly anything lies on the object, or 1 − RMA (linear)."""
        scalar: Scalar = "dot"
        """Whose gradient is taken, of the annotated class: dot, native, cosine, log-softmax or contrast."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES, MASKS)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> RelevanceMass:
        """Raises ``InputError`` for a model whose features come from no CLS token and no attention pool."""
        return RelevanceMass(Watch(setting), self.options)


class RelevanceMass(nn.Module):
    """The mass of the label's relevance outside the masks."""

    def __init__(self, watch: Watch, options: GaaMass.Options) -> None:
        super().__init__()
        self._watch, self._options = watch, options

    def watching(self) -> AbstractContextManager[object]:
        """Sees the step's own forward."""
        return self._watch.watching()

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs, masks: Masks) -> Tensor:
        """images B×3×S×S, labels B → scalar."""
        seen = self._watch.seen(images, outputs)
        scores = self._watch.scores(seen, labels, outputs, self._options.scalar)
        return outside(seen.relevance(scores, self._watch.grid), masks, self._options.form)


class AttentionMass:
    """The CLS token attends to the object: −log of the share of its attention, mean over heads.

    Attention of the last layer as it is. It knows of no class and needs no second backward; nor does it say
    what the attended patches are used for.
    """

    class Options(RegularizerOptions):
        """Options of the mass of attention."""

        form: Form = "log"
        """−log of the share on the object, or 1 − that share (linear)."""

    needs: ClassVar[tuple[str, ...]] = (IMAGES, MASKS, "image_features")

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> AttendedMass:
        """Raises ``InputError`` for a model whose features come from no CLS token and no attention pool."""
        return AttendedMass(Watch(setting), self.options.form)


class AttendedMass(nn.Module):
    """The mass of attention outside the masks."""

    def __init__(self, watch: Watch, form: Form) -> None:
        super().__init__()
        self._watch = watch
        self._form: Form = form

    def watching(self) -> AbstractContextManager[object]:
        """Sees the step's own forward."""
        return self._watch.watching()

    def forward(self, images: Tensor, labels: Tensor, outputs: Outputs, masks: Masks) -> Tensor:
        """images B×3×S×S, labels B → scalar. Raises ``InputError`` where the tower rests."""
        seen = self._watch.tuned(outputs)
        if seen is None:
            raise InputError(
                "Expected a method that tunes the image tower but this one's rests, and its attention with "
                "it.",
                where="regularizer.use",
                next_step="use gaa-mass, or tune with another method, for example ft",
            )
        return outside(seen.attention(self._watch.grid), masks, self._form)
