"""The page on attributions as typed: all of them at once."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rationale_cli import load_run
from rationale_cli.registry import Registry

from .conftest import Command


@pytest.mark.slow
def test_all_stands_for_every_attribution_that_is_no_control(
    rationale: Command, repo: Path, tmp_path: Path
) -> None:
    page = (repo / "docs/explanation/attributions.md").read_text(encoding="utf-8")
    lines = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0].splitlines()
    told = [rationale(*shlex.split(line)[1:]).stderr for line in lines][-1]
    done = load_run("known", tmp_path / "runs").evidence("test")
    registry = Registry.discover()
    registered = [one for one in registry.entries("attribution") if one.distribution == "rationale"]
    plugins = {one.qualified: registry.load("attribution", one.qualified) for one in registered}
    explanations = {name for name, plugin in plugins.items() if not getattr(plugin, "control", False)}
    of_matching_heads = {"rationale:itm-gaa", "rationale:itm-grad-cam"}
    assert {one.spec.attribution for one in done.values()} == explanations - of_matching_heads
    assert all(f"{name.removeprefix('rationale:')} is left out" in told for name in of_matching_heads)
    assert (done["rise"].spec.layers, done["rise"].spec.scalar) == (None, None)
    assert done["rise"].spec.options["masks"] == 20
    assert done["integrated-gradients-dot"].spec.options["steps"] == 4
    assert done["rollout-last"].spec.scalar is None

    # A window larger than the picture is refused; what is there of the others is kept.
    again = rationale(*shlex.split(lines[-1])[1:], "--set", "attribution.window=9")
    assert "occlusion is left out" in again.stderr and "8×8" in again.stderr
    assert "0 evidence sets written" in again.stdout
