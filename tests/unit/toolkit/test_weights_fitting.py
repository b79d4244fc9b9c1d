"""Tensors into a module, and the identity of what is in it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import fingerprint, load


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def test_it_is_loaded_in_the_module_s_own_precision():
    given = {name: tensor.double() for name, tensor in net(1).state_dict().items()}
    module = net(2)
    load(module, given, where="file")
    assert module[0].weight.dtype == torch.float32
    assert fingerprint(module) == fingerprint(net(1))


def test_misfits_are_listed_and_nothing_is_loaded():
    module, tensors = net(2), dict(net(1).state_dict())
    del tensors["1.bias"]
    tensors["extra"] = torch.tensor(1.0)
    tensors["0.weight"] = torch.zeros(3, 4)
    with pytest.raises(InputError) as caught:
        load(module, tensors, where="some.pt")
    first, *rows = caught.value.what.splitlines()
    assert "3 of 4 tensors do not fit (1 missing, 1 unexpected, 1 of another shape)" in first
    assert [row.split() for row in rows] == [
        ["tensor", "expected", "got"],
        ["0.weight", "4×3", "3×4"],
        ["1.bias", "2", "–"],
        ["extra", "–", "scalar"],
    ]
    assert caught.value.where == "some.pt"
    assert fingerprint(module) == fingerprint(net(2))


def test_a_long_table_is_cut():
    given = {f"extra.{index}": torch.zeros(1) for index in range(40)}
    with pytest.raises(InputError, match=r"… and 32 more"):
        load(net(), given, where="some.pt")


def test_a_fingerprint_changes_with_values_names_and_shapes():
    assert fingerprint(net(1)) == fingerprint(net(1))
    others = [net(2), nn.Sequential(*net(1), nn.ReLU(), nn.Linear(1, 1)), net(1).half()]
    assert len({fingerprint(one) for one in (net(1), *others)}) == 4
