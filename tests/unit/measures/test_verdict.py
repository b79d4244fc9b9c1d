"""Every verdict and every reason."""

from __future__ import annotations

import math

import pytest

from rationale_cli.measures.comparison_results import ControlPoint, GridPoint
from rationale_cli.measures.verdict import agrees, excludes_zero, judge, plain


def point(
    name: str = "gaa-all-dot", tau: float = 0.5, difference: float = -0.06, agreed: bool = True
) -> GridPoint:
    low, high = difference - 0.01, difference + 0.01
    return GridPoint(name, "all", "dot", tau, difference, low, high, 0.01, agreed)


def control(agreed: bool | None = True) -> ControlPoint:
    return ControlPoint("center", -0.01, -0.05, -0.07, -0.03, agreed)


GRID = [point("gaa-last-dot"), point()]


def test_robust_needs_everything() -> None:
    assert judge(0.001, GRID, [control()], ()) == ("robust", ())


def test_not_significant_comes_first() -> None:
    failing = [*GRID, point(agreed=False)]
    assert judge(0.05, failing, [control(False)], ("gaa-all-native",)) == ("not significant", ())


def test_one_failing_point_decides_even_where_others_are_missing() -> None:
    turned = point("gaa-all-dot", 0.55, +0.05, agreed=False)
    verdict, reasons = judge(0.001, [*GRID, turned], [control()], ("gaa-all-native",))
    assert verdict == "estimator-dependent"
    assert reasons == ("gaa-all-dot at τ = 0.55: the sign turns, +5.0 [+4.0, +6.0]",)


def test_insignificance_somewhere_is_a_reason() -> None:
    weak = GridPoint("gaa-last-dot", "last", "dot", 0.6, -0.01, -0.03, 0.01, 0.3, agrees=False)
    assert judge(0.001, [*GRID, weak], [control()], ())[1] == (
        "gaa-last-dot at τ = 0.60: not significant, −1.0 [−3.0, +1.0]",
    )


def test_a_control_that_shows_as_much_is_a_reason() -> None:
    same = ControlPoint("random-head", -0.055, -0.005, -0.02, 0.01, agrees=False)
    verdict, reasons = judge(0.001, GRID, [control(), same], ())
    assert verdict == "estimator-dependent"
    assert reasons == ("control random-head shows −5.5 by itself; what goes beyond: −0.5 [−2.0, +1.0]",)


def test_what_is_missing_is_named() -> None:
    verdict, reasons = judge(0.001, GRID, [control()], ("gaa-all-native", "center"))
    assert verdict == "not audited"
    assert reasons == ("no conclusion: gaa-all-native, center not measured",)


def test_a_control_without_a_value_does_not_count() -> None:
    assert judge(0.001, GRID, [control(None), control()], ())[0] == "robust"
    assert judge(0.001, GRID, [control(None)], ())[0] == "not audited"


def test_one_estimator_alone_is_no_audit() -> None:
    assert judge(0.001, [point(), point(tau=0.4)], [control()], ())[0] == "not audited"


def test_undefined() -> None:
    verdict, reasons = judge(math.nan, GRID, [control()], ())
    assert verdict == "undefined"
    assert "denominator" in reasons[0]
    unknown = GridPoint("gaa-all-dot", "all", "dot", 0.6, None, None, None, None, agrees=False)
    assert judge(0.001, [*GRID, unknown], [control()], ())[1] == ("gaa-all-dot at τ = 0.60: undefined",)


@pytest.mark.parametrize(
    ("p", "verdict"), [(0.01, "significant"), (0.05, "not significant"), (math.nan, "undefined")]
)
def test_what_needs_no_explainer(p: float, verdict: str) -> None:
    assert plain(p) == verdict


def test_signs_and_intervals() -> None:
    assert agrees(-0.1, -0.2, -0.3, -0.1)
    assert not agrees(-0.1, 0.2, 0.1, 0.3)
    assert not agrees(-0.1, -0.2, -0.5, 0.1)
    assert not agrees(-0.1, math.nan, math.nan, math.nan)
    assert not excludes_zero(0.0, 0.1)
