"""Exceptions of recipes, setups and optional plugins."""

from __future__ import annotations

import pytest

from rationale_cli.errors import InputError
from rationale_cli.recipe import cells, from_sets, load_recipe

GRID = """\
train: {epochs: 10}
grid:
  - {model: [albef, blip], dataset: [cub, scenes], method: [lp, ft]}
"""


@pytest.fixture
def load(tmp_path):
    def loader(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return load_recipe(path)

    return loader


def settings(recipe, key, *sets):
    """The cells' labels by their value of a key, for those that have it."""
    found = {}
    for draft in cells(recipe, from_sets(sets)):
        if key in draft.given:
            found.setdefault(str(draft.given[key].value), []).append(draft.label)
    return found


def test_an_exception_holds_for_the_cells_that_match_all_its_conditions(load):
    recipe = load(
        GRID + "exceptions:\n  - when: {model: albef, dataset: cub, method: [ft, lp]}\n"
        "    set: {train.epochs: 20, method: {lr: 3e-5}}\n"
    )
    matched = ["model=albef, dataset=cub, method=lp", "model=albef, dataset=cub, method=ft"]
    assert settings(recipe, "train.epochs")["20"] == matched
    assert settings(recipe, "method.lr") == {"3e-5": matched}
    (origin,) = {one.given["method.lr"].origin for one in cells(recipe) if "method.lr" in one.given}
    assert origin == "mine.yaml, exception 1"


def test_later_exceptions_win_and_sets_win_over_all(load):
    recipe = load(
        GRID + "exceptions:\n  - {when: {dataset: cub}, set: {train.epochs: 5}}\n"
        "  - {when: {dataset: cub, model: blip}, set: {train.epochs: 6}}\n"
    )
    assert {value: len(labels) for value, labels in settings(recipe, "train.epochs").items()} == {
        "5": 2,
        "6": 2,
        "10": 4,
    }
    assert set(settings(recipe, "train.epochs", "train.epochs=1")) == {"1"}


def test_exceptions_follow_what_a_cell_is_made_by_set(load):
    """Another model on the command line takes that model's exceptions, not those of the one it replaces."""
    recipe = load(
        "model: albef\nexceptions:\n  - {when: {model: albef}, set: {train.epochs: 5}}\n"
        "  - {when: {method: ft}, set: {method.lr: 1}}\n"
    )
    assert set(settings(recipe, "train.epochs")) == {"5"}
    assert settings(recipe, "train.epochs", "model=blip") == {}
    assert settings(recipe, "method.lr", "method=zs") == {}


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("method: ft", 4),  # the default plugin, though nobody names it
        ("method: rationale:ft", 4),
        ("train.seed: 1", 2),
        ("train.seed: [0, 1.0]", 4),
        ("train.split: train", 4),
        ("explain.audit: 'true'", 4),
    ],
)
def test_conditions_see_defaults_and_compare_numbers(load, condition, count):
    recipe = load(
        "grid: {model: [albef, blip], train.seed: [0, 1]}\n"
        f"exceptions: [{{when: {{{condition}}}, set: {{train.workers: 3}}}}]\n"
    )
    assert len(settings(recipe, "train.workers").get("3", [])) == count


def test_a_setup_labels_and_sets_nothing(load):
    recipe = load(
        "grid:\n  - {setup: [usual, slow], method: [zs, ft]}\n"
        "exceptions: [{when: {setup: slow, method: ft}, set: {method.lr: 1e-6}}]\n"
    )
    drafts = cells(recipe)
    assert [one.name for one in drafts] == [
        "setup=usual, method=zs",
        "setup=usual, method=ft",
        "setup=slow, method=zs",
        "setup=slow, method=ft",
    ]
    assert [one.label for one in drafts] == ["method=zs", "method=ft", "method=zs", "method=ft"]
    assert drafts[0].given == drafts[2].given
    assert [one.given.get("method.lr") is not None for one in drafts] == [False, False, False, True]
    assert "setup" not in drafts[0].chosen()


BASE = GRID + (
    "optional: [ft]\n"
    "exceptions:\n"
    "  - {when: {model: albef}, set: {train.epochs: 5, train.batch_size: 8}}\n"
    "  - {when: {dataset: cub}, set: {train.epochs: 7}}\n"
    "show: [{gallery: some}]\n"
)


