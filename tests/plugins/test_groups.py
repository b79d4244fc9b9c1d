"""Groups of pictures: group DRO, DFR, and the recipe of Waterbirds on made-up birds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from rationale_plugins import register
from rationale_plugins.methods._balancing import balanced_regression
from rationale_plugins.methods._logistic import path, regressions
from rationale_plugins.regularizers.group_dro import GroupDro, WorstGroups
from safetensors.torch import load_file

from rationale_cli.contracts import Outputs, Silent
from rationale_cli.engine.build import build
from rationale_cli.engine.configure import configure
from rationale_cli.engine.support import TrainingPictures
from rationale_cli.errors import InputError
from rationale_cli.recipe import Draft, from_mapping, from_sets, load_recipe
from rationale_cli.registry import Registry
from rationale_cli.reporting.cells import columns
from rationale_cli.reporting.tables import score_table
from rationale_cli.stages.estimate import run as estimate
from rationale_cli.stages.finetune import FinetuneRequest
from rationale_cli.stages.finetune import run as finetune
from rationale_cli.stages.grid import GridRequest, inspect
from rationale_cli.stages.grid import run as run_grid
from rationale_cli.stages.score import ScoreRequest
from rationale_cli.stages.score import run as score
from rationale_cli.stages.selection import parsed_selection

from ..interrupting import Stopping

REGISTRY = Registry.from_modules({"rationale": register})


def robust(term, logits, labels, groups):
    """The method's own loss with the term: what is minimised."""
    own = F.cross_entropy(logits, labels)
    return own + term(None, labels, Outputs(own, logits=logits), groups)


def test_the_loss_of_all_pictures_is_that_of_the_groups_by_their_weights():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(12, 3, generator=generator), torch.arange(12) % 3
    groups = torch.tensor([0] * 8 + [1] * 3 + [2])
    term = WorstGroups([8, 3, 1], GroupDro.Options(step_size=0.5))
    losses = F.cross_entropy(logits, labels, reduction="none")
    means = torch.stack([losses[groups == group].mean() for group in range(3)])
    for steps in (1, 2):
        q = (0.5 * steps * means).softmax(dim=0)
        assert robust(term, logits, labels, groups).item() == pytest.approx(
            (q * means).sum().item(), abs=1e-5
        )
    adjusted = WorstGroups([8, 3, 1], GroupDro.Options(step_size=1, adjustment=2))
    robust(adjusted, logits, labels, groups)
    wanted = means + 2 / torch.tensor([8.0, 3, 1]).sqrt()
    assert torch.allclose(adjusted.kept()["log_weights"], wanted, atol=1e-5)


def test_batches_agree_with_all_pictures_in_the_mean():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(12, 3, generator=generator), torch.arange(12) % 3
    groups = torch.tensor([0] * 8 + [1] * 3 + [2])

    def still(rows):
        term = WorstGroups([8, 3, 1], GroupDro.Options(step_size=1e-9))
        return robust(term, logits[rows], labels[rows], groups[rows]).item()

    whole = still(torch.arange(12))
    parts = torch.randperm(12, generator=generator).split(4)
    assert np.mean([still(rows) for rows in parts]) == pytest.approx(whole, abs=1e-5)


def configured(method, *sets, **settings):
    given = {"model": "tiny-clip", "method": method, **settings}
    return configure(Draft(from_mapping(given, "test") | from_sets(sets)), REGISTRY)


SMALL = {"use": "scenes", "train_size": 24, "test_size": 24}


@pytest.mark.parametrize("method", ["lp", "ft"])
def test_an_interrupted_run_knows_the_groups_weights(tmp_path, method):
    """On cached features and on pictures; the state of the term goes on where it was."""
    train = {"batch_size": 12, "epochs": 2}
    rule = {"use": "group-dro", "step_size": 0.5}
    given = configured(method, dataset=SMALL, train=train, regularizer=rule)
    whole = load_file(finetune(FinetuneRequest(given, tmp_path, "whole")).run.checkpoint)
    with pytest.raises(KeyboardInterrupt):
        finetune(FinetuneRequest(given, tmp_path, "halved"), Stopping(3))
    again = finetune(FinetuneRequest(given, tmp_path, "halved"))
    assert again.trained.resumed
    resumed = load_file(again.run.checkpoint)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    plain = configured(method, dataset=SMALL, train=train)
    without = load_file(finetune(FinetuneRequest(plain, tmp_path, "plain")).run.checkpoint)
    assert not all(torch.equal(whole[name], without[name]) for name in whole)


