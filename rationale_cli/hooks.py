"""What a plugin distribution imports to register its entries (standard library and pluggy only).

In ``pyproject.toml`` of the plugin::

    [project.entry-points.rationale]
    mine = "my_package.register"

and in ``my_package/register.py``::

    from rationale_cli.hooks import Entry, hookimpl

    @hookimpl
    def rationale_methods():
        return [Entry("my-method", "my_package.method:MyMethod", "One line that says what it does")]

Nothing else is imported until somebody names ``my-method``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import pluggy

PROJECT = "rationale"
"""Name of the pluggy project and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Entry:
    """A named plugin that is imported only when it is used."""

    name: str
    """What the user types: lower case, digits, hyphens and underscores."""
    target: str
    """Import string ``package.module:Class``."""
    summary: str
    """One line for ``rationale list``."""
    requires: tuple[str, ...] = ()
    """Distributions that the target needs beyond its own declared ones, as pip requirement names."""
    argument: str = ""
    """Name of the option that takes what the user writes after ``name:``: the entry is then a family
    (``hf:openai/clip-vit-base-patch16``)."""


def bare_name(qualified: str) -> str:
    """A plugin's name without its distribution: ``rationale:hf:some/model`` → ``hf:some/model``."""
    distribution, _, name = qualified.partition(":")
    return name or distribution


def same_plugin(one: str, other: str) -> bool:
    """Whether two plugin names may mean the same: a bare name and its qualified form do."""
    shorter, longer = sorted((one, other), key=len)
    return longer == shorter or longer.endswith(f":{shorter}")


class Hooks(Protocol):
    """The hook specifications: each returns the entries of one kind."""

    @hookspec
    def rationale_models(self) -> Iterable[Entry]:
        """Vision-language models (``rationale_cli.contracts.VisionLanguageModel``)."""

    @hookspec
    def rationale_methods(self) -> Iterable[Entry]:
        """Fine-tuning methods (``rationale_cli.contracts.Method``)."""

    @hookspec
    def rationale_attributions(self) -> Iterable[Entry]:
        """Attribution methods (``rationale_cli.contracts.Attribution``)."""

    @hookspec
    def rationale_datasets(self) -> Iterable[Entry]:
        """Datasets (``rationale_cli.contracts.Dataset``)."""

    @hookspec
    def rationale_regularizers(self) -> Iterable[Entry]:
        """Terms for the loss of other methods (``rationale_cli.contracts.Regularizer``)."""

    @hookspec
    def rationale_formats(self) -> Iterable[Entry]:
        """Layouts of others' checkpoints (``rationale_cli.contracts.CheckpointFormat``)."""


KINDS: dict[str, str] = {
    "model": "rationale_models",
    "method": "rationale_methods",
    "attribution": "rationale_attributions",
    "dataset": "rationale_datasets",
    "regularizer": "rationale_regularizers",
    "format": "rationale_formats",
}
"""Kind of plugin → the hook that returns its entries."""
