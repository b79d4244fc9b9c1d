"""The forward of a method's step, and what it makes beside the loss."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from torch import Tensor, nn

from ..contracts import OF_ANY_METHOD, ImageTuning, Outputs
from ..errors import PluginError

_ZERO_SHOT = "zero_shot_features"


def lacks(step: nn.Module, needs: Collection[str]) -> list[str]:
    """What regularizers need and a step has no attribute for (``Regularizer.needs``)."""
    return [need for need in needs if not (need in OF_ANY_METHOD or hasattr(step, _attribute(need)))]


class Forward:
    """The forwards of a step, whose ``Outputs`` have what is needed; made before the step is trained.

    Of a step that has no ``outputs`` there is the loss alone.
    """

    def __init__(self, step: nn.Module, needs: Collection[str]) -> None:
        self._step = step
        self._needs = sorted(set(needs).intersection(Outputs._fields))
        # Asked once for all terms: it may keep a copy of the weights.
        asked = _ZERO_SHOT in self._needs and hasattr(step, "zero_shot_images")
        self._zero_shot = cast(ImageTuning, step).zero_shot_images() if asked else None

    def __call__(self, inputs: Tensor, labels: Tensor) -> Outputs:
        """The batch as the step has it. Raises ``PluginError`` where some of what is needed is not given."""
        outputs = self._own(inputs, labels)
        if self._zero_shot is not None and outputs.zero_shot_features is None:
            outputs = outputs._replace(zero_shot_features=self._zero_shot(inputs))
        lacking = [need for need in self._needs if getattr(outputs, need) is None]
        if lacking:
            raise PluginError(
                f"Expected {', '.join(lacking)} of the method's step, which says that it offers them.",
                next_step="tell the authors of the method, or leave the regularizer out",
            )
        return outputs

    def _own(self, inputs: Tensor, labels: Tensor) -> Outputs:
        if not hasattr(self._step, "outputs"):
            return Outputs(self._step(inputs, labels))
        found: Outputs = cast(Any, self._step).outputs(inputs, labels)
        return found


def _attribute(need: str) -> str:
    return "outputs" if need in Outputs._fields else need
