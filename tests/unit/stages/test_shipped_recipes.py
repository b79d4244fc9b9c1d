"""Shipped recipes are sound with the built-in plugins alone, and hold the paper's settings."""

from __future__ import annotations

from itertools import product

import pytest
from rationale_plugins import register

from rationale_cli.recipe import load_recipe, shipped_recipes
from rationale_cli.registry import Registry
from rationale_cli.stages.grid import GridRequest, planned

REGISTRY = Registry.from_modules({"rationale": register})
MODELS = ("clip-vit-b-16", "clip-vit-b-32", "albef", "blip")
DATASETS = ("imagenet", "caltech101", "stanford-dogs", "cub")

RATES = {
    ("flcp", "albef"): (1e-5, 3e-5, 3e-5, 3e-5),
    ("flcp", "blip"): (1e-5, 3e-5, 3e-5, 1e-5),
    ("flcp", "clip-vit-b-16"): (1e-6, 3e-6, 1e-5, 1e-5),
    ("flcp", "clip-vit-b-32"): (5e-6, 2e-5, 1e-5, 1e-5),
    ("ft", "albef"): (3e-5, 1e-4, 3e-5, 3e-5),
    ("ft", "blip"): (3e-5, 1e-4, 3e-5, 2e-5),
    ("ft", "clip-vit-b-16"): (1e-5, 3e-5, 1e-5, 1e-5),
    ("ft", "clip-vit-b-32"): (1e-5, 1e-5, 1e-5, 2e-5),
    **{("lp", model): (1e-3,) * 4 for model in MODELS},
}
"""The paper's Table 5, a rate for each of ``DATASETS``."""
EPOCHS = {("albef", "caltech101"): 5, ("blip", "caltech101"): 3, ("albef", "cub"): 20}
BATCHES = {**{(model, "imagenet"): 512 for model in MODELS}, ("albef", "cub"): 128, ("blip", "cub"): 128}


QUICK = (
    "prompt-tuning",
    "few-shot",
    "weight-tuning",
    "cognition",
    "evidence-aware",
    "evidence-aware-weights",
)
"""Recipes of many runs that look at them by one estimator."""


def cells(name):
    return planned(GridRequest(load_recipe(name), REGISTRY, {}))


def by_axes(name, *axes):
    found = {tuple(cell.axes[axis] for axis in axes): cell for cell in cells(name)}
    assert len(found) == len(cells(name))
    return found


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_is_sound(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    found = cells(name)
    assert {cell.state for cell in found} <= {"new", "waiting"}
    audited = all(cell.configuration.explain.audit for cell in found if cell.configuration)
    assert audited == (name not in QUICK)


@pytest.fixture(scope="module")
def grid():
    return by_axes("paper-table-1", "model", "method", "dataset")


def test_the_papers_grid(grid):
    assert set(grid) == set(product(MODELS, ("zs", "lp", "flcp", "ft"), DATASETS))


@pytest.mark.parametrize(("method", "model"), RATES)
def test_the_papers_hyper_parameters(grid, method, model):
    for place, dataset in enumerate(DATASETS):
        configuration = grid[model, method, dataset].configuration
        train = configuration.train
        assert configuration.method.options.lr == RATES[method, model][place]
        assert train.epochs == EPOCHS.get((model, dataset), 10)
        assert train.batch_size == BATCHES.get((model, dataset), 64)
        told = (train.optimizer, train.weight_decay, train.schedule, train.warmup_steps, train.clip_norm)
        assert told == ("adam", 0, "constant", 0, None)
        assert (train.augment, train.precision) == ("reference", "no")
        if method == "flcp":
            assert configuration.method.options.temperature == 0.07


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("paper-table-2", 64),
        ("paper-table-3", 4),
        ("paper-table-4", 8),
        ("paper-figure-3", 4),
        ("paper-figure-4", 4),
        ("paper-figure-5", 4),
        ("paper-figure-6", 12),
        ("paper-figure-7", 4),
    ],
)
def test_the_papers_recipes_share_the_runs_of_its_grid(grid, name, shared):
    """Table 3: zero-shot and the gradient of attention; Table 4: zero-shot; the others: all."""
    runs = {cell.path for cell in grid.values()}
    assert len({cell.path for cell in cells(name)} & runs) == shared


def test_the_ablations():
    found = by_axes("paper-table-3", "setup", "method")
    assert len(found) == 12
    for (setup, method), cell in found.items():
        assert (cell.axes["model"], cell.axes["dataset"]) == ("clip-vit-b-32", "imagenet")
        configuration = cell.configuration
        assert configuration.attribution.bare == ("grad-attention" if setup == "grad-attention" else "gaa")
        adamw = setup == "adamw" and method != "zs"
        assert (configuration.train.optimizer == "adamw", configuration.train.weight_decay > 0) == (
            adamw,
            adamw,
        )
    rates = {
        method: found["learning-rates", method].configuration.method.options
        for method in ("lp", "flcp", "ft")
    }
    assert {method: options.lr for method, options in rates.items()} == {"lp": 5e-4, "flcp": 3e-6, "ft": 2e-5}
    assert found["grad-attention", "ft"].configuration.method.options.lr == 1e-5


