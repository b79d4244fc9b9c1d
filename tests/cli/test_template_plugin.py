"""The plugin to copy, installed in an environment of its own and driven through the real command."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from .environments import VirtualEnvironment

PLUGINS = {
    "model": "pocket-vit",
    "method": "bias-tuning",
    "attribution": "saliency",
    "dataset": "stripes",
    "regularizer": "mirror",
}
"""Those with options."""
FORMAT = "class-means"

REPOSITORY = Path(__file__).resolve().parents[2]
HOW_TO = sorted((REPOSITORY / "docs" / "how-to").glob("add-a*.md"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> VirtualEnvironment:
    folder = tmp_path_factory.mktemp("template")
    # Built from a copy: the build leaves nothing in the working tree, whatever it does.
    source = shutil.copytree(REPOSITORY / "plugins" / "template", folder / "source")
    made = VirtualEnvironment.create(folder / "environment")
    made.install(source)
    return made


def test_it_appears_in_the_list_with_its_distribution(template, tmp_path):
    found = json.loads(template.rationale("list", "--plugins", "--json", cwd=tmp_path).stdout)
    for kind, name in {**PLUGINS, "format": FORMAT}.items():
        entry = next(one for one in found[f"{kind}s"] if one["name"] == name)
        assert entry["qualified"] == f"rationale-template:{name}"
        assert entry["version"] == "0.1.0"
    distributions = {one["name"]: one for one in found["plugins"]}
    assert distributions["rationale-template"]["entries"] == 6
    assert distributions["rationale-template"]["broken"] == []
    assert distributions["rationale"]["entries"] > 10


@pytest.mark.parametrize("kind", PLUGINS)
def test_info_shows_documented_options_and_a_recipe(template, tmp_path, kind):
    facts = json.loads(template.rationale("info", kind, PLUGINS[kind], "--json", cwd=tmp_path).stdout)
    assert facts["distribution"] == "rationale-template"
    assert facts["options"]
    assert all(one["description"] for one in facts["options"])
    assert facts["recipe"].startswith(f"{kind}:\n  use: {PLUGINS[kind]}\n")


def test_it_tunes_and_explains(template, tmp_path):
    names = [
        word
        for kind in ("model", "method", "dataset", "regularizer")
        for word in (f"--{kind}", PLUGINS[kind])
    ]
    tuned = template.rationale(
        "finetune", *names, "--epochs", "1", "--set", "dataset.pictures=18", "--run", "mine", cwd=tmp_path
    )
    assert "mine" in tuned.stdout
    template.rationale("explain", "mine", "--attribution", "saliency,gaa", cwd=tmp_path)
    written = {path.parent.name for path in (tmp_path / "runs" / "mine").glob("evidence/test/*/spec.yaml")}
    assert {"saliency", "gaa-last-dot"} <= written
    recorded = (tmp_path / "runs" / "mine" / "run.yaml").read_text()
    assert "use: rationale-template:bias-tuning" in recorded
    assert "lr: 0.003" in recorded, "what the model recommends for the method"


def test_it_imports(template, tmp_path):
    torch.save({"means": torch.randn(12, 128)}, tmp_path / "means.pt")
    words = ("import", "means.pt", "--model", "tiny-clip", "--dataset", "scenes", "--json")
    facts = json.loads(template.rationale(*words, cwd=tmp_path).stdout)
    assert (facts["format"], facts["method"]) == (FORMAT, "rationale:lp")


def test_its_own_contract_tests_pass(template):
    alone = ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
    done = subprocess.run(
        [template.python, "-m", "pytest", "-q", *alone, "tests"],
        cwd=template.path.parent / "source",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_without_it_nothing_of_it_is_left(template, tmp_path):
    listed = template.rationale("list", cwd=tmp_path, RATIONALE_DISABLE_PLUGINS="rationale-template")
    assert "pocket-vit" not in listed.stdout
    refused = template.rationale(
        "info", "model", "pocket-vit", cwd=tmp_path, code=2, RATIONALE_DISABLE_PLUGINS="template"
    )
    assert "Unknown model 'pocket-vit'" in refused.stderr


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_the_guides_quote_the_template_word_by_word(page):
    sources = [
        path.read_text(encoding="utf-8") for path in (REPOSITORY / "plugins" / "template").rglob("*.py")
    ]
    quoted = blocks(page, "python")
    assert quoted
    for block in quoted:
        assert any(block in source for source in sources), block


@pytest.mark.slow
@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_the_guides_commands_work(template, tmp_path, page):
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        command, *words = shlex.split(line)
        assert command == "rationale"
        template.rationale(*words, cwd=tmp_path)


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_the_guides_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert targets
    for target in targets:
        assert (page.parent / target).exists(), target
