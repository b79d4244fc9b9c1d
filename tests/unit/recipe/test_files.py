"""Recipe files, bases and grids."""

from __future__ import annotations

import pytest

from rationale_cli.errors import InputError
from rationale_cli.recipe import cells, from_sets, load_recipe, shipped_recipes


@pytest.fixture
def write(tmp_path):
    def writer(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return writer


def grid_values(drafts, key):
    return [draft.given[key].value for draft in drafts]


def test_a_recipe_without_a_grid_is_one_cell(write):
    recipe = load_recipe(write("name: mine\nversion: 2\nmethod: {use: ft, lr: 1e-5}\ntrain: {epochs: 3}\n"))
    (draft,) = cells(recipe)
    assert (recipe.name, recipe.version) == ("mine", "2")
    assert draft.given["method.lr"].value == "1e-5"
    assert draft.given["method.lr"].origin == "mine.yaml"
    assert draft.label == ""


def test_a_grid_is_every_combination_of_a_block(write):
    recipe = load_recipe(write("grid:\n  method: [lp, ft]\n  train.seed: [0, 1, 2]\n"))
    drafts = cells(recipe)
    assert len(drafts) == 6
    assert drafts[4].label == "method=ft, train.seed=1"


def test_blocks_of_a_grid_are_concatenated(write):
    text = "grid:\n  - {method: [zs]}\n  - {method: [lp, ft], train.seed: [0, 1]}\n"
    assert grid_values(cells(load_recipe(write(text))), "method.use") == ["zs", "lp", "lp", "ft", "ft"]


def test_equal_cells_are_taken_once(write):
    recipe = load_recipe(write("grid:\n  train.seed: [0, 1]\n"))
    assert len(cells(recipe, from_sets(["train.seed=5"]))) == 1
    assert len(cells(recipe, from_sets(["train.epochs=1"]))) == 2


def test_a_cell_may_be_a_whole_section(write):
    text = "method: {use: ft, lr: 1}\ngrid:\n  method: [{use: lp, lr: 2}, zs]\n"
    drafts = cells(load_recipe(write(text)))
    assert drafts[0].given["method.lr"].value == "2"
    assert "method.lr" not in drafts[1].given


def test_a_base_lies_beneath(write):
    write(
        "name: base\ndescription: the base\nmodel: a\ntrain: {epochs: 3}\ngrid: {train.seed: [0, 1]}\n",
        "base.yaml",
    )
    recipe = load_recipe(write("name: top\nbase: base.yaml\ntrain: {epochs: 4}\n"))
    assert recipe.description == "the base"
    assert [draft.given["train.epochs"].value for draft in cells(recipe)] == ["4", "4"]
    assert grid_values(cells(recipe), "train.seed") == ["0", "1"]


def test_a_base_has_no_base(write):
    write("model: a\n", "one.yaml")
    write("base: one.yaml\n", "two.yaml")
    with pytest.raises(InputError, match="without a base"):
        load_recipe(write("base: two.yaml\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("methd: ft\n", "methd: unknown key of a recipe. Did you mean 'method'"),
        ("- a\n", "Expected a recipe"),
        ("", "Expected a recipe"),
        ("grid: {train.seed: 3}\n", "grid.train.seed: Expected a list"),
        ("grid: {train.seed: []}\n", "grid.train.seed: Expected a list"),
        ("grid: []\n", "grid: Expected keys"),
        ("grid: {trian.seed: [1]}\n", "unknown section 'trian'"),
        ("method: {use: ft\n", "Expected YAML"),
        ("train: {epochs: 1, epochs: 2}\n", "stands twice"),
        ("name: [a]\n", "name: Expected text"),
        ("base: nowhere\n", "none called 'nowhere'"),
    ],
)
def test_a_bad_recipe_names_file_and_key(write, text, told):
    with pytest.raises(InputError, match=told) as caught:
        load_recipe(write(text))
    assert told.startswith("none called") or "mine.yaml" in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="could not read"):
        load_recipe(path)


def test_an_unknown_recipe_gets_a_suggestion(tmp_path, monkeypatch):
    (tmp_path / "quickstart.yaml").write_text("model: a\n")
    monkeypatch.setattr(
        "rationale_cli.recipe.files.shipped_recipes", lambda: {"quickstart": tmp_path / "quickstart.yaml"}
    )
    assert load_recipe("quickstart").name == "quickstart"
    with pytest.raises(InputError, match=r"Did you mean 'quickstart'\?"):
        load_recipe("quickstar")


def test_every_shipped_recipe_can_be_read():
    for name, path in shipped_recipes().items():
        recipe = load_recipe(name)
        assert recipe.path == path
        assert recipe.description, f"{path} says nothing about itself"
        assert cells(recipe)
