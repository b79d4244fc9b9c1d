"""From logits to what calibration needs of each picture, in double precision.

Single precision would not do: at a logit scale of 100 a softmax rounds to exactly 1 for pictures that are
surer than 1 in 10⁷ to be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer]

_CHUNK = 1 << 17
"""Numbers that are held in double precision at a time."""


@dataclass(frozen=True)
class Predicted:
    """The probabilities that were given to n pictures; arrays of length n."""

    right: npt.NDArray[np.bool_]
    """The class with the largest logit is the label."""
    confidence: Floats
    """Probability of the answer."""
    log_true: Floats
    """Natural logarithm of the label's probability; NaN where only the answer has a probability."""
    brier: Floats
    """Σ_c (p_c − y_c)², 0 to 2 (Brier 1950); NaN where only the answer has a probability."""

    def at(self, rows: npt.NDArray[Any]) -> Predicted:
        """Some of the pictures, by place or by flag."""
        return Predicted(self.right[rows], self.confidence[rows], self.log_true[rows], self.brier[rows])


def predicted(
    logits: Array, labels: Labels, answers: Labels | None = None, divisor: float | Floats = 1.0
) -> Predicted:
    """Softmax of n×C logits over ``divisor`` in float64.

    ``answers`` are the predicted classes, the largest logits' if None; ``divisor`` is one number > 0, or one
    a picture.

    >>> told = predicted(np.array([[0.0, np.log(3.0)], [np.log(4.0), 0.0]]), np.array([1, 1]))
    >>> told.right.tolist(), told.confidence.round(2).tolist(), told.brier.round(3).tolist()
    ([True, False], [0.75, 0.8], [0.125, 1.28])
    """
    answers = logits.argmax(axis=1) if answers is None else answers
    confidence, log_true, brier = (np.empty(len(logits)) for _ in range(3))
    for rows, log_p in log_softmax(logits, divisor):
        at = np.arange(len(log_p))
        log_true[rows] = log_p[at, labels[rows]]
        confidence[rows] = np.exp(log_p[at, answers[rows]])
        probabilities = np.exp(log_p)
        # Squared as they are, not as Σp² − 2p + 1, which loses its digits where the model is sure.
        probabilities[at, labels[rows]] = np.expm1(log_true[rows])
        brier[rows] = np.square(probabilities).sum(axis=1)
    return Predicted(np.asarray(answers == labels), confidence, log_true, brier)


def log_softmax(logits: Array, divisor: float | Floats = 1.0) -> Iterator[tuple[slice, Floats]]:
    """Log-probabilities of n×C logits over ``divisor`` (one number, or one a picture), rows by rows."""
    size = max(1, _CHUNK // logits.shape[1])
    by_row = np.broadcast_to(np.asarray(divisor, np.float64), len(logits))
    for start in range(0, len(logits), size):
        rows = slice(start, start + size)
        scaled = np.asarray(logits[rows], np.float64) / by_row[rows, None]
        yield rows, np.asarray(special.log_softmax(scaled, axis=1))
