"""What is known of one run on one split, picture by picture: the input of scoring, without files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .calibration_results import Proximity, Recalibration
from .concentration import Concentration
from .faithfulness import SetFaithfulness
from .probabilities import Predicted
from .quadrants import Flags, Outcomes


class Estimator(NamedTuple):
    """One evidence set."""

    name: str
    layers: str | None
    scalar: str | None
    outcomes: Outcomes


class Explained(NamedTuple):
    """One attribution, by one of its evidence sets."""

    estimator: Estimator
    options: str
    """Of the attribution, as text."""
    faithful: SetFaithfulness | None
    """None where it was not measured."""


class Witness(NamedTuple):
    """Predictions on one kind of altered picture; flags of length n."""

    right: Flags
    known: Flags
    """Whether there is such a picture."""


class Exchanged(NamedTuple):
    """How far the label's logit falls by exchanges; n values each, NaN where nothing could be exchanged."""

    object: npt.NDArray[np.float64]
    """Where an object of another class stands on the picture's background."""
    background: npt.NDArray[np.float64]
    """Where the picture's object stands on the background of another class."""

    def share(self) -> npt.NDArray[np.float64]:
        """The object's share of both falls, between 0 and 1; NaN where neither is one."""
        own, other = np.maximum(self.object, 0), np.maximum(self.background, 0)
        both = own + other
        return np.where(both > 0, own / np.where(both > 0, both, 1), np.nan)


class Predictions(NamedTuple):
    """Probabilities of every picture's answer, as predicted or changed after the fact."""

    predicted: Predicted
    made: Recalibration | None = None
    near: npt.NDArray[np.float64] | None = None
    """Proximity to the base pictures (see ``calibration.proximity``); None where it is not known of all."""


class Heatmaps(NamedTuple):
    """What can be told of heatmaps without masks."""

    name: str
    """Evidence set that they are from, of the predicted class."""
    concentration: Concentration


@dataclass(frozen=True)
class Measured:
    """One run on one split; every array is in the order of ``ids``."""

    run: str
    title: str
    """See ``RunScore.title``."""
    model: str
    method: str
    seed: int | None
    configuration: str
    """The same for runs that differ in the seeds only."""
    ids: npt.NDArray[np.object_]
    classnames: tuple[str, ...]
    attribution: str
    """Bare name of the plugin."""
    main: Estimator
    grid: Mapping[tuple[str | None, str | None], Estimator] = field(default_factory=dict)
    """The same attribution by (layers, scalar), the main estimator among them."""
    controls: Mapping[str, Outcomes] = field(default_factory=dict)
    """By bare name; ``uniform`` is always there; none where nothing is annotated."""
    witness: Mapping[str, Witness] = field(default_factory=dict)
    effects: Exchanged | None = None
    """None where no picture is known without its object."""
    statuses: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    """By name, those as predicted first; none where they are not stored."""
    proximity: Proximity | None = None
    """None where probabilities are not stored."""
    heatmaps: Heatmaps | None = None
    shot_seed: int | None = None
    """Of the pictures that were drawn for training."""
    regularizers: tuple[str, ...] = ()
    """Bare names."""
    unregularized: str = ""
    """The same for runs that differ in the seeds and the regularizers only."""
    precision: str = "no"
    """In which the main estimator was computed: ``no`` (single), ``bf16`` or ``fp16`` (mixed)."""
    precisions: Mapping[str, Estimator] = field(default_factory=dict)
    """The main estimator in other precisions."""
    explained: Mapping[str, Explained] = field(default_factory=dict)
    """Every attribution that is no control, by the name of its set; that of the main estimator first."""
    contexts: npt.NDArray[np.object_] | None = None
    """What the object of each picture stands on; None where it is not known of all of them."""

    @property
    def outcomes(self) -> Outcomes:
        """By the main estimator."""
        return self.main.outcomes
