"""The examples in the documentation of the measures."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from rationale_cli import measures

MODULES = [module.name for module in pkgutil.iter_modules(measures.__path__, f"{measures.__name__}.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    found = doctest.DocTestFinder()
    tests = [test for name in MODULES for test in found.find(importlib.import_module(name)) if test.examples]
    assert len(tests) > 10
