"""Plugins that do everything wrong, and a command that goes on without them."""

from __future__ import annotations

import json

import pytest

from .environments import VirtualEnvironment

REGISTER = """
from rationale_cli.hooks import Entry, hookimpl

@hookimpl
def rationale_methods():
    return [{entries}]
"""

METHODS = '''
from rationale_cli.contracts import MethodOptions, PluginOptions


class Incomplete:
    """Has no build."""

    Options = MethodOptions
    needs = ()


class Whole(Incomplete):
    """Has everything the class must show."""

    def build(self, model, task):
        raise NotImplementedError
'''


def register(*entries: str) -> str:
    return REGISTER.format(entries=", ".join(entries))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    made = VirtualEnvironment.create(tmp_path_factory.mktemp("broken") / "environment")
    made.add("raises-at-import", {"p_raises.py": "raise RuntimeError('it is broken')"}, "p_raises")
    made.add("is-not-there", {}, "p_not_there")
    hook = register("Entry('never', 'a:B', '')") + "    raise AssertionError\n"
    hook = hook.replace("    return", "    raise ValueError('no entries today')\n    return")
    made.add("raises-in-hook", {"p_hook.py": hook}, "p_hook")
    misspelt = register("Entry('lost', 'a:B', '')").replace("rationale_methods", "rationale_method")
    made.add("misspells-a-hook", {"p_misspelt.py": misspelt}, "p_misspelt")
    wanting = "Entry('wanting', 'p_methods:Whole', 'needs more', ('no-such-thing-xyz>=2',))"
    made.add("misses-a-dependency", {"p_wanting.py": register(wanting)}, "p_wanting")
    importing = "Entry('importing', 'p_importing:Whole', 'imports what is not there')"
    files = {"p_importing_register.py": register(importing), "p_importing.py": "import no_such_module_xyz"}
    made.add("imports-too-much", files, "p_importing_register")
    incomplete = "Entry('incomplete', 'p_methods:Incomplete', 'lacks build')"
    made.add("lacks-a-method", {"p_methods.py": METHODS, "p_lacks.py": register(incomplete)}, "p_lacks")
    again = "Entry('ft', 'p_methods:Whole', 'another ft')"
    made.add("reuses-a-name", {"p_again.py": register(again)}, "p_again")
    return made


@pytest.fixture(scope="module")
def listed(environment, tmp_path_factory):
    return environment.rationale("list", "--plugins", "--json", cwd=tmp_path_factory.mktemp("list"))


def test_the_list_stands_and_names_each_of_them_in_one_line(listed):
    warnings = [line for line in listed.stderr.splitlines() if line.startswith("Warning: Broken plugin: ")]
    told = {
        "raises-at-import 1.0": "RuntimeError: it is broken",
        "is-not-there 1.0": "ModuleNotFoundError",
        "raises-in-hook 1.0": "rationale_methods raises: ValueError: no entries today",
        "misspells-a-hook 1.0": "unknown hook 'rationale_method'. Did you mean 'rationale_methods'?",
    }
    assert len(warnings) == len(told)
    for distribution, reason in told.items():
        assert any(distribution in line and reason in line for line in warnings), distribution


def test_the_list_shows_them_as_broken(listed):
    found = {one["name"]: one for one in json.loads(listed.stdout)["plugins"]}
    assert found["raises-at-import"]["broken"]
    assert found["misspells-a-hook"]["entries"] == 0
    assert found["rationale"]["broken"] == []


def test_a_missing_dependency_is_listed_with_what_it_misses(listed):
    methods = {one["name"]: one for one in json.loads(listed.stdout)["methods"]}
    assert methods["wanting"]["missing"] == ["no-such-thing-xyz>=2"]


def test_one_name_twice_is_listed_twice(listed):
    names = {one["name"] for one in json.loads(listed.stdout)["methods"]}
    assert {"rationale:ft", "reuses-a-name:ft", "lp"} <= names


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("wanting", ["not installed: no-such-thing-xyz>=2", "pip install 'no-such-thing-xyz>=2'"]),
        ("importing", ["cannot be imported: ModuleNotFoundError: No module named 'no_such_module_xyz'"]),
        ("incomplete", ["does not fulfil the contract: method 'build' is missing", "lacks-a-method 1.0"]),
        ("ft", ["'rationale:ft' and 'reuses-a-name:ft'", "distribution:name"]),
        ("raises-in-hook:never", ["no entries today"]),
        ("raises-at-import:x", ["it is broken"]),
        ("lost", ["Unknown method 'lost'", "rationale list --plugins"]),
    ],
)
def test_naming_one_stops_the_command_and_says_why(environment, tmp_path, name, told):
    refused = environment.rationale("info", "method", name, cwd=tmp_path, code=2)
    assert refused.stdout == ""
    for text in told:
        assert text in refused.stderr


def test_the_full_name_always_works(environment, tmp_path):
    for name in ("rationale:ft", "reuses-a-name:ft"):
        facts = json.loads(environment.rationale("info", "method", name, "--json", cwd=tmp_path).stdout)
        assert facts["qualified"] == name


def test_the_job_is_done_beside_them(environment, tmp_path):
    words = ("--weights", "none", "--method", "lp", "--epochs", "1", "--limit", "16", "--run", "mine")
    environment.rationale("finetune", *words, cwd=tmp_path)
    assert "status: done" in (tmp_path / "runs" / "mine" / "run.yaml").read_text()


def test_env_reports_them(environment, tmp_path):
    facts = json.loads(environment.rationale("env", "--json", cwd=tmp_path).stdout)
    assert len(facts["plugins"]["broken"]) == 4
    missing = {one["what"]: one["get"] for one in facts["missing"]}
    assert missing["method misses-a-dependency:wanting"] == "pip install 'no-such-thing-xyz>=2'"


def test_they_can_be_kept_out(environment, tmp_path):
    out = "raises-at-import,is-not-there,raises-in-hook,misspells-a-hook"
    quiet = environment.rationale("list", "methods", cwd=tmp_path, RATIONALE_DISABLE_PLUGINS=out)
    assert quiet.stderr == ""
