"""The specification curve, which is written by hand: marks where the numbers say, and nothing else."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.measures.comparison_results import GridPoint
from rationale_cli.reporting.specification import specification_curve, ticks

from .test_outlines import points


def point(difference: float, threshold: float = 0.5, agrees: bool = True) -> GridPoint:
    reach = 0.1
    limits = (difference - reach, difference + reach)
    return GridPoint("gaa-last-dot", "last", "dot", threshold, difference, *limits, 0.01, agrees)


def drawn(points: tuple[GridPoint, ...], difference: float | None = -0.2, run: str = "ft") -> str:
    found: Any = SimpleNamespace(metric="PT", difference=difference, grid=points)
    comparison: Any = SimpleNamespace(run=run, baseline="zs", differences={"PT": found})
    return str(specification_curve(comparison, "PT", "test"))


def dots(svg: str) -> list[tuple[float, float]]:
    """Of the differences: the filled ones and the rims of the hollow."""
    marks = re.findall(r'<path d="([^"]*)" stroke-width="6"', svg)
    return [(x, y) for d in marks for letter, x, y in points(d) if letter == "M"]


def test_marks_lie_where_the_numbers_say() -> None:
    svg = drawn((point(0.1, agrees=False), point(-0.3), point(-0.2)))
    lowest, default, highest = dots(svg)
    assert lowest[0] < default[0] < highest[0]  # sorted by size
    assert lowest[1] > default[1] > highest[1]  # the axis points upwards
    assert (default[1] - highest[1]) == pytest.approx(3 * (lowest[1] - default[1]), abs=0.3)
    dashed = re.search(r'M94 ([\d.]+)H370" stroke="var\(--accent\)"', svg)
    assert dashed is not None and float(dashed[1]) == pytest.approx(default[1])
    lines = [points(d) for d in re.findall(r'<path d="([^"]*)" stroke-width="1.4"', svg)]
    middles = {
        x: (low + high) / 2
        for one in lines
        for (_, x, low), (_, _, high) in zip(one[::2], one[1::2], strict=True)
    }
    assert len(middles) == 3
    for x, y in dots(svg):
        assert any(a == pytest.approx(x) and b == pytest.approx(y, abs=0.11) for a, b in middles.items())


def test_hollow_marks_are_those_that_do_not_agree() -> None:
    svg = drawn((point(0.1, agrees=False), point(-0.3), point(-0.2)))
    (hollow,) = re.findall(r'<path d="([^"]*)" stroke-width="4" [^>]*stroke="var\(--paper\)"', svg)
    assert hollow.count("z") == 1
    assert "var(--paper)" not in drawn((point(-0.3),))


def test_choices_stand_under_their_points() -> None:
    svg = drawn((point(-0.3, 0.4), point(-0.2, 0.6)))
    first, second = (x for x, _ in dots(svg))
    (made,) = re.findall(r'<path d="([^"]*)" stroke-width="4.4"', svg)
    columns = sorted(x for letter, x, _ in points(made) if letter == "M")
    # Both are by the last layer and the dot product; each has a threshold of its own.
    assert columns == pytest.approx([first] * 3 + [second] * 3)
    labels = [one.text for one in ElementTree.fromstring(svg).iter("text")]
    assert {"last layers", "dot scalar", "τ = 0.40", "τ = 0.60"} <= set(labels)


def test_names_are_text_and_colours_are_the_page_s() -> None:
    svg = drawn((point(-0.3),), run='<img src=x onerror="alert(1)">')
    assert "<img" not in svg and not re.search(r"#[0-9a-f]{6}", svg)
    assert 'onerror="alert(1)">' in (ElementTree.fromstring(svg).get("aria-label") or "")


def test_nothing_is_drawn_of_nothing() -> None:
    undefined = GridPoint("gaa-last-dot", "last", "dot", 0.5, None, None, None, None, agrees=False)
    assert drawn((undefined,)) == "None"
    assert "var(--accent)" not in drawn((point(-0.3),), difference=None)


@given(st.floats(-200, 200), st.floats(1e-4, 400))
def test_ticks_are_few_and_within(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-6 <= one <= low + span + 1e-6 for one in found)
    apart = {round(b - a, 7) for a, b in itertools.pairwise(found)}
    assert len(apart) <= 1 or max(apart) - min(apart) < 1e-6
