"""What scoring yields of one run against its baseline, by every estimator and beside the controls."""

from __future__ import annotations

from dataclasses import dataclass, field

from .estimates import Verdict


@dataclass(frozen=True)
class Effect:
    """One measure of run and baseline, and their difference."""

    value: float | None
    baseline: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class GridPoint:
    """The same difference by another estimator or threshold: a point of the specification curve."""

    specification: str
    layers: str | None
    scalar: str | None
    threshold: float
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    agrees: bool
    """Same sign as the default estimator's difference, and its interval excludes 0."""


@dataclass(frozen=True)
class ControlPoint:
    """The same difference with a control in the place of the explanation."""

    control: str
    difference: float | None
    excess: float | None
    """Difference of the differences: explanation minus control."""
    low: float | None
    high: float | None
    agrees: bool | None
    """Same sign as the difference, and its interval excludes 0; None where the control has no such value."""


@dataclass(frozen=True)
class Difference(Effect):
    """Run minus baseline in one metric, on the same pictures."""

    metric: str
    """accuracy V PT IR lift, or ``witness:<kind>``."""
    p_holm: float | None
    """Adjusted over all differences of the table."""
    significant: bool
    """``p_holm`` < 0.05."""
    detectable: float | None
    """The smallest true difference that such a comparison finds with a power of 80 %."""
    n: int
    test: str
    verdict: Verdict
    reasons: tuple[str, ...]
    """Why the verdict is not ``robust``: each failing grid point or control, or what is missing."""
    grid: tuple[GridPoint, ...]
    controls: tuple[ControlPoint, ...]


@dataclass(frozen=True)
class Comparison:
    """One run against its baseline."""

    run: str
    baseline: str
    n: int
    differences: dict[str, Difference]
    """By metric; only those that can be formed at all."""
    missing: tuple[str, ...]
    """Evidence sets that an audit needs and that are not there."""
    remedy: str | None
    """The command that fills them in."""
    calibration: dict[str, Difference] = field(default_factory=dict)
    """By metric of ``calibration_results.COMPARED``, adjusted by themselves; none without probabilities."""
