"""The contract of an attribution method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol

from .classifier import Scalar
from .options import PluginOptions

if TYPE_CHECKING:
    from torch import Tensor

    from .classifier import Classifier


Specified = bool | Literal["layers", "scalar"]
"""What of a specification means anything to an attribution: all of it, nothing, or one part alone."""


@dataclass(frozen=True)
class Specification:
    """One estimator of an attribution: which layers, which scalar (protocol §2)."""

    layers: str = "last"
    """``last``, ``all``, ``reference`` (last for text classifiers, all for linear heads) or ``a..b``:
    blocks a to b counted from 1, both included."""
    scalar: Scalar = "dot"

    def applied(self, specified: Specified) -> Specification:
        """With the default in the place of what does not apply."""
        plain = Specification()
        return Specification(
            self.layers if specified in (True, "layers") else plain.layers,
            self.scalar if specified in (True, "scalar") else plain.scalar,
        )


class Explanation(NamedTuple):
    """Prediction and heatmaps of one batch."""

    logits: Tensor | None
    """B×C; None where the attribution never ran the classifier on the pictures as they are."""
    relevance: tuple[Tensor, ...]
    """B×h×w each, ≥ 0, float32 on the patch grid, in the order of the specifications."""
    features: Tensor | None = None
    """B×F, the classifier's features of these pictures, where the forward yielded them: it saves another."""


class Attribution(Protocol):
    """Where in the picture a class score comes from. Constructed as ``cls(options)``.

    Optional: a class attribute ``control = True`` marks what explains nothing and only shows what chance,
    position or a wrong question would score; and the method of ``Repeated``.
    """

    needs: ClassVar[tuple[str, ...]]
    """Attributes that the classifier must have beyond the contract."""
    specified: ClassVar[Specified]
    """Whether layers and scalar apply, or one of them alone; of what does not, the default is passed. No two
    specifications of a call are the same."""

    @property
    def Options(self) -> type[PluginOptions]:
        """The class of its options: a class nested in the plugin, or a class attribute."""
        ...

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """images B×3×S×S, targets B (class indices) → one heatmap per picture and specification.

        Pictures are independent: the result of one never depends on its neighbours in the batch.
        One forward for all specifications, at most one backward a scalar; a ``Repeated`` takes as many as
        it says. Parameters' ``requires_grad`` and the training mode are as before when it returns.
        """
        ...


class Repeated(Attribution, Protocol):
    """A capability: an attribution that runs the classifier on many variants of a picture."""

    def passes(self, grid: tuple[int, int], scalars: int) -> tuple[int, int]:
        """Forwards and backwards of each picture, on that patch grid and for so many scalars in all."""
        ...
