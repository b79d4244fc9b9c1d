"""What there is: list, info, env and validate."""

from __future__ import annotations

import json
import subprocess

import pytest
from typer.testing import CliRunner

from rationale_cli.cli import info
from rationale_cli.cli.app import app
from rationale_cli.engine.configure import configure
from rationale_cli.recipe import Draft, from_mapping
from rationale_cli.recipe.text import parse_yaml
from rationale_cli.registry import Registry

from .conftest import ENVIRONMENT, arguments

REGISTRY = Registry.discover()
KINDS = ["models", "methods", "attributions", "datasets", "regularizers", "formats"]
OURS = [(one.kind, one.qualified) for one in REGISTRY.plugins if one.distribution == "rationale"]
EVERY = [one for one in OURS if one[0] != "format"]


def invoked(*words, code=0):
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def test_list_json_is_one_document(rationale, tmp_path):
    outcome = rationale("list", "--json")
    assert outcome.stderr == ""
    found = json.loads(outcome.stdout)
    assert list(found) == [*KINDS, "recipes", "runs"]
    assert {"zs", "lp", "flcp", "ft"} <= {one["name"] for one in found["methods"]}
    assert found["runs"] == []


@pytest.mark.parametrize("kind", [*KINDS, "recipes", "runs"])
def test_list_of_one_kind(tmp_path, kind):
    found = json.loads(invoked("list", kind, "--json", "--runs-dir", str(tmp_path)).stdout)
    assert list(found) == [kind]


def test_list_shows_runs_and_passes_over_broken_ones(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.yaml").write_text("[]")
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "run.yaml").write_text("{schema: 1, status: done, configuration: {}}")
    rows = json.loads(invoked("list", "runs", "--json", "--runs-dir", str(tmp_path)).stdout)["runs"]
    summaries = {one["name"]: one["summary"] for one in rows}
    assert summaries["good"] == "done"
    assert summaries["bad"].startswith("cannot be read")


def test_list_tells_names_and_what_they_are():
    text = invoked("list", "methods").stdout
    assert "lp" in text
    assert "Linear probe" in text


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    with subprocess.Popen(
        arguments("list", "--json"),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        told = process.stderr.read()
        code = process.wait()
    assert told == ""
    assert code == 1


def test_an_unknown_kind_is_bad_input():
    assert invoked("list", "method", code=2).exit_code == 2


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=lambda value: value.replace(":", "-"))
def test_the_recipe_of_info_is_the_plugins_defaults(kind, name):
    facts = info.plugin_facts(kind, name)
    assert facts["description"]
    if any(one["required"] for one in facts["options"]):
        assert "# required" in facts["recipe"]
        return
    # Layers of an explanation belong to `explain`; a model may recommend other rates than the method's own.
    # A regularizer goes with a method that offers what it needs, and lora with a model that answers.
    others = {"method": "maple"} if kind == "regularizer" else {}
    if name == "rationale:lora":
        others = {"model": "tiny-chat"}
    draft = Draft(from_mapping({**others, **parse_yaml(facts["recipe"], "info")}, "info"))
    configuration = configure(draft, REGISTRY)
    chosen = configuration.regularizers[0] if kind == "regularizer" else getattr(configuration, kind)
    assert chosen.name == name
    assert chosen.options == chosen.plugin.Options()


@pytest.mark.parametrize("name", [name for kind, name in OURS if kind == "format"])
def test_info_of_a_format_tells_by_what_it_is_known(name):
    facts = json.loads(invoked("info", "format", name, "--json").stdout)
    assert facts["description"]
    assert {REGISTRY.find("method", one).qualified for one in facts["methods"]} == set(facts["methods"])
    assert "Known by: " in invoked("info", "format", name).stdout


@pytest.mark.parametrize("name", ["train", "explain"])
def test_info_of_a_section(name):
    facts = json.loads(invoked("info", "section", name, "--json").stdout)
    assert all(one["description"] for one in facts["options"])
    configure(Draft(from_mapping(parse_yaml(facts["recipe"], "info"), "info")), REGISTRY)


def test_info_prints_a_table_and_a_recipe():
    text = invoked("info", "method", "ft").stdout
    assert "Option" in text
    assert "Learning rate" in text
    assert "method:\n  use: ft\n  lr: 1.0e-05" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("method", "fft"), "Did you mean 'ft'"),
        (("section", "trian"), "Did you mean 'train'"),
        (("recipe", "nothing-like-it"), "none called"),
    ],
)
def test_info_of_nothing_is_bad_input(words, told):
    assert told in invoked("info", *words, code=2).stderr


def test_env_tells_what_a_bug_report_needs(rationale):
    facts = json.loads(rationale("env", "--json").stdout)
    assert {"versions", "devices", "caches", "variables", "plugins", "missing"} == set(facts)
    assert facts["versions"]["torch"]
    assert facts["plugins"]["broken"] == []


def test_env_can_be_read():
    text = invoked("env").stdout
    assert "Versions" in text
    assert "rationale:tiny-clip" in text


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


GRID = "model: tiny-clip\ntrain: {epochs: 1}\ngrid:\n  method: [zs, lp]\n  train.seed: [0, 1]\n"


def test_validate_tells_the_runs(recipe):
    text = invoked("validate", recipe(GRID)).stdout
    assert "sound, 4 run(s)" in text
    assert "method=lp, train.seed=1" in text


def test_validate_reads_no_weight(recipe, tmp_path):
    """A file of weights that is none is not looked into."""
    text = invoked("validate", recipe(GRID), "--set", f"model.weights={tmp_path / 'none.safetensors'}").stdout
    assert "sound" in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("method: {use: ft, lrr: 1}\n", ["method.lrr: unknown option", "Did you mean 'lr'", "mine.yaml"]),
        ("grid: {method: [lp, fft]}\n", ["method.use: Unknown method 'fft'", "grid of mine.yaml"]),
        ("dataset: {use: folder, root: not-there}\n", ["not-there"]),
        ("train: {split: trian}\n", ["train.split: dataset 'scenes' has no split 'trian'", "'train'"]),
        ("explain: {splits: tset}\n", ["explain.splits: dataset 'scenes' has no split 'tset'", "'test'"]),
        ("nonsense: 1\n", ["nonsense: unknown key of a recipe"]),
    ],
)
def test_validate_names_what_is_wrong(recipe, text, told):
    stderr = invoked("validate", recipe(text), code=2).stderr
    for part in told:
        assert part in stderr


def test_a_flag_and_a_set_on_one_key_are_refused(rationale):
    outcome = rationale("finetune", "--lr", "1e-3", "--set", "method.lr=1e-4", code=2)
    assert "method.lr is given twice: by --lr and by --set" in outcome.stderr


def test_data_for_a_dataset_that_reads_no_folder_is_refused(rationale):
    outcome = rationale("finetune", "--data", "somewhere", code=2)
    assert "dataset.root: unknown option of dataset 'scenes'" in outcome.stderr
    assert "--dataset folder" in outcome.stderr
