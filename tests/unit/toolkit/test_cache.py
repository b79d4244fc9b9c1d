"""The one cache folder and the variables that move it."""

from __future__ import annotations

from pathlib import Path

from rationale_cli.toolkit.cache import cache_folder


def test_the_project_s_own_variable_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("RATIONALE_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "everybody"))
    assert cache_folder("weights") == tmp_path / "mine" / "weights"
    monkeypatch.delenv("RATIONALE_CACHE")
    assert cache_folder("weights") == tmp_path / "everybody" / "rationale" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder("indexes") == Path.home() / ".cache" / "rationale" / "indexes"
