"""Layers of settings: merging, origins and the parsing of --set."""

from __future__ import annotations

import pytest

from rationale_cli.errors import InputError
from rationale_cli.recipe import Draft, from_mapping, from_sets, merged, recorded


def values(layer):
    return {key: one.value for key, one in layer.items()}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"method": "ft"}, {"method.use": "ft"}),
        ({"method": {"use": "ft", "lr": "1"}}, {"method.use": "ft", "method.lr": "1"}),
        ({"method.lr": "1"}, {"method.lr": "1"}),
        ({"train": {"epochs": "1"}}, {"train.epochs": "1"}),
    ],
)
def test_sections_become_dotted_keys(data, expected):
    assert values(from_mapping(data, "r.yaml")) == expected


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"metod": "ft"}, "unknown section 'metod'. Did you mean 'method'"),
        ({"train": "fast"}, "train: Expected keys and values but got 'fast'"),
        ({"method": ["ft"]}, "method: Expected a plugin's name or keys and values"),
        ({"method.": "ft"}, "no key"),
    ],
)
def test_what_is_no_section_names_key_and_origin(data, told):
    with pytest.raises(InputError, match=told) as caught:
        from_mapping(data, "r.yaml")
    assert caught.value.where == "r.yaml"


def test_sets_are_texts_with_their_origin():
    layer = from_sets(["method.lr=1e-4", "model=tiny-clip", "explain.layers=last,all", "dataset.x=a=b"])
    assert values(layer) == {
        "method.lr": "1e-4",
        "model.use": "tiny-clip",
        "explain.layers": "last,all",
        "dataset.x": "a=b",
    }
    assert {one.origin for one in layer.values()} == {"--set"}


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (["method.lr"], "Expected section.key=value"),
        (["lr=1"], "unknown section 'lr'"),
        (["method.lr=1", "method.lr=2"], "set twice"),
        (["model=a", "model.use=b"], "set twice"),
    ],
)
def test_bad_sets_are_refused(sets, told):
    with pytest.raises(InputError, match=told):
        from_sets(sets)


def test_the_later_layer_wins_key_by_key():
    low = from_mapping({"method": {"use": "ft", "lr": "1", "x": "2"}}, "low")
    high = from_mapping({"method": {"lr": "3"}}, "high")
    result = merged(low, high)
    assert values(result) == {"method.use": "ft", "method.lr": "3", "method.x": "2"}
    assert result["method.lr"].origin == "high"


def test_options_of_a_plugin_that_is_replaced_are_dropped():
    low = from_mapping({"method": {"use": "ft", "lr": "1"}, "train": {"epochs": "2"}}, "low")
    high = from_mapping({"method": "lp"}, "high")
    assert values(merged(low, high)) == {"method.use": "lp", "train.epochs": "2"}


@pytest.mark.parametrize(("one", "other"), [("ft", "rationale:ft"), ("rationale:ft", "ft"), ("ft", "ft")])
def test_options_stay_where_the_plugin_is_the_same(one, other):
    low = from_mapping({"method": {"use": one, "lr": "1"}}, "low")
    assert values(merged(low, from_mapping({"method": other}, "high")))["method.lr"] == "1"


def test_options_go_where_the_distribution_differs():
    low = from_mapping({"method": {"use": "a:ft", "lr": "1"}}, "low")
    assert "method.lr" not in merged(low, from_mapping({"method": "b:ft"}, "high"))


def test_a_record_keeps_chosen_and_defaulted_apart():
    configuration = {
        noun: {"use": f"rationale:{noun}", "options": {"a": 1}}
        for noun in ("model", "method", "dataset", "attribution")
    } | {
        "train": {"epochs": 2},
        "explain": {},
        "view": {},
        "protocol": {"use": "paper"},
        "passed": {"train.epochs": 2},
    }
    draft = Draft(recorded(configuration, "run.yaml"))
    assert draft.given["method.a"].value == 1
    assert draft.chosen() == ("train.epochs",)


def test_a_damaged_record_is_refused():
    with pytest.raises(InputError, match="section 'model' is missing"):
        recorded({"train": {}}, "run.yaml")
