"""What is measured of the heatmaps of one batch of pictures, beyond RMA; see ``measures.faithfulness``.

Shapes: B pictures, S pixels, h×w patch grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..contracts import Attribution, Classifier, Preprocessing, Specification
from ..toolkit.geometry import normalise
from ..toolkit.heatmaps import evidence
from ..toolkit.localisation import localise
from ..toolkit.perturbation import Removals, Replacement, area, curves, replacement, taken
from ..toolkit.ranks import rank_correlation
from .batches import Batch
from .causal import effects
from .shuffled import shuffled

Columns = dict[str, npt.NDArray[np.float64]]

REPLACEMENTS: tuple[Replacement, ...] = ("blur", "mean")
CURVES = ("deletion", "insertion", "faithful", "positive", "negative")
_PERTURBED = ("sensitivity", "infidelity", *(f"{name}/{kind}" for kind in REPLACEMENTS for name in CURVES))
SHARES = (0.25, 0.5, 1.0)
"""Of the image tower's tensors that are shuffled, from the last one."""
_BRIGHTER = 0.1
"""What is added to a normalised picture: a tenth of a standard deviation of the model's."""


@dataclass(frozen=True)
class Shown:
    """A batch as the model sees it, on its device."""

    images: Tensor
    """B×3×S×S, normalised."""
    labels: Tensor
    masks: Tensor
    """B×S×S; zero where not annotated."""
    backgrounds: Tensor | None
    """B×3×S×S, normalised, the very same pictures without their objects; None unless all are known."""

    @classmethod
    def of(cls, batch: Batch, preprocessing: Preprocessing, device: torch.device) -> Shown:
        """From pictures as bytes."""
        known = bool(batch.known.all())
        backgrounds = normalise(batch.backgrounds.to(device), preprocessing) if known else None
        images = normalise(batch.pixels.to(device), preprocessing)
        return cls(images, batch.labels.to(device), batch.masks.to(device), backgrounds)


@dataclass(frozen=True)
class Explainer:
    """An evidence set's estimator, to be asked again."""

    attribution: Attribution
    specification: Specification

    def relevance(self, classifier: Classifier, images: Tensor, targets: Tensor) -> Tensor:
        """B×h×w."""
        return self.attribution.explain(classifier, images, targets, (self.specification,)).relevance[0]


def causal(classifier: Classifier, shown: Shown) -> Columns:
    """``object`` and ``background``, the effects of exchange, and the object's ``share``; {} if unknown."""
    if shown.backgrounds is None:
        return {}
    found = effects(classifier, shown.images, shown.masks, shown.backgrounds, shown.labels)
    return _columns({"object": found.object, "background": found.background, "share": found.share()})


def removals(classifier: Classifier, shown: Shown) -> Mapping[Replacement, Removals]:
    """What all heatmaps of a batch are tested by."""
    return {
        kind: Removals(classifier, shown.images, replacement(shown.images, kind)) for kind in REPLACEMENTS
    }


def perturbed(
    gone: Mapping[Replacement, Removals], relevance: Tensor, targets: Tensor, steps: int
) -> Columns:
    """What the classifier says as patches go or come; NaN where a constant heatmap tells no order."""
    constant = relevance.flatten(1).amax(dim=1) == relevance.flatten(1).amin(dim=1)
    if bool(constant.all()):
        return {name: np.full(len(relevance), np.nan) for name in _PERTURBED}
    with_patches = taken(gone["blur"], relevance, targets)
    found = {"sensitivity": with_patches.sensitivity(), "infidelity": with_patches.infidelity()}
    for kind in REPLACEMENTS:
        one = curves(gone[kind], relevance, targets, steps)
        deletion, insertion = area(one.deletion), area(one.insertion)
        values = (
            deletion,
            insertion,
            insertion - deletion,
            area(one.deletion_right),
            area(one.insertion_right),
        )
        found |= {f"{name}/{kind}": value for name, value in zip(CURVES, values, strict=True)}
    return _columns({name: values.masked_fill(constant, torch.nan) for name, values in found.items()})


def plausible(shown: Shown, relevance: Tensor) -> Columns:
    """Against the mask; NaN where there is none."""
    energy = evidence(relevance, shown.masks).rma
    empty = shown.masks.flatten(1).amax(dim=1) == 0
    return _columns(
        {
            "energy": energy.double().masked_fill(empty, torch.nan),
            **localise(relevance, shown.masks)._asdict(),
        }
    )


def stable(
    classifier: Classifier,
    images: Tensor,
    relevance: Tensor,
    targets: Tensor,
    explainer: Explainer,
    classes: int,
) -> Columns:
    """Rank correlations with the heatmaps of altered pictures, of another class, of shuffled models."""
    own = relevance.flatten(1)

    def alike(altered: Tensor, asked: Tensor, *, mirrored: bool = False) -> Tensor:
        other = explainer.relevance(classifier, altered, asked)
        return rank_correlation(own, (other.flip(-1) if mirrored else other).flatten(1))

    found = {
        "mirrored": alike(images.flip(-1), targets, mirrored=True),
        "brighter": alike(images + _BRIGHTER, targets),
    }
    if classes > 1:
        found["other class"] = alike(images, (targets + 1) % classes)
    for share in SHARES:
        with shuffled(classifier.model, share):
            found[f"shuffled/{share:.0%}"] = alike(images, targets)
    return _columns(found)


def agreements(heatmaps: Mapping[str, Tensor]) -> Iterator[tuple[tuple[str, str], npt.NDArray[np.float64]]]:
    """Every two sets of B×h×w heatmaps → rank correlation of each picture; NaN for grids that differ."""
    names: Sequence[str] = list(heatmaps)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            first, second = heatmaps[one], heatmaps[other]
            if first.shape == second.shape:
                found = rank_correlation(first.flatten(1), second.flatten(1)).cpu().numpy()
            else:
                found = np.full(len(first), np.nan)
            yield (one, other), found


def _columns(found: Mapping[str, Tensor]) -> Columns:
    return {name: values.double().cpu().numpy() for name, values in found.items()}
