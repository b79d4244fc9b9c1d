"""What another precision does to scores: in which quadrants the same pictures end."""

from __future__ import annotations

import numpy as np

from .measured import Measured
from .precision_results import PrecisionEffect
from .quadrants import Outcomes


def changed_quadrants(one: Outcomes, other: Outcomes, threshold: float) -> float:
    """Share of the n > 0 pictures, in the same order, that are in another cell of ``quadrants.CELLS``."""
    return float(np.mean(one.codes(threshold) != other.codes(threshold)))


def precision_effects(measured: Measured, threshold: float) -> tuple[PrecisionEffect, ...]:
    """One for each other precision that the main estimator was computed in."""
    main = measured.outcomes
    return tuple(
        PrecisionEffect(
            measured.run,
            one.name,
            precision,
            measured.precision,
            len(main.label),
            changed_quadrants(main, one.outcomes, threshold),
            float(np.mean(main.right != one.outcomes.right)),
            float(np.mean(main.valid(threshold) != one.outcomes.valid(threshold))),
        )
        for precision, one in measured.precisions.items()
    )
