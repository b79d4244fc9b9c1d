"""Relevant Mass Accuracy: how much of a heatmap lies on the object (protocol §1, Eq. 1).

Shapes: n pictures, H×W pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def relevant_mass(heatmaps: Array, masks: Array) -> Floats:
    """RMA = Σ(H⊙M) / ΣH over the pixels of each picture (Wang et al., AAAI 2025, Eq. 1).

    heatmaps n×H×W ≥ 0, masks n×H×W (any value above 0 is object) → n values in [0, 1].
    NaN where the heatmap has no evidence: it is constant, zero, or not finite. A constant heatmap says
    nothing of where, although the quotient would be the mask's area. A mask without a pixel gives 0:
    whoever counts leaves such a picture out.

    >>> heat = np.array([[[3.0, 1.0]], [[2.0, 2.0]]])
    >>> relevant_mass(heat, np.array([[[1, 0]], [[1, 0]]]))
    array([0.75,  nan])
    """
    pixels = heatmaps.reshape(len(heatmaps), -1).astype(np.float64)
    inside = masks.reshape(len(masks), -1) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        mass = (pixels * inside).sum(axis=1) / pixels.sum(axis=1)
    return np.where(has_evidence(heatmaps), mass, np.nan)


def has_evidence(heatmaps: Array) -> npt.NDArray[np.bool_]:
    """Whether each n×H×W heatmap is finite and not constant; a map of zeros is constant.

    >>> has_evidence(np.array([[[0.0, 0.0]], [[0.0, 1.0]], [[np.nan, 1.0]]]))
    array([False,  True, False])
    """
    pixels = heatmaps.reshape(len(heatmaps), -1)
    finite = np.isfinite(pixels).all(axis=1)
    # A comparison with NaN or infinity is False or harmless here, `finite` decides.
    return np.asarray(finite & (pixels.max(axis=1) > pixels.min(axis=1)))


def normalise(heatmaps: Array) -> Floats:
    """Min–max each n×H×W heatmap to [0, 1]; NaN where it has no evidence.

    >>> normalise(np.array([[[1.0, 3.0, 2.0]]]))
    array([[[0. , 1. , 0.5]]])
    """
    pixels = heatmaps.reshape(len(heatmaps), -1).astype(np.float64)
    low = pixels.min(axis=1, keepdims=True)
    width = pixels.max(axis=1, keepdims=True) - low
    usable = has_evidence(heatmaps)[:, None]
    scaled: Floats = np.where(usable, (pixels - low) / np.where(usable, width, 1.0), np.nan)
    return scaled.reshape(heatmaps.shape)


def mask_area(masks: Array) -> Floats:
    """|M|/N of n×H×W masks: the RMA that a uniform heatmap scores, chance level.

    >>> mask_area(np.array([[[1, 0, 0, 0]]]))
    array([0.25])
    """
    inside = masks.reshape(len(masks), -1) > 0
    return np.asarray(inside.mean(axis=1, dtype=np.float64))


def above_area(mass: Floats, areas: Floats) -> Floats:
    """RMA − |M|/N: evidence above that of a uniform heatmap; NaN where either is undefined."""
    return mass - areas