def test_data_without_groups_are_refused(tmp_path):
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", (40, 30), (60 * label, 20 * index, 9)).save(
                tmp_path / "data" / name / f"{index}.png"
            )
    folder = {"use": "folder", "root": str(tmp_path / "data")}
    given = configured("lp", dataset=folder, regularizer="group-dro")
    with pytest.raises(InputError, match="the split 'train' does not"):
        finetune(FinetuneRequest(given, tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def shortcut(n, seed, tied):
    """Features, labels, groups: a noisy cause, and a clear companion that goes with it in most pictures."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    places = np.where(rng.random(n) < tied, labels, 1 - labels)
    cause, companion = labels + 0.6 * rng.standard_normal(n), 3 * places + 0.3 * rng.standard_normal(n)
    features = torch.tensor(np.stack([cause, companion, rng.standard_normal(n)], axis=1), dtype=torch.float32)
    return (features, torch.tensor(labels)), torch.tensor(2 * labels + places)


def worst(fit, seed=1):
    given, groups = shortcut(2000, seed, 0.5)
    right = (F.linear(given[0], fit.weight, fit.bias).argmax(dim=1) == given[1]).double()
    return min(right[groups == group].mean().item() for group in range(4))


def test_balanced_regressions_do_without_the_companion():
    given, groups = shortcut(600, 0, 0.95)
    *_, plain = regressions(given, 2, path(7))
    torch.manual_seed(0)
    found = balanced_regression(given, groups, 2, 7, 5)
    assert found.of_each == min(int((groups == group).sum()) for group in range(4))
    assert worst(found) > worst(plain) + 0.15
    assert abs(found.weight[1, 1] - found.weight[0, 1]) < abs(plain.weight[1, 1] - plain.weight[0, 1]) / 2


def test_one_picture_of_a_group_is_enough():
    given, _ = shortcut(8, 0, 0.5)
    found = balanced_regression(given, torch.arange(8), 2, 3, 2)
    assert found.of_each == 1
    assert found.weight.isfinite().all()


def test_a_split_is_held_out_whole_for_those_who_choose_on_it():
    def seen(method):
        built = build(configured(method, "train.validation=train-clean", dataset=SMALL))
        return TrainingPictures(built, torch.device("cpu"), Silent())

    support = seen("dfr")
    assert [support.size(part) for part in ("train", "validation")] == [24, 24]
    assert support.draw().validation == ()
    groups = support.groups("validation")
    assert groups is not None
    assert len(groups) == 24
    assert groups.max() + 1 == len(groups.unique()) > 12
    assert seen("ft").size("validation") == 0
    assert (
        configured("dfr", dataset=SMALL).digest()
        != configured("dfr", "train.validation=train-clean", dataset=SMALL).digest()
    )


OUTLINES, BIRDS = "segmentations", "waterbirds"


@pytest.fixture(scope="module")
def birds(tmp_path_factory) -> Path:
    """A folder of data with Waterbirds in its own layout, small: each group in each split."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    lines = ["img_id,img_filename,y,split,place,place_filename"]
    counts = {
        0: {(0, 0): 6, (0, 1): 2, (1, 0): 2, (1, 1): 6},
        1: dict.fromkeys(((0, 0), (0, 1), (1, 0), (1, 1)), 3),
    }
    counts[2] = dict.fromkeys(counts[1], 10)
    for split, groups in counts.items():
        for (label, place), count in groups.items():
            for _ in range(count):
                name = f"00{label}.Kind/Bird_{len(lines):04d}"
                lines.append(f"{len(lines)},{name}.jpg,{label},{split},{place},-")
                pixels = rng.integers(0, 90, (32, 32, 3), dtype=np.uint8) + np.uint8(80 * place)
                pixels[8:24, 8:24, label] = 250
                outline = np.zeros((32, 32), np.uint8)
                outline[8:24, 8:24] = 255
                for root, kind, ending in ((BIRDS, pixels, "jpg"), (OUTLINES, outline, "png")):
                    file = folder / root / f"{name}.{ending}"
                    file.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(kind).save(file)
    (folder / BIRDS / "metadata.csv").write_text("\n".join(lines) + "\n")
    (folder / OUTLINES).rename(folder / BIRDS / OUTLINES)
    return folder


QUICK = (
    "model.use=tiny-clip",
    "model.weights=none",
    "train.epochs=1",
    "train.batch_size=8",
    "explain.audit=false",
    "explain.further=raw-attention",
)


def test_the_recipe_of_waterbirds(birds, tmp_path):
    recipe = load_recipe("waterbirds")
    overrides = from_sets(QUICK)
    dry = estimate(inspect(GridRequest(recipe, REGISTRY, overrides, tmp_path, birds)), REGISTRY)
    tuned = {(one.cell.axes["method"], one.cell.axes["regularizer"]): one.work.tune for one in dry.cells}
    rivals = ("none", "gaa-mass", "evidence-anchor", "text-guided", "group-dro")
    assert [tuned["ft", one] for one in rivals] == [16] * 5
    assert (tuned["zs", "none"], tuned["dfr", "none"], tuned["lp", "none"]) == (0, 16, 16)
    assert not [text for one in dry.cells for text in one.missing]
    only = parsed_selection(["seed=0", "method=zs+dfr"])
    done = run_grid(GridRequest(recipe, REGISTRY, overrides, tmp_path, birds, only))
    assert not done.failures
    found = {run.path: run.manifest["training"].get("found") for run in done.runs}
    (chosen,) = [one for one in found.values() if one and "groups" in one]
    assert (chosen["groups"], chosen["pictures_of_each_group"]) == (4, 3)
    (table,) = score(ScoreRequest(done.runs)).tables
    for row in table.rows:
        assert {one.name for one in row.groups} == {
            f"{bird}-{place}" for bird in ("landbird", "waterbird") for place in ("land", "water")
        }
        assert row.metrics["worst_group"].n == 10
        assert row.metrics["worst_group"].value == min(one.accuracy.value for one in row.groups)
    assert [column.key for column in columns(table)][:2] == ["accuracy", "worst_group"]
    shown = score_table(table)
    assert shown.columns[1] == "worst group"
    assert any(line.startswith("Worst group: the lowest accuracy") for line in shown.legend)
    kept = json.loads((done.runs[0].path / "scores.json").read_text())
    assert kept["tables"][0]["rows"][0]["groups"][0]["name"]
