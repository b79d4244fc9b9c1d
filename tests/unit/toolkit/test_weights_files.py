"""Tensors from files of every kind; nothing in a file is executed."""

from __future__ import annotations

import argparse
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import read_safetensors, read_tensors

STATE = {"body.weight": torch.arange(6.0).reshape(2, 3), "scale": torch.tensor(0.5)}


def plain(path):
    torch.save(STATE, path)


def old_format(path):
    torch.save(STATE, path, _use_new_zipfile_serialization=False)


def under_state_dict(path):
    torch.save({"epoch": 3, "state_dict": STATE, "optimizer": {"lr": 0.1}}, path)


def under_model(path):
    torch.save({"model": STATE, "config": {"size": 224}}, path)


def of_a_parallel_module(path):
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in STATE.items()}}, path)


def with_parameters(path):
    torch.save({name: nn.Parameter(tensor) for name, tensor in STATE.items()}, path)


@pytest.mark.parametrize(
    "write", [plain, old_format, under_state_dict, under_model, of_a_parallel_module, with_parameters]
)
def test_what_torch_saves_is_read(tmp_path, write):
    write(tmp_path / "weights.pth")
    found = read_tensors(tmp_path / "weights.pth")
    assert found.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert torch.equal(found[name], tensor)


def test_shards_are_put_together_whatever_their_format(tmp_path):
    save_file({"body.weight": STATE["body.weight"]}, tmp_path / "1.safetensors")
    torch.save({"scale": STATE["scale"]}, tmp_path / "2.bin")
    found = read_tensors([tmp_path / "1.safetensors", tmp_path / "2.bin"])
    assert found.keys() == STATE.keys()


def test_a_tensor_in_two_shards_is_refused(tmp_path):
    plain(tmp_path / "1.pt")
    plain(tmp_path / "2.pt")
    with pytest.raises(InputError, match=r"'body\.weight' is there twice") as caught:
        read_tensors([tmp_path / "1.pt", tmp_path / "2.pt"])
    assert caught.value.where == str(tmp_path / "2.pt")


def test_no_files_hold_no_tensors():
    assert read_tensors(()) == {}


def test_what_is_ignored_may_hold_anything(tmp_path):
    torch.save({**STATE, "vocab_size": 49408, "context_length": torch.tensor(77)}, tmp_path / "weights.pt")
    found = read_tensors(tmp_path / "weights.pt", ignore=("vocab_size", "context_length"))
    assert found.keys() == STATE.keys()
    with pytest.raises(InputError, match="'vocab_size' is int"):
        read_tensors(tmp_path / "weights.pt")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def trapped(path, trap):
    torch.save({"state_dict": STATE, "trap": Trap(trap)}, path)


def trapped_in_the_old_format(path, trap):
    torch.save({"state_dict": STATE, "trap": Trap(trap)}, path, _use_new_zipfile_serialization=False)


def plain_pickle(path, trap):
    path.write_bytes(pickle.dumps({"state_dict": {}, "trap": Trap(trap)}, protocol=2))


def newer_pickle(path, trap):
    path.write_bytes(pickle.dumps({"state_dict": {}, "trap": Trap(trap)}, protocol=5))


@pytest.mark.parametrize("write", [trapped, trapped_in_the_old_format, plain_pickle, newer_pickle])
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path, write):
    path, trap = tmp_path / "weights.pt", tmp_path / "made"
    write(path, trap)
    with pytest.raises(InputError, match="asks for code to be run: it ") as caught:
        read_tensors(path)
    assert write is newer_pickle or "open" in caught.value.what
    assert "weights_only" not in str(caught.value)
    assert not trap.exists()
    assert caught.value.where == str(path)


def test_more_than_tensors_is_refused_with_what_it_is(tmp_path):
    torch.save({"model": STATE, "args": argparse.Namespace(lr=1)}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"it needs argparse\.Namespace"):
        read_tensors(tmp_path / "weights.pt")


def half(path):
    plain(path)
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (half, "could not read it"),
        (lambda path: path.write_bytes(b""), "could not read it"),
        (lambda path: path.write_text("<html>Log in first</html>"), "neither safetensors nor of torch.save"),
        (lambda path: path.mkdir(), "there is none"),
        (lambda path: None, "there is none"),
        (lambda path: torch.save([torch.zeros(2)], path), "a mapping of names to tensors but got list"),
        (lambda path: torch.save({}, path), "a mapping of names to tensors but got dict"),
        (lambda path: torch.save({"a": torch.zeros(2), "b": 3.5}, path), "'b' is float"),
    ],
)
def test_files_that_are_no_weights_are_refused(tmp_path, write, told):
    write(tmp_path / "weights.pt")
    with pytest.raises(InputError, match=told) as caught:
        read_tensors(tmp_path / "weights.pt")
    assert caught.value.where == str(tmp_path / "weights.pt")


@pytest.mark.parametrize("read", [read_safetensors, read_tensors])
def test_damaged_safetensors_are_refused(tmp_path, read):
    path = tmp_path / "weights.safetensors"
    save_file(STATE, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="a safetensors file but could not read it"):
        read(path)
