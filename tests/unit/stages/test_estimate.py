"""What a dry run counts, what it finds missing, and how it comes to a time."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import ClassVar

import huggingface_hub
import pytest
from huggingface_hub import constants
from rationale_plugins import register as built_in

from rationale_cli.cli.dry_run import duration
from rationale_cli.contracts import Checkpoint, Nominal, PluginOptions
from rationale_cli.engine.estimators import plan
from rationale_cli.engine.timing import Speed, Tuning, forwards
from rationale_cli.errors import InputError
from rationale_cli.hooks import Entry, hookimpl
from rationale_cli.recipe import from_sets, load_recipe
from rationale_cli.registry import Registry
from rationale_cli.stages.estimate import Work, run
from rationale_cli.stages.grid import GridRequest, inspect
from rationale_cli.stages.grid import run as grid
from rationale_cli.testing import FakeModel, ToyDataset


class Toy(FakeModel):
    class Options(PluginOptions):
        weights: str = "large"
        width: int = 16

    BUILT: ClassVar[list[tuple[str, bool]]] = []

    def __init__(self, options):
        Toy.BUILT.append((options.weights, constants.HF_HUB_OFFLINE))
        super().__init__(FakeModel.Options(width=options.width))

    @classmethod
    def published(cls, options):
        return {"large": Checkpoint("https://example.org/toy.pt", size=3_000_000_000)}


class Faulty(Toy):
    def __init__(self, options):
        raise RuntimeError("no such kernel\nand more")


class Fixed(FakeModel):
    """Has no weights to leave out."""


class Gone(ToyDataset):
    class Options(PluginOptions):
        known: bool = True

    @classmethod
    def nominal(cls, options):
        return Nominal({"train": 1000, "test": 500, "other": 100}, ("test",), 3) if options.known else None

    def __init__(self, options):
        raise InputError("Expected pictures\nbut there are none.", where="/data/gone", next_step="get them")


@pytest.fixture
def registry(monkeypatch):
    plugins = ModuleType("toys")
    for one in (Toy, Faulty, Fixed, Gone, ToyDataset):
        setattr(plugins, one.__name__, one)
    monkeypatch.setitem(sys.modules, "toys", plugins)
    monkeypatch.setattr(Toy, "BUILT", [])
    register = ModuleType("toy_register")
    models = {"toy": "Toy", "faulty": "Faulty", "fixed": "Fixed"}
    datasets = {"gone": "Gone", "squares": "ToyDataset"}
    register.rationale_models = hookimpl(lambda: [Entry(k, f"toys:{v}", "") for k, v in models.items()])
    register.rationale_datasets = hookimpl(lambda: [Entry(k, f"toys:{v}", "") for k, v in datasets.items()])
    return Registry.from_modules({"rationale": built_in, "toys": register})


@pytest.fixture
def request_of(tmp_path, registry):
    def make(text, *sets):
        path = tmp_path / "mine.yaml"
        path.write_text("model: toy\ntrain: {epochs: 3, batch_size: 64}\n" + text)
        return GridRequest(load_recipe(path), registry, from_sets(sets), tmp_path / "runs")

    return make


@pytest.fixture
def estimate(request_of, registry):
    def make(text, *sets):
        return run(inspect(request_of(text, *sets)), registry)

    return make


def works(estimate):
    return [one.work for one in estimate.cells]


def test_pictures_are_counted_as_published_where_the_data_are_missing(estimate):
    found = estimate("dataset: gone\ngrid: {method: [zs, ft]}\n")
    assert works(found) == [Work(0, 0, 500, True), Work(960, 3, 500, True)]
    assert found.cells[0].missing[0] == "gone: Expected pictures but there are none (/data/gone)"


@pytest.mark.parametrize(
    ("sets", "work"),
    [
        (["train.share=0.1", "explain.share=0.5"], Work(64, 3, 250, True)),
        (["train.limit=200", "explain.limit=20"], Work(192, 3, 20, True)),
        (["train.shots=16"], Work(48, 3, 500, True)),
        (["train.epochs=0"], Work(0, 0, 500, True)),
        (["explain.splits=test,other"], Work(960, 3, 600, True)),
        (["explain.corrupt=fog,snow:2"], Work(960, 3, 3500, True)),
        (["shift=squares", "shift.pictures=70"], Work(960, 3, 570, True)),
        (["train.split=nowhere"], None),
        (["dataset.known=false"], None),
    ],
)
def test_counts_follow_the_settings(estimate, sets, work):
    found = estimate("dataset: gone\n", *sets)
    assert works(found) == [work]
    assert found.unknown == (work is None)


def test_weights_that_are_not_here_are_told_with_their_size(estimate):
    (one,) = estimate("dataset: squares\nmethod: zs\n").cells
    assert one.missing == ("toy: weights 'large' (3.0 GB), fetched when they are used",)
    assert estimate("dataset: squares\nmethod: zs\n", "model.weights=none").cells[0].missing == ()
    (one,) = estimate("dataset: squares\nmethod: zs\n", "model.weights=gone.pt").cells
    assert one.missing == ("toy: no weights 'gone.pt'",)


def test_each_model_is_timed_once_with_random_weights(estimate):
    before = constants.HF_HUB_OFFLINE
    found = estimate("dataset: squares\ngrid: {method: [zs, lp, flcp, ft], train.seed: [0, 1]}\n")
    assert Toy.BUILT == [("none", True)]
    assert before == constants.HF_HUB_OFFLINE
    ((name, speed),) = found.speeds.items()
    assert name == "toy"
    assert speed.picture > 0
    assert speed.text > 0
    seconds = [one.seconds.tune for one in found.cells[::2]]
    assert seconds[0] == 0 < seconds[1] < seconds[3] < seconds[2]
    assert found.seconds == pytest.approx(sum(one.seconds.total for one in found.cells))
    assert estimate("dataset: squares\n", "model.width=32").speeds.keys() == {"toy (width=32)"}


def test_a_model_that_cannot_be_timed_stops_nothing(estimate):
    found = estimate("dataset: squares\nmethod: zs\ngrid: {model: [faulty, fixed, toy]}\n")
    assert found.unmeasured == {
        "faulty": "RuntimeError: no such kernel",
        "fixed": "model 'fixed' has no option 'weights' that could be none",
    }
    assert [one.seconds is None for one in found.cells] == [True, True, False]
    assert found.unknown == 2


def test_what_is_done_or_done_by_another_cell_costs_nothing(request_of, registry):
    text = (
        "dataset: squares\nmodel.weights: none\nexplain: {audit: false}\n"
        "grid:\n  - {setup: [one, two], method: [zs]}\n"
        "  - {setup: [three], method: [zs], attribution: [grad-attention]}\n"
        "  - {method: [someday]}\noptional: [someday]\n"
    ).replace("model.weights: none\n", "")
    request = request_of(text, "model.weights=none")
    first, again, other, waiting = run(inspect(request), registry).cells
    assert first.seconds.total > 0
    assert (again.work.explain, again.seconds.total) == (0, 0)
    assert other.work.explain == 12
    assert (waiting.missing, waiting.seconds) == (("method 'someday' is not installed",), None)
    grid(request)
    found = run(inspect(request), registry)
    assert found.seconds == 0
    assert [one.cell.state for one in found.cells] == ["done", "done", "done", "waiting"]


def test_factors_of_tuning():
    speed = Speed(picture=1.0, text=0.5, device="cpu", at_once=4, grid=(4, 4))

    def seconds(tuning, augment="none"):
        return tuning.seconds(speed, pictures=10, epochs=2, augment=augment, class_texts=7)

    assert seconds(Tuning(image=True, text=False)) == 2 * 10 * 3
    assert seconds(Tuning(image=True, text=True)) == 2 * (10 * 3 + 10 * 0.5 * 3)
    assert seconds(Tuning(image=False, text=False, cached=True)) == 10
    assert seconds(Tuning(image=False, text=False, cached=True), "reference") == 2 * 10
    assert seconds(Tuning(image=False, text=False, every_class=True, cached=True)) == 10 + 2 * 7 * 0.5 * 3
    assert seconds(Tuning(steps=False)) == 0
    assert seconds(Tuning(steps=False, prepares=True)) == 10


RISE = ("attribution=rise", "attribution.masks=7")
INTEGRATED = ("attribution=integrated-gradients", "attribution.steps=3")


@pytest.mark.parametrize(
    ("sets", "count"),
    [
        (["explain.audit=false", "explain.witness=false"], 1),
        (["explain.audit=false", "explain.witness=false", "explain.layers=all"], 2),
        (["explain.audit=false", "explain.layers=last,all", "explain.scalar=dot,native"], 3 + 3),
        (["explain.audit=false", "explain.witness=false", "attribution=uniform"], 1),
        (
            [
                "explain.audit=false",
                "explain.witness=false",
                "attribution=raw-attention",
                "explain.layers=all",
            ],
            1,
        ),
        (["explain.audit=false", "explain.witness=false", "attribution=input-x-gradient"], 2),
        (["explain.audit=false", "explain.witness=false", *RISE], 7),
        (["explain.audit=false", "explain.witness=false", "explain.target=both", *RISE], 14),
        (["explain.audit=false", "explain.witness=false", "explain.scalar=dot,native", *INTEGRATED], 3 + 6),
        ([], 3 + 2 + 3),  # the heatmaps, two controls that look, the witness
    ],
)
def test_forwards_of_explaining(request_of, registry, sets, count):
    (cell,) = inspect(request_of("dataset: squares\n", *sets))
    options = cell.configuration.explain
    wanted = plan((cell.configuration.attribution,), options, registry)
    assert forwards(wanted, (4, 4), witness=options.witness) == count


def test_nothing_is_fetched(estimate, monkeypatch):
    """A model that asks the hub for a file is refused."""

    def fetches(self, options):
        huggingface_hub.hf_hub_download("owner/name", "config.json")

    monkeypatch.setattr(Toy, "__init__", fetches)
    found = estimate("dataset: squares\nmethod: zs\n")
    assert "toy" in found.unmeasured
    assert "offline" in found.unmeasured["toy"].lower() or "cache" in found.unmeasured["toy"].lower()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "–"), (0.3, "under 1 s"), (59.6, "1 min"), (3601, "1 h"), (7320, "2 h 2 min"), (1e6, "11 d 13 h")],
)
def test_durations(seconds, told):
    assert duration(seconds) == told
