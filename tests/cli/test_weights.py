"""``rationale weights`` in real processes, with a plugin whose weights a server on this machine publishes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rationale_cli.testing.fakes import FakeModel

from ..serving import serving
from .environments import VirtualEnvironment

REGISTER = """
from rationale_cli.hooks import Entry, hookimpl

@hookimpl
def rationale_models():
    return [
        Entry("served", "p_served:Served", "Weights from a server"),
        Entry("serving", "p_served:Family", "The same by its width", argument="width"),
        Entry("unpublished", "rationale_cli.testing.fakes:FakeModel", "No weights"),
    ]
"""
MODEL = '''
import os
from collections.abc import Mapping

from rationale_cli.contracts import Checkpoint
from rationale_cli.testing.fakes import FakeModel
from rationale_cli.toolkit.weights import load, locate, read_tensors


class Served(FakeModel):
    """A model with published weights."""

    class Options(FakeModel.Options):
        """With weights."""

        weights: str = "base"

    def __init__(self, options):
        super().__init__(options)
        for path in locate(options.weights, self.published(options), "served"):
            load(self, read_tensors(path), where=str(path))

    @classmethod
    def published(cls, options) -> Mapping[str, Checkpoint]:
        server = os.environ["P_SERVER"]
        return {
            "base": Checkpoint(f"{server}/base.pt", note=f"of width {options.width}"),
            "known": Checkpoint(f"{server}/known.pt", size=5_000_000_000),
            "hub": Checkpoint("hf://owner/net/model.safetensors"),
        }


class Family(Served):
    """A family."""
'''
COMMIT = "a" * 40


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    made = VirtualEnvironment.create(tmp_path_factory.mktemp("served") / "environment")
    made.add("serves-weights", {"p_served.py": MODEL, "p_register.py": REGISTER}, "p_register")
    return made


@pytest.fixture
def server():
    with serving() as running:
        running.headers["X-Repo-Commit"] = COMMIT
        yield running


@pytest.fixture
def weights(environment, server, tmp_path):
    """``rationale weights`` with caches of its own, and the server for a network."""

    def run(*words, code=0, **more):
        variables = {
            "P_SERVER": server.url,
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            "RATIONALE_CACHE": str(tmp_path / "cache"),
            "no_proxy": "127.0.0.1",
            **more,
        }
        return environment.rationale("weights", *words, cwd=tmp_path, code=code, **variables)

    return run


def saved(path, seed=1, save=torch.save):
    save(FakeModel(FakeModel.Options(seed=seed)).state_dict(), path)
    return path.read_bytes()


def told(outcome):
    return json.loads(outcome.stdout)


def test_what_is_published_is_listed(weights, tmp_path):
    rows = {(one["model"], one["weights"]): one for one in told(weights("list", "--json"))}
    base = rows["served", "base"]
    assert base["file"] == "base.pt"
    assert base["note"] == "of width 16"
    assert base["cached"] is False
    assert base["path"].startswith(str(tmp_path / "cache" / "weights"))
    assert rows["served", "known"]["size"] == 5_000_000_000
    assert rows["served", "hub"]["url"].endswith("/owner/net/resolve/main/model.safetensors")
    assert not {"unpublished", "serving"} & {model for model, _ in rows}
    shown = weights("list").stdout
    assert "5.0 GB" in shown
    assert "serving:WIDTH" in shown


def test_of_a_family_one_is_asked_for_by_name(weights):
    rows = told(weights("list", "serving:8", "--json"))
    assert [one["model"] for one in rows] == ["serving:8"] * 3
    assert rows[0]["note"] == "of width 8"
    shown = weights("list", "serving:8").stdout
    assert f"serving:8 base: not here, of width 8\n  {rows[0]['url']}\n  {rows[0]['path']}" in shown
    assert "model.width" in weights("list", "serving:wide", code=2).stderr


def test_from_fetching_to_verifying(weights, server, tmp_path):
    content = server.files["/base.pt"] = saved(tmp_path / "made.pt")
    missing = weights("path", "served", code=1).stdout.strip()
    assert server.asked == []

    outcome = weights("get", "served")
    assert outcome.stdout.strip() == missing
    assert f"Fetching {server.url}/base.pt" in outcome.stderr
    assert weights("get", "served").stderr == ""
    assert len(server.fetched()) == 1

    row = told(weights("path", "served", "--json"))
    assert row["cached"] is True
    assert row["size"] == len(content)
    facts = told(weights("verify", "served", "--json"))
    (file,) = facts["files"]
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["known"] == "first use"
    assert facts["model"] == "served"
    assert "every tensor fits served" in weights("verify", "served").stdout
    assert "tensors, " in weights("verify", missing).stdout


def test_damage_is_found(weights, server, tmp_path):
    server.files["/base.pt"] = saved(tmp_path / "made.pt")
    path = weights("get", "served").stdout.strip()
    with Path(path).open("r+b") as file:
        file.seek(-100, 2)
        file.write(b"damaged")
    for words in (("verify", path), ("get", "served")):
        assert "it is damaged, incomplete or another file" in weights(*words, code=2).stderr


def test_tensors_of_another_model_do_not_verify(weights, tmp_path):
    other = FakeModel(FakeModel.Options(blocks=1))
    torch.save(other.state_dict(), tmp_path / "other.pt")
    assert "do not fit" in weights("verify", "served", "--weights", "other.pt", code=2).stderr
    saved(tmp_path / "fitting.pt")
    assert "fits served" in weights("verify", "served", "--weights", "fitting.pt").stdout


class Trap:
    def __reduce__(self):
        return open, ("made-by-trap", "w")


def test_a_hostile_file_is_refused(weights, tmp_path):
    torch.save({"state_dict": Trap()}, tmp_path / "hostile.pt")
    assert "asks for code to be run" in weights("verify", "hostile.pt", code=2).stderr
    assert not (tmp_path / "made-by-trap").exists()


def test_without_a_network_the_file_is_put_by_hand(weights, server, tmp_path):
    content = saved(tmp_path / "made.pt")
    offline = {"HF_HUB_OFFLINE": "1"}
    error = weights("get", "served", code=2, **offline).stderr
    path = weights("path", "served", code=1, **offline).stdout.strip()
    assert f"{server.url}/base.pt (of width 16)" in error
    assert f"put it at {path}" in error
    target = Path(path)
    target.parent.mkdir(parents=True)
    target.write_bytes(content)
    assert weights("get", "served", **offline).stdout.strip() == path
    assert "fits served" in weights("verify", "served", **offline).stdout
    assert server.asked == []


def test_files_of_the_hub_go_to_its_cache_and_need_no_network_afterwards(weights, server, tmp_path):
    content = saved(tmp_path / "made.safetensors", save=save_file)
    server.files["/owner/net/resolve/main/model.safetensors"] = content
    server.files[f"/owner/net/resolve/{COMMIT}/model.safetensors"] = content
    path = weights("get", "served", "--weights", "hub").stdout.strip()
    assert path.startswith(str(tmp_path / "hub"))
    asked = len(server.asked)
    again = weights("get", "served", "--weights", "hub", HF_HUB_OFFLINE="1")
    assert again.stdout.strip() == path
    assert len(server.asked) == asked
    facts = told(weights("verify", "served", "--weights", "hub", "--json"))
    assert facts["files"][0]["known"] == "hub"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("get", "served", "--weights", "bsae"), "Did you mean 'base'?"),
        (("list", "unpublished"), "published weights but 'unpublished' has none"),
        (("verify", "no-such-file.pt"), "no-such-file.pt"),
        (("verify", "served"), "are not here"),
    ],
)
def test_bad_input_is_told(weights, words, said):
    assert said in weights(*words, code=2).stderr


@pytest.mark.parametrize("name", ["list", "get", "path", "verify"])
def test_every_command_has_examples(rationale, name):
    text = rationale("weights", name, "--help").stdout
    assert f"rationale weights {name}" in text.split("Examples:")[1]
