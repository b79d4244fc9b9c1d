"""The suite of formats passes what keeps the contract and catches what breaks it."""

from __future__ import annotations

import pytest
import torch
from rationale_plugins.formats.heads import LinearFormat
from rationale_plugins.methods.linear_probe import LinearProbe

from rationale_cli.contracts import Restored
from rationale_cli.testing import FakeModel, ToyDataset, check_format


def head():
    return {"fc.weight": torch.randn(3, 16), "fc.bias": torch.randn(3)}


def check(layout):
    check_format(layout, head(), LinearProbe, FakeModel(), ToyDataset().task)


class Changed(LinearFormat):
    """A linear head, and what becomes of its tensors."""

    def restore(self, checkpoint, fitted, task):
        return Restored(self.changed(dict(super().restore(checkpoint, fitted, task).tensors)))


class Foreign(Changed):
    """Names that are not the delta's."""

    def changed(self, tensors):
        return {f"my.{name}": one for name, one in tensors.items()}


class Misshapen(Changed):
    """A class too few."""

    def changed(self, tensors):
        return {name: one[:-1] for name, one in tensors.items()}


class Drawn(Changed):
    """Other numbers each time."""

    def changed(self, tensors):
        return {name: one + torch.randn_like(one) for name, one in tensors.items()}


class Spoiling(Changed):
    """Works on the file's own tensors."""

    def changed(self, tensors):
        return {name: one.clamp_(max=0) for name, one in tensors.items()}


class Everything(LinearFormat):
    """Knows any file."""

    def knows(self, names):
        return True


def test_a_format_that_keeps_the_contract():
    check(LinearFormat())


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        (Foreign, "tensors of the delta alone, not my.head.bias"),
        (Misshapen, "the delta's shapes, but not so head.bias"),
        (Drawn, "the same tensors twice"),
        (Spoiling, "leave the tensors of the file"),
        (Everything, "a file without tensors"),
    ],
)
def test_what_breaks_it_is_told(layout, told):
    with pytest.raises(AssertionError, match=told):
        check(layout())
