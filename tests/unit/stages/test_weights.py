"""A run knows the file that its weights came from, and refuses another."""

from __future__ import annotations

import hashlib
import shutil

import pytest
import torch
import yaml
from rationale_plugins.models.tiny_clip import SHIPPED
from safetensors.torch import load_file, save_file

from rationale_cli import explain, finetune
from rationale_cli.errors import InputError


@pytest.fixture
def run(tmp_path):
    file = tmp_path / "mine.safetensors"
    shutil.copy(SHIPPED, file)
    settings = {
        "model": {"use": "tiny-clip", "weights": str(file)},
        "method": "lp",
        "dataset": {"use": "scenes", "train_size": 24, "test_size": 12},
        "train.epochs": 1,
    }
    return finetune(settings, root=tmp_path, name="mine"), file


SHORT = {"explain.splits": ["test"], "explain.witness": False, "explain.audit": False}


def test_the_record_tells_the_file(run):
    made, file = run
    record = yaml.safe_load((made.path / "run.yaml").read_text())["provenance"]["weights_files"]
    assert record == {
        "mine.safetensors": {
            "path": str(file),
            "size": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
    }


def test_the_same_file_is_taken(run):
    made, _ = run
    assert explain(made, SHORT).splits() == ["test"]


def test_another_file_at_its_place_is_refused(run):
    made, file = run
    tensors = load_file(file)
    tensors["image.cls"] = tensors["image.cls"] + torch.tensor(0.5, dtype=tensors["image.cls"].dtype)
    save_file(tensors, file)
    with pytest.raises(InputError, match="weights that this run started from"):
        explain(made, SHORT)
