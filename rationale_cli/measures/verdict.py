"""Is a difference a fact about the models, or about the explainer? (protocol §7)

A difference run − baseline in V, PT, IR or lift is called

- ``not significant``: by the default estimator, after Holm over the table;
- ``robust``: sign and significance hold by every estimator of the grid (layers last and all × scalars dot
  and native) at every threshold of ``TAUS``, and the difference goes beyond what each control shows;
- ``estimator-dependent``: one of these fails, whatever else is still missing;
- ``not audited``: nothing fails, but parts of the grid or controls are missing: no conclusion.

The grid's points need no correction for their number: the claim is that *all* of them hold, and a
conjunction of tests at level α has level α (intersection–union test, Berger 1982). What needs no explainer
(accuracy, witnesses) is ``significant`` or ``not significant``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .comparison_results import ControlPoint, GridPoint
from .estimates import Verdict

TAUS = (0.40, 0.45, 0.50, 0.55, 0.60)
"""Thresholds over which a conclusion must not flip."""

LAYERS = ("last", "all")
SCALARS = ("dot", "native")
CONTROLS = ("uniform", "center", "random-head", "wrong-class")
"""What a robust difference must go beyond."""

ALPHA = 0.05

WEAKEST: tuple[Verdict, ...] = (
    "undefined",
    "not significant",
    "not audited",
    "estimator-dependent",
    "significant",
    "robust",
)
"""Verdicts from the weakest to the strongest, to sum up several runs."""


def excludes_zero(low: float, high: float) -> bool:
    """Whether an interval lies on one side of 0; an undefined one does not."""
    return low > 0 or high < 0


def agrees(difference: float, other: float, low: float, high: float) -> bool:
    """Whether ``other``, with its interval, says the same as ``difference``: sign, and not 0."""
    return excludes_zero(low, high) and math.copysign(1, other) == math.copysign(1, difference)


def plain(p_holm: float) -> Verdict:
    """Verdict on what needs no explainer."""
    if math.isnan(p_holm):
        return "undefined"
    return "significant" if p_holm < ALPHA else "not significant"


def judge(
    p_holm: float, grid: Sequence[GridPoint], controls: Sequence[ControlPoint], missing: Sequence[str]
) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict on a measure of heatmaps, and the reasons where it is not ``robust``.

    ``p_holm`` of the default estimator (NaN: undefined); ``missing`` names the evidence sets of grid and
    controls that are not there.
    """
    if math.isnan(p_holm):
        return "undefined", ("one of the two has no such value, or too few pictures in its denominator",)
    if p_holm >= ALPHA:
        return "not significant", ()
    failures = [_grid_failure(point) for point in grid if not point.agrees]
    failures += [_control_failure(point) for point in controls if point.agrees is False]
    if failures:
        return "estimator-dependent", tuple(failures)
    if missing:
        return "not audited", (f"no conclusion: {', '.join(missing)} not measured",)
    if len({point.specification for point in grid}) < 2 or not any(point.agrees for point in controls):
        return "not audited", ("no conclusion: this estimator has no others to be held against",)
    return "robust", ()


def _grid_failure(point: GridPoint) -> str:
    where = f"{point.specification} at τ = {point.threshold:.2f}"
    if point.difference is None or point.low is None or point.high is None:
        return f"{where}: undefined"
    size = f"{_points(point.difference)} [{_points(point.low)}, {_points(point.high)}]"
    turned = excludes_zero(point.low, point.high)
    return f"{where}: {'the sign turns' if turned else 'not significant'}, {size}"


def _control_failure(point: ControlPoint) -> str:
    if point.excess is None or point.low is None or point.high is None or point.difference is None:
        return f"control {point.control}: undefined"
    size = f"{_points(point.excess)} [{_points(point.low)}, {_points(point.high)}]"
    return f"control {point.control} shows {_points(point.difference)} by itself; what goes beyond: {size}"


def _points(value: float) -> str:
    """A difference in percentage points (a lift in hundredths)."""
    return f"{100 * value:+.1f}".replace("-", "−")
