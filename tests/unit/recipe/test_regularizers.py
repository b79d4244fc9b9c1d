"""The section ``regularizer``: its forms, and settings laid over each other."""

from __future__ import annotations

import pytest

from rationale_cli.errors import InputError
from rationale_cli.recipe import Draft, from_mapping, from_sets, merged, names_of, of_each, recorded
from rationale_cli.recipe.exceptions import is_one_of

OPTIONS = {"dor": {"weight", "words"}, "mine": {"weight", "margin"}}


def values(layer, options=None):
    return {
        name: {key: one.value for key, one in own.items()}
        for name, own in of_each(layer, {name: OPTIONS[name] for name in options or names_of(layer)}).items()
    }


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("dor", {"dor": {}}),
        ("none", {}),
        ("dor, mine", {"dor": {}, "mine": {}}),
        ({"use": "dor", "weight": 2}, {"dor": {"weight": 2}}),
        ([{"use": "dor", "weight": 2}, "mine"], {"dor": {"weight": 2}, "mine": {}}),
        ([{"use": "dor", "weight": 2}], {"dor": {"weight": 2}}),
        (
            {"use": ["dor", "mine"], "dor.weight": 2, "margin": 1},
            {"dor": {"weight": 2}, "mine": {"margin": 1}},
        ),
    ],
)
def test_forms(content, wanted):
    assert values(from_mapping({"regularizer": content}, "test")) == wanted


@pytest.mark.parametrize("content", [3, [], [{"weight": 2}], [["dor"]], None])
def test_what_is_no_regularizer(content):
    with pytest.raises(InputError, match="regularizer: Expected a plugin's name"):
        from_mapping({"regularizer": content}, "test")


def laid(below, *above):
    return merged(from_mapping({"regularizer": below}, "recipe"), from_sets(above))


@pytest.mark.parametrize(
    ("above", "wanted"),
    [
        (["regularizer.weight=3"], {"dor": {"weight": "3", "words": "w"}}),
        (["regularizer.dor.weight=3"], {"dor": {"weight": "3", "words": "w"}}),
        (["regularizer.use=dor"], {"dor": {"weight": 2, "words": "w"}}),
        (["regularizer.use=dor,mine"], {"dor": {"weight": 2, "words": "w"}, "mine": {}}),
        (
            ["regularizer.use=dor,mine", "regularizer.mine.weight=3"],
            {"dor": {"weight": 2, "words": "w"}, "mine": {"weight": "3"}},
        ),
        (["regularizer.use=mine"], {"mine": {}}),
        (["regularizer.use=none"], {}),
    ],
)
@pytest.mark.parametrize(
    "below", [{"use": "dor", "weight": 2, "words": "w"}, [{"use": "dor", "weight": 2, "words": "w"}]]
)
def test_a_later_layer_wins_option_by_option(below, above, wanted):
    assert values(laid(below, *above)) == wanted


def test_options_go_with_their_regularizer():
    assert values(laid([{"use": "dor", "weight": 2}, "mine"], "regularizer.use=mine")) == {"mine": {}}


@pytest.mark.parametrize(
    ("used", "setting", "message"),
    [
        ("dor,mine", "regularizer.weight=1", "several regularizers have an option 'weight'"),
        ("dor,mine", "regularizer.size=1", "none of the regularizers has an option 'size'"),
        ("dor", "regularizer.mine.margin=1", "no regularizer 'mine' is used"),
    ],
)
def test_an_option_that_is_nobodys(used, setting, message):
    with pytest.raises(InputError, match=message):
        values(laid(used, setting))


def test_an_option_without_any_regularizer():
    with pytest.raises(InputError, match="there is none"):
        of_each(from_sets(["regularizer.weight=1"]), {})
    assert values(laid("none", "regularizer.weight=1")) == {}


def test_an_option_with_and_without_a_name():
    with pytest.raises(InputError, match="given twice"):
        values(from_mapping({"regularizer": {"use": "dor", "weight": 1, "dor.weight": 2}}, "test"))


def test_a_record_repeats_itself():
    run = {name: {"use": f"rationale:{name}"} for name in ("model", "method", "dataset", "attribution")}
    run |= {name: {} for name in ("protocol", "view", "train", "explain")}
    run["regularizer"] = [{"use": "rationale:dor", "options": {"weight": 2, "words": "w"}}]
    run["passed"] = {"regularizer.use": "rationale:dor", "regularizer.weight": 2}
    layer = recorded(run, "run.yaml")
    assert names_of(layer) == ("rationale:dor",)
    settings = of_each(layer, {"rationale:dor": {"weight", "words"}})["rationale:dor"]
    assert {key: (one.value, one.passed) for key, one in settings.items()} == {
        "weight": (2, True),
        "words": ("w", False),
    }
    del run["regularizer"]
    assert names_of(recorded(run, "run.yaml")) == ()


def test_exceptions_know_each_of_several():
    draft = Draft(from_mapping({"regularizer": "rationale:dor,mine"}, "test"))
    assert is_one_of(draft, "regularizer.use", ("dor",))
    assert is_one_of(draft, "regularizer.use", ("other", "mine"))
    assert not is_one_of(draft, "regularizer.use", ("none",))
    assert is_one_of(Draft({}), "regularizer.use", ("none",))
