"""Discovery, isolation, names and loading of plugins."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from types import ModuleType

import pytest

from rationale_cli.contracts import PluginOptions
from rationale_cli.errors import PluginError
from rationale_cli.hooks import Entry, hookimpl
from rationale_cli.registry import DISABLE, Registry


class GoodMethod:
    Options = PluginOptions
    needs = ()

    def build(self, model, task):
        raise AssertionError("not called here")


class NoBuild:
    Options = PluginOptions
    needs = ()


class LooseOptions:
    Options = dict
    needs = ()

    def build(self, model, task):
        raise AssertionError("not called here")


@pytest.fixture(autouse=True)
def plugin_module(monkeypatch):
    module = ModuleType("fake_plugins")
    module.GoodMethod, module.NoBuild, module.LooseOptions = GoodMethod, NoBuild, LooseOptions
    module.value = 3
    monkeypatch.setitem(sys.modules, "fake_plugins", module)


def register(**hooks):
    module = ModuleType("fake_register")
    for name, returned in hooks.items():

        def hook(returned=returned):
            if isinstance(returned, Exception):
                raise returned
            return returned

        setattr(module, name, hookimpl(_without_arguments(hook)))
    return module


def _without_arguments(hook):
    def bare():
        return hook()

    return bare


def method(name="good", target="fake_plugins:GoodMethod", requires=()):
    return Entry(name, target, "a method", requires)


def test_entries_carry_where_they_come_from():
    registry = Registry.from_modules({"some-dist": register(rationale_methods=[method()])})
    (found,) = registry.entries("method")
    assert (found.name, found.distribution, found.qualified) == ("good", "some-dist", "some-dist:good")
    assert registry.entries("model") == []
    assert registry.problems() == []


def test_load_returns_the_class_by_either_name():
    registry = Registry.from_modules({"some-dist": register(rationale_methods=[method()])})
    assert registry.load("method", "good") is GoodMethod
    assert registry.load("method", "Some_Dist:good") is GoodMethod


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        ({"rationale_methods": RuntimeError("out of order\nsecond line")}, "RuntimeError: out of order"),
        ({"rationale_methods": ["not an entry"]}, "Expected Entry objects but got 'not an entry'"),
        ({"rationale_methods": None}, "TypeError"),
        ({"rationale_methods": [method(name="Bad Name")]}, "lower case"),
        ({"rationale_methods": [method(target="no-target")]}, "Expected a target"),
        ({"rationale_methods": [method(requires="numpy")]}, "tuple of requirements"),
        ({"rationale_method": []}, "unknown hook 'rationale_method'. Did you mean 'rationale_methods'?"),
        ({}, "registers nothing"),
    ],
)
def test_a_faulty_plugin_is_recorded_and_others_live(hooks, reason):
    modules = {"bad-dist": register(**hooks), "good-dist": register(rationale_methods=[method()])}
    registry = Registry.from_modules(modules)
    (problem,) = registry.problems()
    assert reason in problem
    assert "bad-dist" in problem
    assert "\n" not in problem
    assert registry.load("method", "good") is GoodMethod


def test_one_failing_hook_leaves_the_other_hooks_of_its_distribution():
    module = register(rationale_models=RuntimeError("no"), rationale_methods=[method()])
    registry = Registry.from_modules({"half": module})
    assert registry.load("method", "half:good") is GoodMethod
    assert len(registry.broken) == 1


def test_a_hook_with_arguments_of_its_own_is_told():
    module = ModuleType("fake_register")

    @hookimpl
    def rationale_methods(surprise):
        return []

    module.rationale_methods = rationale_methods
    registry = Registry.from_modules({"odd": module})
    assert "does not fit" in registry.problems()[0]


def test_a_hook_may_go_by_another_name():
    module = ModuleType("fake_register")
    module.mine = hookimpl(specname="rationale_methods")(lambda: [method()])
    registry = Registry.from_modules({"odd": module})
    assert registry.problems() == []
    assert registry.load("method", "good") is GoodMethod


def test_a_hook_without_its_marker_is_told():
    module = ModuleType("fake_register")
    module.rationale_methods = lambda: [method()]
    registry = Registry.from_modules({"odd": module})
    assert "rationale_methods lacks its @hookimpl" in registry.problems()[0]


def test_naming_a_broken_entry_tells_why():
    registry = Registry.from_modules({"bad": register(rationale_methods=[method(target="nowhere")])})
    with pytest.raises(PluginError, match="Expected a target"):
        registry.load("method", "good")


def test_naming_a_broken_distribution_tells_why():
    registry = Registry.from_modules({"bad": register(rationale_methods=RuntimeError("out of order"))})
    with pytest.raises(PluginError, match="out of order"):
        registry.find("method", "bad:anything")


def test_an_unknown_name_gets_a_suggestion():
    registry = Registry.from_modules({"d": register(rationale_methods=[method("probe"), method("tune")])})
    with pytest.raises(
        PluginError, match=r"Unknown method 'prob'. Did you mean 'probe'\? Known: probe, tune"
    ):
        registry.find("method", "prob")


def test_one_name_twice_is_listed_twice_and_must_be_qualified():
    registry = Registry.from_modules(
        {"one": register(rationale_methods=[method()]), "two": register(rationale_methods=[method()])}
    )
    assert [one.qualified for one in registry.entries("method")] == ["one:good", "two:good"]
    with pytest.raises(PluginError, match="'one:good' and 'two:good'"):
        registry.find("method", "good")
    assert registry.find("method", "two:good").distribution == "two"


def test_one_name_twice_in_one_distribution_is_a_fault():
    registry = Registry.from_modules({"one": register(rationale_methods=[method(), method()])})
    assert len(registry.entries("method")) == 1
    assert "registered twice" in registry.problems()[0]


def test_one_name_for_two_kinds_is_fine():
    module = register(rationale_methods=[method()], rationale_models=[method()])
    assert Registry.from_modules({"one": module}).problems() == []


def test_missing_requirements_come_with_the_pip_line():
    wanted = ("no-such-distribution-xyz>=2", "pytest>=1")
    registry = Registry.from_modules({"d": register(rationale_methods=[method(requires=wanted)])})
    with pytest.raises(PluginError) as caught:
        registry.load("method", "good")
    assert caught.value.next_step == "pip install 'no-such-distribution-xyz>=2'"


def test_a_requirement_of_the_wrong_version_is_missing():
    registry = Registry.from_modules({"d": register(rationale_methods=[method(requires=("pytest>=9999",))])})
    with pytest.raises(PluginError, match="pytest>=9999"):
        registry.load("method", "good")


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("no_such_module_xyz:Thing", "ModuleNotFoundError: No module named 'no_such_module_xyz'"),
        ("fake_plugins:Missing", "AttributeError"),
        ("fake_plugins:value", "Expected a class .* but got 3"),
        ("fake_plugins:NoBuild", "method 'build' is missing"),
        ("fake_plugins:LooseOptions", "'Options', a subclass of PluginOptions, is missing"),
    ],
)
def test_a_target_that_is_no_plugin_is_told_when_it_is_used(target, told):
    registry = Registry.from_modules({"d": register(rationale_methods=[method(target=target)])})
    assert registry.find("method", "good").entry.target == target
    with pytest.raises(PluginError, match=told):
        registry.load("method", "good")


class _Distribution:
    version = "1.2"

    def __init__(self, name):
        self.name = name


class _Point:
    """As much of an entry point as discovery reads."""

    def __init__(self, name, module, distribution):
        self.name, self.module, self.dist = name, module, _Distribution(distribution)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "good_register", register(rationale_methods=[method()]))
    points = [
        _Point("good", "good_register", "good-dist"),
        _Point("gone", "module_that_is_not_there", "gone-dist"),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)


def test_discovery_outlives_a_module_that_cannot_be_imported(installed):
    registry = Registry.discover()
    assert [one.qualified for one in registry.entries("method")] == ["good-dist:good"]
    (problem,) = registry.problems()
    assert "gone-dist 1.2" in problem
    assert "raises at import: ModuleNotFoundError" in problem


@pytest.mark.parametrize("blocked", ["Good_Dist", "good", "x, good-dist"])
def test_distributions_can_be_kept_out(installed, monkeypatch, blocked):
    monkeypatch.setenv(DISABLE, blocked)
    registry = Registry.discover()
    assert registry.entries("method") == []
    assert [one.distribution for one in registry.disabled] == ["good-dist"]


def test_the_built_ins_are_found_without_loading_what_they_need():
    code = (
        "import sys; from rationale_cli.registry import Registry; registry = Registry.discover();"
        "print(*[one.qualified for one in registry.plugins]);"
        "print({'torch', 'numpy', 'pydantic', 'open_clip'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, loaded = done.stdout.splitlines()
    assert {"rationale:tiny-clip", "rationale:ft", "rationale:gaa", "rationale:scenes"} <= set(names.split())
    assert loaded == "set()"
