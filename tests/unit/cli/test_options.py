"""Flags as aliases of dotted keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from rationale_cli.cli.options import ALIASES, drafted, overrides
from rationale_cli.errors import InputError


def test_flags_and_sets_make_one_layer_with_origins():
    layer = overrides({"--model": "m", "--data": Path("d"), "--lr": None}, ["train.seed=3"])
    assert {key: (one.value, one.origin) for key, one in layer.items()} == {
        "model.use": ("m", "--model"),
        "dataset.root": (Path("d"), "--data"),
        "train.seed": ("3", "--set"),
    }


def test_a_flag_may_say_what_it_sets():
    assert overrides({"--batch-size=explain.batch_size": 8})["explain.batch_size"].origin == "--batch-size"


@pytest.mark.parametrize("flag", sorted(ALIASES))
def test_a_flag_and_a_set_on_one_key_are_refused(flag):
    with pytest.raises(InputError, match=f"given twice: by {flag} and by --set"):
        overrides({flag: "x"}, [f"{ALIASES[flag]}=y"])


def test_a_recipe_lies_beneath_the_flags(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("method: {use: ft, lr: 1}\ntrain: {epochs: 2}\n")
    draft = drafted(str(path), {"--lr": 0.5})
    assert draft.given["method.lr"].value == 0.5
    assert draft.given["train.epochs"].value == "2"


def test_a_grid_is_not_one_run(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("grid: {train.seed: [0, 1]}\n")
    with pytest.raises(InputError) as caught:
        drafted(str(path), {})
    assert caught.value.next_step == f"rationale run {path}"
