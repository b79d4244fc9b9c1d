"""The words of ``--layers``."""

from __future__ import annotations

import pytest

from rationale_cli.errors import InputError
from rationale_cli.toolkit.layers import parse, resolve


@pytest.mark.parametrize(
    ("layers", "family", "expected"),
    [
        ("last", "text", (12, 12)),
        ("last", "linear", (12, 12)),
        ("all", "text", (1, 12)),
        ("all", "linear", (1, 12)),
        ("reference", "text", (12, 12)),
        ("reference", "linear", (1, 12)),
        ("3..5", "text", (3, 5)),
        ("12..12", "linear", (12, 12)),
        (" 1 .. 12 ", "text", (1, 12)),
    ],
)
def test_words_and_ranges(layers, family, expected):
    assert resolve(layers, 12, family) == expected


@pytest.mark.parametrize(
    "layers", ["", "first", "3", "..3", "3..", "0..3", "5..3", "-1..3", "1...3", "a..b", "ALL"]
)
def test_malformed_ranges_are_refused_before_any_model(layers):
    with pytest.raises(InputError, match=r"Expected layers .* but got"):
        parse(layers)


def test_a_range_beyond_the_model_tells_how_many_layers_there_are():
    with pytest.raises(InputError, match=r"within 1\.\.4 but got '2\.\.5'") as caught:
        resolve("2..5", 4, "text")
    assert "4 attention layers" in str(caught.value)
