"""``rationale env``: what a bug report needs, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import Json

if TYPE_CHECKING:
    from ..registry import Registry

_VARIABLES = (
    "RATIONALE_RUNS",
    "RATIONALE_DATA",
    "RATIONALE_CACHE",
    "RATIONALE_DISABLE_PLUGINS",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "TORCH_HOME",
    "XDG_CACHE_HOME",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
)
_TESTS = ("pytest", "hypothesis", "ruff", "mypy", "import-linter")


def command(as_json: Json = False) -> None:
    """Show versions, devices, caches and plugins, and what is missing with how to get it.

    Its output belongs into every bug report.

    Examples:

      rationale env

      rationale env --json
    """
    from . import screen

    registry = screen.plugins()
    facts = {
        "versions": _versions(registry),
        "devices": _devices(),
        "caches": _caches(),
        "variables": _variables(),
        "plugins": _plugins(registry),
        "missing": _missing(registry),
    }
    if as_json:
        screen.print_json(facts)
        return
    for title, content in facts.items():
        _show(title, content)


def _versions(registry: Registry) -> dict[str, str]:
    import platform

    from .. import __version__
    from ..runs.provenance import versions

    own = {one.distribution: one.version for one in registry.plugins}
    return {**versions(own), "rationale": __version__, "system": platform.platform()}


def _devices() -> dict[str, Any]:
    import os

    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cuda": names,
        "mps": torch.backends.mps.is_available(),
        "used": "cuda" if names else "mps" if torch.backends.mps.is_available() else "cpu",
    }


def _caches() -> dict[str, dict[str, Any]]:
    from pathlib import Path

    from huggingface_hub import constants
    from torch.hub import get_dir

    from ..toolkit.cache import cache_folder

    folders = {
        "weights": cache_folder("weights"),
        "huggingface": Path(constants.HF_HUB_CACHE),
        "torch": Path(get_dir()),
    }
    return {name: {"path": str(path), "there": path.is_dir()} for name, path in folders.items()}


def _variables() -> dict[str, str]:
    import os

    return {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def _plugins(registry: Registry) -> dict[str, Any]:
    from ..hooks import KINDS

    return {
        **{f"{kind}s": [one.qualified for one in registry.entries(kind)] for kind in KINDS},
        "broken": [str(one) for one in registry.broken],
        "disabled": [str(one) for one in registry.disabled],
    }


def _missing(registry: Registry) -> list[dict[str, str]]:
    """What could be had, and the line that gets it."""
    import importlib.metadata

    from ..registry import missing_requirements

    found = []
    for one in registry.plugins:
        lacking = missing_requirements(one.entry)
        if lacking:
            get = "pip install " + " ".join(f"'{name}'" for name in lacking)
            found.append({"what": f"{one.kind} {one.qualified}", "get": get})
    installed = {(one.name or "").lower() for one in importlib.metadata.distributions()}
    if any(name not in installed for name in _TESTS):
        found.append({"what": "tools to run the tests", "get": "pip install 'rationale[test]'"})
    return found


def _show(title: str, content: Any) -> None:
    from .screen import console

    out = console()
    out.print(title.capitalize(), style="bold")
    if isinstance(content, dict):
        for key, value in content.items():
            out.print(f"  {key}: {_plain(value)}", markup=False)
    else:
        for one in content:
            out.print(f"  {one['what']}: {one['get']}", markup=False)
    if not content:
        out.print("  nothing")
    out.print()


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['path']}{'' if value['there'] else ' (not there yet)'}"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
