"""Tuned on the first half of the classes, judged on both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rationale_cli import explain, finetune, report, score
from rationale_cli.engine.base_to_new import BaseToNew
from rationale_cli.errors import InputError
from rationale_cli.runs.folder import Run
from rationale_cli.testing import ToyDataset

SCENES = {"dataset": {"use": "scenes", "train_size": 48, "test_size": 48, "classes": "base-to-new"}}
QUICK = {"explain.audit": False, "explain.witness": False}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    folder = tmp_path_factory.mktemp("runs")
    return lambda **settings: finetune(
        {"model": "tiny-clip", "train.epochs": 1, **SCENES, **settings}, root=folder
    )


def test_each_half_is_judged_by_its_own_names(tuned) -> None:
    run = explain(tuned(method="zs"), QUICK)
    assert run.configuration["dataset"]["options"]["classes"] == "base-to-new"
    splits = [one for one in run.splits() if one.startswith("test")]
    assert splits == ["test-base", "test-new"]
    base, new = (run.evidence(one)["gaa-last-dot"] for one in splits)
    assert len(base.spec.classnames) == len(new.spec.classnames) == 6
    assert not set(base.spec.classnames) & set(new.spec.classnames)
    assert base.spec.classnames == tuple(run.manifest["classnames"])
    assert len(base.table) + len(new.table) == 48
    for one in (base, new):
        assert set(one.table.label) <= set(range(6))
        assert np.mean(one.table.prediction == one.table.label) > 0.5
    tables = {table.split: table for table in score([run]).tables}
    assert tables["test-new"].chance == pytest.approx(1 / 6)


@pytest.mark.parametrize("method", ["flcp", "coop", "clip-adapter"])
def test_what_classifies_by_names_knows_new_ones(method, tuned) -> None:
    run = explain(tuned(method=method), QUICK | {"explain.splits": ["test-new"]})
    table = run.evidence("test-new")["gaa-last-dot"].table
    # One pass over 48 pictures leaves most of what the names say as it was; guessing is a sixth.
    assert np.mean(table.prediction == table.label) > 0.4


def test_a_linear_head_has_no_new_classes(tuned) -> None:
    run = explain(tuned(method="lp"), QUICK)
    assert "test-base" in run.splits()
    assert "test-new" not in run.splits()
    with pytest.raises(InputError, match="'lp' makes no class vectors from names"):
        explain(run, QUICK | {"explain.splits": ["test-new"]})


def test_a_bad_choice_is_told(tuned) -> None:
    with pytest.raises(InputError, match=r"dataset\.classes: Expected all or base-to-new but got 'half'"):
        tuned(method="zs", dataset={"use": "scenes", "classes": "half"})


def test_the_halves_are_a_dataset() -> None:
    whole = ToyDataset()
    divided = BaseToNew(whole)
    for name in divided.splits:
        split = divided.split(name)
        for place, identifier in enumerate(split.ids):
            sample = split[place]
            own = whole.split(name.rpartition("-")[0] if name not in whole.splits else name)
            before = own[list(own.ids).index(identifier)]
            assert divided.task_of(name).classnames[sample.label] == whole.task.classnames[before.label]
    with pytest.raises(InputError, match="one of the splits"):
        divided.split("elsewhere")
    names = whole.task.classnames
    assert divided.task.classnames == names[: (len(names) + 1) // 2]
    assert divided.fingerprint != whole.fingerprint


def test_halves_stand_side_by_side(tuned, tmp_path) -> None:
    run = explain(tuned(method="zs"), QUICK)
    one = next(one for one in score([run]).halves if one.split == "test")
    assert one.run == run.name
    base, new = one.base["accuracy"].value, one.new["accuracy"].value
    assert one.H.value == pytest.approx(2 * base * new / (base + new))
    mean_error = one.ECE
    assert mean_error * 2 == pytest.approx(one.base["ECE"].value + one.new["ECE"].value)
    page = report([run], tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'id="base-new"' in page
