"""The plugin to copy, installed in an environment of its own and driven through the real command."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .environments import VirtualEnvironment

PLUGINS = {
    "model": "pocket-vit",
    "method": "bias-tuning",
    "attribution": "saliency",
    "dataset": "stripes",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> VirtualEnvironment:
    folder = tmp_path_factory.mktemp("template")
    # Built from a copy: the build leaves nothing in the working tree, whatever it does.
    source = shutil.copytree(repo / "plugins" / "template", folder / "source")
    made = VirtualEnvironment.create(folder / "environment")
    made.install(source)
    return made


def test_it_appears_in_the_list_with_its_distribution(environment, tmp_path):
    found = json.loads(environment.rationale("list", "--plugins", "--json", cwd=tmp_path).stdout)
    for kind, name in PLUGINS.items():
        entry = next(one for one in found[f"{kind}s"] if one["name"] == name)
        assert entry["qualified"] == f"rationale-template:{name}"
        assert entry["version"] == "0.1.0"
    distributions = {one["name"]: one for one in found["plugins"]}
    assert distributions["rationale-template"]["entries"] == 4
    assert distributions["rationale-template"]["broken"] == []
    assert distributions["rationale"]["entries"] > 10


@pytest.mark.parametrize("kind", PLUGINS)
def test_info_shows_documented_options_and_a_recipe(environment, tmp_path, kind):
    facts = json.loads(environment.rationale("info", kind, PLUGINS[kind], "--json", cwd=tmp_path).stdout)
    assert facts["distribution"] == "rationale-template"
    assert facts["options"]
    assert all(one["description"] for one in facts["options"])
    assert facts["recipe"].startswith(f"{kind}:\n  use: {PLUGINS[kind]}\n")


def test_it_tunes_and_explains(environment, tmp_path):
    names = [word for kind in ("model", "method", "dataset") for word in (f"--{kind}", PLUGINS[kind])]
    tuned = environment.rationale(
        "finetune", *names, "--epochs", "1", "--set", "dataset.pictures=18", "--run", "mine", cwd=tmp_path
    )
    assert "mine" in tuned.stdout
    environment.rationale("explain", "mine", "--attribution", "saliency,gaa", cwd=tmp_path)
    written = {path.parent.name for path in (tmp_path / "runs" / "mine").glob("evidence/test/*/spec.yaml")}
    assert {"saliency", "gaa-last-dot"} <= written
    recorded = (tmp_path / "runs" / "mine" / "run.yaml").read_text()
    assert "use: rationale-template:bias-tuning" in recorded
    assert "lr: 0.003" in recorded, "what the model recommends for the method"


def test_its_own_contract_tests_pass(environment, repo):
    done = subprocess.run(
        [environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
        + ["tests"],
        cwd=environment.path.parent / "source",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_without_it_nothing_of_it_is_left(environment, tmp_path):
    listed = environment.rationale("list", cwd=tmp_path, RATIONALE_DISABLE_PLUGINS="rationale-template")
    assert "pocket-vit" not in listed.stdout
    refused = environment.rationale(
        "info", "model", "pocket-vit", cwd=tmp_path, code=2, RATIONALE_DISABLE_PLUGINS="template"
    )
    assert "Unknown model 'pocket-vit'" in refused.stderr
