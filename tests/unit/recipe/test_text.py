"""From text to typed values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from rationale_cli.errors import InputError
from rationale_cli.recipe import problems_of, validated
from rationale_cli.recipe.text import parse_yaml, value_of


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rate: float = 1.0
    count: int = 1
    flag: bool = True
    limit: int | None = 3
    precision: Literal["no", "bf16"] = "bf16"
    none_or_default: Literal["none", "default"] | None = "default"
    patch: Literal[16, 32] = 32
    words: tuple[str, ...] = ()
    sizes: list[int] = []
    pair: tuple[int, str] = (0, "")
    where: Path | None = None
    weights: str = "default"
    anything: Any = None


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("rate", "1e-5", 1e-5),
        ("rate", "3", 3.0),
        ("count", "12", 12),
        ("flag", "no", False),
        ("flag", "true", True),
        ("flag", "off", False),
        ("limit", "none", None),
        ("limit", "null", None),
        ("limit", "None", None),
        ("limit", "", None),
        ("limit", "7", 7),
        ("precision", "no", "no"),
        ("none_or_default", "none", "none"),
        ("none_or_default", "null", None),
        ("patch", "16", 16),
        ("words", "a,b", ("a", "b")),
        ("words", "a", ("a",)),
        ("words", "a, b,", ("a", "b")),
        ("sizes", "1,2", [1, 2]),
        ("sizes", ["1", "2"], [1, 2]),
        ("pair", "4,x", (4, "x")),
        ("where", "some/dir", Path("some/dir")),
        ("where", "none", None),
        ("weights", "none", "none"),
        ("anything", "no", "no"),
        ("rate", 0.5, 0.5),
        ("words", ("a", "b"), ("a", "b")),
    ],
)
def test_the_declared_type_decides(key, text, value):
    assert getattr(validated(Options, {key: text}), key) == value


@pytest.mark.parametrize(
    ("key", "text"), [("count", "1.5"), ("flag", "perhaps"), ("patch", "17"), ("rate", "fast")]
)
def test_what_does_not_fit_is_refused(key, text):
    with pytest.raises(ValidationError):
        validated(Options, {key: text})


def test_problems_are_told_in_plain_words():
    with pytest.raises(ValidationError) as caught:
        validated(Options, {"rat": "1", "count": "many"})
    problems = dict(problems_of(caught.value, Options, "method 'x'"))
    assert problems["rat"].startswith("unknown option of method 'x'. Did you mean 'rate'?")
    assert problems["count"].startswith("Expected a valid integer")
    assert problems["count"].endswith("but got 'many'.")


def test_a_required_option_is_told():
    class Needy(BaseModel):
        root: Path

    with pytest.raises(ValidationError) as caught:
        validated(Needy, {})
    assert problems_of(caught.value, Needy, "dataset 'folder'") == [
        ("root", "dataset 'folder' needs a value but got none.")
    ]


def test_yaml_stays_text():
    assert parse_yaml("a: 1e-5\nb: no\nc: [1, ~]\nd:", "x") == {
        "a": "1e-5",
        "b": "no",
        "c": ["1", "~"],
        "d": "",
    }


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2", "a: [", "? [x]\n: 1", "a: !!python/object/apply:os.system [ls]"]
)
def test_bad_yaml_names_its_origin(text):
    with pytest.raises(InputError) as caught:
        parse_yaml(text, "file.yaml")
    assert caught.value.where == "file.yaml"


def test_lists_and_mappings_may_be_written_out():
    assert value_of("[a, b]") == ["a", "b"]
    assert value_of("{a: 1}") == {"a": "1"}
    assert value_of("a,b") == "a,b"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_survives_as_text(number):
    assert validated(Options, {"rate": repr(number)}).rate == number
