"""What scoring yields of one run: frozen values that table, report and ``scores.json`` share."""

from __future__ import annotations

from dataclasses import dataclass

from .calibration_results import CalibrationScore
from .estimates import Estimate


@dataclass(frozen=True)
class Counts:
    """Pictures by prediction (first letter) and evidence (second), right or wrong."""

    RR: int
    RW: int
    WR: int
    WW: int
    left_right: int
    """Predicted right, left out of PT, IR and V: no annotation, or the mask is empty after the crop."""
    left_wrong: int


@dataclass(frozen=True)
class WithinClasses:
    """Association of right and valid with the class held fixed (Mantel–Haenszel)."""

    phi: float | None
    odds_ratio: Estimate
    p: float | None
    """Cochran–Mantel–Haenszel test."""
    classes: int
    """Classes that say something: neither all right nor all wrong, neither all valid nor all invalid."""


@dataclass(frozen=True)
class Mass:
    """The relevant mass itself, without a threshold."""

    mean: Estimate
    """Mean RMA, which is the area under V as a function of τ; a picture without evidence adds 0."""
    right: Estimate
    """The same over the rightly predicted: the area under PT."""
    wrong: Estimate
    above_area: Estimate
    """Mean of RMA − |M|/N over the pictures that have evidence: what is left above a uniform heatmap."""
    area: float | None
    """Mean |M|/N."""


@dataclass(frozen=True)
class WitnessScore:
    """Accuracy on altered pictures: no explainer is involved."""

    kind: str
    accuracy: Estimate
    """With Wilson's interval."""
    chance: float
    """One over the number of classes."""


@dataclass(frozen=True)
class Stratum:
    """Pictures of similar mask area."""

    name: str
    area_low: float
    area_high: float
    counts: Counts
    metrics: dict[str, Estimate]
    """accuracy, V, PT, IR with Wilson's interval; lift without one."""


@dataclass(frozen=True)
class ClassScore:
    """One class of one run."""

    label: int
    name: str
    counts: Counts
    accuracy: float | None
    V: float | None
    PT: float | None
    IR: float | None


@dataclass(frozen=True)
class GroupScore:
    """One group of pictures of one run."""

    name: str
    """Class and what it stands on, or the latter alone."""
    accuracy: Estimate
    """With Wilson's interval, which does not know that a lowest one was looked for."""


@dataclass(frozen=True)
class Curve:
    """Measures as functions of the threshold, exact at each."""

    thresholds: tuple[float, ...]
    V: tuple[float | None, ...]
    PT: tuple[float | None, ...]
    IR: tuple[float | None, ...]
    lift: tuple[float | None, ...]


@dataclass(frozen=True)
class RunScore:
    """One run on one split by one estimator at one threshold."""

    run: str
    title: str
    """What tells the run from its neighbours in a table: ``ft``, or ``ft · train-clean`` in a grid."""
    model: str
    """Qualified plugin names, ``distribution:name``."""
    method: str
    seed: int | None
    n: int
    annotated: int
    """Pictures with a mask or box that is not empty after the crop: those of PT, IR and V."""
    statuses: dict[str, int]
    """Pictures by status: ok, no annotation, empty mask, no evidence."""
    skipped: int
    """Unreadable pictures that the user asked to skip; not in ``n``."""
    counts: Counts
    metrics: dict[str, Estimate]
    """accuracy V PT IR lift phi, and worst_group where the data know groups."""
    within: WithinClasses
    mass: Mass
    witness: dict[str, WitnessScore]
    """Those of object, background, box, exact that there are pictures for."""
    strata: tuple[Stratum, ...]
    """Tertiles by mask area: small, middle, large."""
    classes: tuple[ClassScore, ...]
    chance: dict[str, dict[str, Estimate]]
    """V, PT and IR of the controls ``uniform`` (always, from the mask area) and ``center`` (where measured)
    with this run's predictions."""
    curve: Curve
    calibration: CalibrationScore | None = None
    """None where the run's probabilities are not stored."""
    groups: tuple[GroupScore, ...] = ()
    """The lowest accuracy first; none where the data know no groups."""