@pytest.mark.parametrize(("figure", "model", "kinds"), [(4, "32", 4), (5, "32", 2), (7, "16", 6)])
def test_the_curves_have_every_severity(figure, model, kinds):
    for cell in cells(f"paper-figure-{figure}"):
        assert cell.axes["model"] == f"clip-vit-b-{model}"
        assert len(set(cell.configuration.explain.corrupt)) == kinds
        assert all(":" not in one for one in cell.configuration.explain.corrupt)


def test_prompt_methods_with_and_without_dor():
    found = by_axes("prompt-tuning", "method", "regularizer", "seed")
    methods = ("coop", "cocoop", "kgcoop", "prograd", "maple", "promptsrc", "coprompt")
    assert {key[:2] for key in found} == {*product(methods, ("none", "dor")), ("zs", "none")}
    for (method, regularizer, seed), cell in found.items():
        configuration = cell.configuration
        assert (configuration.dataset.classes, configuration.train.shots) == ("base-to-new", 16)
        assert configuration.train.shot_seed == configuration.train.seed == int(seed)
        if regularizer == "dor":
            (dor,) = configuration.regularizers
            assert dor.options.weight == (8 if method == "coop" else 2)


def test_few_shots():
    found = by_axes("few-shot", "method", "shots", "seed")
    methods = ("lp", "coop", "clip-adapter", "tip-adapter-f")
    wanted = product(methods, ("1", "2", "4", "8", "16"), ("0", "1", "2"))
    assert set(found) == {*wanted, ("zs", "0", "0")}
    assert all(cell.configuration.train.shot_seed == int(cell.axes["seed"]) for cell in found.values())


def test_methods_that_change_the_towers():
    found = by_axes("weight-tuning", "method", "seed")
    methods = ("ft", "lp-ft", "wise-ft", "flcp", "clip-lora")
    assert set(found) == {*product(methods, ("0", "1", "2")), ("zs", "0")}
    assert {cell.configuration.train.split for cell in found.values()} == {"train"}


def test_ways_of_tuning_that_should_stay_right_for_the_right_reasons():
    axes = ("model", "train", "method", "regularizer")
    planned_cells = cells("evidence-aware")
    found = {
        (*(cell.axes[axis] for axis in axes), cell.axes.get("setup"), cell.axes["seed"]): cell
        for cell in planned_cells
    }
    assert len(found) == len(planned_cells)
    ways = {way[:-1] for way in found if way[2] != "zs"}
    assert set(found) - {way for way in found if way[2] == "zs"} == {
        (*way, seed) for way in ways for seed in ("0", "1", "2")
    }
    for way, cell in found.items():
        train = cell.configuration.train
        assert (train.split, train.epochs, train.batch_size) == (way[1], 4, 32)
        for one in cell.configuration.regularizers:
            assert getattr(one.options, "background", 0) == 0
    weights = by_axes("evidence-aware-weights", "method", "regularizer", "setup")
    assert {cell.configuration.explain.splits for cell in weights.values()} == {("val",)}
    tried = [(cell.configuration.method.bare, _terms(cell)) for cell in weights.values()]
    unweighted = {"background-augment", "patch-dropout", "group-dro"}
    for way, cell in found.items():
        if cell.configuration.regularizers and way[3] not in unweighted:
            assert (way[2], _terms(cell)) in tried


def _terms(cell):
    return [(one.bare, one.options.weight) for one in cell.configuration.regularizers]


def test_dors_protocol():
    found = by_axes("dor-table-1", "method", "regularizer", "dataset", "seed")
    assert len(found) == 3 * (1 + 3 * 4 * 2)
    for (method, regularizer, dataset, seed), cell in found.items():
        configuration = cell.configuration
        assert configuration.model.bare == "clip-vit-b-16"
        assert configuration.dataset.classes == "base-to-new"
        assert (configuration.train.shots, configuration.train.shot_seed) == (16, int(seed))
        if method == "coop":
            assert configuration.method.options.words == "a photo of a"
            assert configuration.train.epochs == (50 if dataset == "imagenet" else 200)
        if regularizer == "dor":
            (dor,) = configuration.regularizers
            assert dor.options.weight == (8 if method == "coop" else 2)


def test_the_papers_coop_and_tip_adapter_f_are_their_authors():
    found = by_axes("paper-table-4", "model", "method", "dataset")
    for (_, method, _), cell in found.items():
        train = cell.configuration.train
        if method == "coop":
            told = (train.optimizer, train.schedule, train.batch_size, train.epochs, train.weight_decay)
            assert told == ("sgd", "cosine-epoch", 32, 50, 5e-4)
            assert (cell.configuration.method.options.lr, train.shots) == (2e-3, None)
        if method == "tip-adapter-f":
            told = (train.optimizer, train.schedule, train.batch_size, train.epochs, train.eps)
            assert told == ("adamw", "cosine", 256, 20, 1e-4)
            assert cell.configuration.method.options.lr == 1e-3


def test_methods_that_are_not_installed_wait():
    alone = Registry(one for one in REGISTRY.plugins if one.name not in {"coop", "tip-adapter-f"})
    found = planned(GridRequest(load_recipe("paper-table-4"), alone, {}))
    states = {(cell.axes["method"], cell.state) for cell in found}
    assert states == {("zs", "new"), ("coop", "waiting"), ("tip-adapter-f", "waiting")}
