"""One run explained on pictures shown in several ways."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rationale_cli import explain, finetune, score
from rationale_cli.engine.request import requested
from rationale_cli.errors import InputError
from rationale_cli.recipe import from_mapping
from rationale_cli.registry import Registry
from rationale_cli.runs.folder import Run
from rationale_cli.stages.explain import run as explain_stage

SCENES = {"dataset.train_size": 32, "dataset.test_size": 24, "dataset.use": "scenes"}
QUICK = {"explain.audit": False, "explain.witness": False, "explain.splits": ["test"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    return finetune({"model": "tiny-clip", "method": "zs", **SCENES}, name="zs", root=folder)


def test_corruptions_stand_beside_the_pictures_as_they_are(run: Run) -> None:
    explain(run, QUICK | {"explain.corrupt": ["gaussian_noise:5", "fog:1"]})
    assert [one for one in run.splits() if "view" not in one and "@" not in one] == [
        "test",
        "test+fog-1",
        "test+gaussian_noise-5",
    ]
    clean, noisy = (run.evidence(one)["gaa-last-dot"] for one in ("test", "test+gaussian_noise-5"))
    assert list(clean.table.id) == list(noisy.table.id)
    assert np.array_equal(clean.table.area, noisy.table.area)
    assert not np.array_equal(clean.heatmaps(), noisy.heatmaps())
    assert noisy.spec.shown["corruption"] == "gaussian_noise"
    assert (noisy.spec.shown["severity"], clean.spec.shown["severity"]) == (5, 0)
    assert noisy.spec.split == "test+gaussian_noise-5"


def test_the_predicted_class_has_evidence_of_its_own(run: Run) -> None:
    explain(run, QUICK)
    explain(run, QUICK | {"explain.target": "prediction"})
    label, prediction = (run.evidence("test")[f"gaa-last-dot{of}"] for of in ("", "@prediction"))
    right = label.table.prediction == label.table.label
    same = np.isclose(label.table.rma, prediction.table.rma, equal_nan=True)
    assert same[right].all()
    assert not same[~right].all()


def test_what_only_an_audit_reads_gets_no_table_until_somebody_asks_for_it(run: Run) -> None:
    settings = QUICK | {"explain.limit": 2, "view.crop": 0.5}
    request = requested(run, Registry.discover(), from_mapping(settings, "test"))
    before = run.splits()
    explain_stage(replace(request, aside=True))
    assert run.splits() == before
    explain(run, settings)
    (name,) = set(run.splits()) - set(before)
    assert name.startswith("test+view-")
    explain_stage(replace(request, aside=True))
    assert name in run.splits()
    shutil.rmtree(run.path / "evidence" / name)


def test_the_reference_protocol_sees_the_pictures_otherwise(run: Run) -> None:
    explain(run, QUICK | {"protocol": "reference"})
    (name,) = (one for one in run.splits() if one.startswith("test+view-"))
    (spec,) = (one.spec for one in run.evidence(name).values())
    assert spec.name == "gaa-reference-native"
    assert spec.preprocessing["mean"] == [0.485, 0.456, 0.406]
    assert spec.preprocessing["interpolation"] == "bilinear"
    assert spec.no_evidence == "valid"


def test_a_choice_wins_over_the_protocol(run: Run) -> None:
    explain(run, QUICK | {"protocol": "reference", "explain.layers": ["all"], "view.normalise": "model"})
    specs = [set_.spec for name in run.splits() for set_ in run.evidence(name).values()]
    (spec,) = (one for one in specs if (one.layers, one.scalar) == ("all", "native"))
    assert spec.preprocessing["mean"] != [0.485, 0.456, 0.406]


def test_a_further_dataset_of_the_same_classes(run: Run) -> None:
    explain(run, QUICK | {"shift": {"use": "scenes", "seed": 7, "train_size": 8, "test_size": 12}})
    own, further = (run.evidence(one)["gaa-last-dot"] for one in ("test", "scenes@test"))
    assert len(further.table) == 12
    assert further.spec.fingerprint != own.spec.fingerprint
    assert further.spec.shown["further"]
    tables = {table.split for table in score([run]).tables}
    assert {"test", "scenes@test"} <= tables


def test_other_classes_of_a_further_dataset_are_predicted_by_their_names(run: Run, tmp_path: Path) -> None:
    for kind in ("ant", "bee"):
        (tmp_path / "test" / kind).mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(tmp_path / "test" / kind / "a.png")
    further = QUICK | {"shift": {"use": "folder", "root": str(tmp_path)}}
    explain(run, further)
    assert run.evidence("folder@test")["gaa-last-dot"].spec.classnames == ("ant", "bee")
    linear = {"model": "tiny-clip", "method": "lp", "train.epochs": 0, **SCENES}
    with pytest.raises(InputError, match="classes that the run knows but got 'ant'"):
        explain(finetune(linear, root=run.path.parent), further)


def test_an_unknown_protocol_is_told(run: Run) -> None:
    with pytest.raises(InputError, match=r"unknown protocol 'refrence'\. Did you mean 'reference'"):
        explain(run, QUICK | {"protocol": "refrence"})


def test_half_precision_works_without_a_gpu(run: Run) -> None:
    explain(run, QUICK)
    explain(run, QUICK | {"explain.precision": "fp16", "explain.scalar": ["native"]})
    half = run.evidence("test")["gaa-last-native@fp16"]
    assert half.spec.precision == "fp16"
    full = run.evidence("test")["gaa-last-dot"]
    assert np.mean(half.table.prediction == full.table.prediction) > 0.9
