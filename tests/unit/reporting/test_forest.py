"""The forest plot of a difference by every attribution."""

from __future__ import annotations

import re

from rationale_cli.measures.across_results import AcrossAttributions, ByAttribution
from rationale_cli.measures.comparison_results import GridPoint
from rationale_cli.reporting.forest import forests


def line(name: str, difference: float | None, weight: float | None) -> ByAttribution:
    limits = (None, None) if difference is None else (difference - 0.1, difference + 0.1)
    point = GridPoint(name, "last", "dot", 0.5, difference, *limits, 0.01, agrees=False)
    return ByAttribution(name, weight, weight, "", True, {}, {"PT": point})


def drawn(*lines: ByAttribution) -> tuple[str, ...]:
    return forests(AcrossAttributions("<ft>", "zs", 0.5, "causal", (), lines, ()), "test")


def test_every_attribution_has_a_row_and_what_it_says_a_colour() -> None:
    lines = [
        line("gaa", -0.3, 0.5),
        line("legrad", -0.4, 0.0),
        line("rise", 0.3, 0.1),
        line("rollout", 0.05, 0.4),
        line("edges", None, None),
    ]
    (svg,) = drawn(*lines)
    dots = re.findall(r'<circle [^>]*r="([\d.]+)" fill="([^"]+)" stroke="([^"]+)"', svg)
    assert [stroke for *_, stroke in dots] == ["var(--ink)", "var(--ink)", "var(--accent)", "var(--muted)"]
    assert [fill == "var(--paper)" for _, fill, _ in dots] == [False, True, False, False]
    radii = [float(radius) for radius, *_ in dots]
    assert radii[0] > radii[3] > radii[1]
    assert "edges" not in svg


def test_names_are_escaped_and_one_attribution_is_no_plot() -> None:
    (svg,) = drawn(line("gaa", -0.3, None), line("<b>", -0.2, None))
    assert "<b>" not in svg
    assert "&lt;ft&gt; minus zs" in svg
    assert not drawn(line("gaa", -0.3, None))
