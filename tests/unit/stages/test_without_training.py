"""What trains nothing needs no training split."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rationale_cli import explain, finetune
from rationale_cli.errors import InputError


@pytest.fixture
def held_out(tmp_path):
    """A folder that has a test split alone."""
    for label, name in enumerate(("disc", "square")):
        folder = tmp_path / "data" / "test" / name
        folder.mkdir(parents=True)
        for index in range(2):
            pixels = np.random.default_rng(4 * label + index).integers(0, 255, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{index}.png")
    return {"dataset": {"use": "folder", "root": str(tmp_path / "data")}, "model.weights": "none"}


def test_zero_shot_on_a_test_split_alone(held_out, tmp_path):
    run = finetune({**held_out, "method": "zs"}, root=tmp_path)
    explain(run, {"explain.audit": False, "explain.witness": False})
    assert len(run.evidence("test")["gaa-last-dot"].table) == 4


def test_training_asks_for_its_split(held_out, tmp_path):
    with pytest.raises(InputError, match="train"):
        finetune({**held_out, "method": "lp"}, root=tmp_path)


def test_zero_shot_is_one_run_however_others_are_trained(held_out, tmp_path):
    settings = {**held_out, "method": "zs"}
    first = finetune(settings, root=tmp_path)
    assert (
        finetune({**settings, "train.split": "val", "train.optimizer": "adamw"}, root=tmp_path).path
        == first.path
    )
    # Random weights follow the seed.
    assert finetune({**settings, "train.seed": 1}, root=tmp_path).path != first.path