def test_a_bases_exceptions_come_first_and_may_fit_no_cell(load):
    load(BASE, "base.yaml")
    recipe = load(
        "base: base.yaml\ngrid: {model: [blip], dataset: [cub, scenes]}\n"
        "exceptions: [{when: {dataset: cub}, set: {train.epochs: 9}}]\n"
    )
    assert {key: len(one) for key, one in settings(recipe, "train.epochs").items()} == {"9": 1, "10": 1}
    assert recipe.optional == ("ft",)
    assert [one.name for one in recipe.layouts] == ["some"]


def test_what_a_recipe_sets_itself_is_not_touched_by_its_base(load):
    load(BASE, "base.yaml")
    recipe = load("base: base.yaml\ntrain: {epochs: 1}\n")
    assert set(settings(recipe, "train.epochs")) == {"1"}
    assert len(settings(recipe, "train.batch_size")["8"]) == 4
    recipe = load("base: base.yaml\ngrid: {model: [albef], train.epochs: [2, 3]}\n")
    assert set(settings(recipe, "train.epochs")) == {"2", "3"}


def test_what_a_recipe_shows_replaces_what_its_base_shows(load):
    load(BASE, "base.yaml")
    assert load("base: base.yaml\nshow: []\n").layouts == ()
    assert [one.name for one in load("base: base.yaml\nshow: [{gallery: mine}]\n").layouts] == ["mine"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exceptions: {when: {}}", "exceptions: Expected a list"),
        ("exceptions: [ft]", "exception 1: Expected 'when' and 'set'"),
        ("exceptions: [{wen: {method: ft}}]", "exception 1: unknown key 'wen'. Did you mean 'when'"),
        ("exceptions: [{when: {method: ft}}]", "exception 1: set: Expected keys and values"),
        ("exceptions: [{when: {}, set: {train.epochs: 1}}]", "exception 1: when: Expected keys and values"),
        (
            "exceptions: [{when: {methd: ft}, set: {train.epochs: 1}}]",
            "exception 1: when.methd: unknown key. Did you mean 'method'",
        ),
        ("exceptions: [{when: {train: 1}, set: {train.epochs: 1}}]", "when.train: unknown key"),
        ("exceptions: [{when: {method: []}, set: {train.epochs: 1}}]", "when.method: Expected a value"),
        (
            "exceptions: [{when: {method: ftt}, set: {train.epochs: 1}}]",
            "exception 1: when.method: no cell has 'ftt'. Did you mean 'ft'",
        ),
        (
            "exceptions: [{when: {method: ft}, set: {train.epochs: 1}},"
            " {when: {setup: slow}, set: {train.epochs: 1}}]",
            "exception 2: when.setup: no cell has 'slow'",
        ),
        (
            "exceptions: [{when: {method: lp, train.seed: 1}, set: {train.epochs: 1}}]",
            "exception 1: when.method: no cell has 'lp'",
        ),
        (
            "grid: [{method: [lp]}, {method: [ft], train.seed: [1]}]\n"
            "exceptions: [{when: {method: lp, train.seed: 1}, set: {train.epochs: 1}}]",
            "exception 1: Expected it to match a cell of the recipe but none has method lp, train.seed 1",
        ),
        ("exceptions: [{when: {method: ft}, set: {method: lp}}]", "set.method: Expected a setting"),
        (
            "exceptions: [{when: {method: ft}, set: {trian.epochs: 1}}]",
            "unknown section 'trian'. Did you mean 'train'",
        ),
        ("optional: coop", "optional: Expected a list of names"),
        (
            "grid: {method: [ft, coop]}\noptional: [cop]",
            "optional: no cell has the plugin 'cop'. Did you mean 'coop'",
        ),
        ("grid: {setup: [[a]]}", "grid.setup: Expected words"),
    ],
)
def test_what_is_wrong_names_file_and_key(load, text, told):
    with pytest.raises(InputError) as caught:
        load(text + "\n")
    assert told in caught.value.what
    assert "mine.yaml" in str(caught.value.where)
