"""Settings with their origin, laid over each other: the later layer wins, key by key.

A setting is a dotted key ``section.key``. The plugin of a section is its key ``use``; where a later layer
uses another plugin, the options that were meant for the former one are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, did_you_mean
from ..hooks import same_plugin
from . import regularizers
from .regularizers import REGULARIZER
from .text import value_of

NOUNS = ("model", "method", "dataset", "attribution")
"""Sections that name a plugin; each is always there."""

SHIFT = "shift"
"""A further dataset that a run is explained on, where there is one."""

PLUGINS = (*NOUNS, SHIFT)

DEFAULTS = {
    "model": "rationale:tiny-clip",
    "method": "rationale:ft",
    "dataset": "rationale:scenes",
    "attribution": "rationale:gaa",
}
"""Plugins that are used where nothing is said; full names, so that nobody's plugin can stand in their way."""

PROTOCOL = "protocol"
"""Names a set of choices (see ``recipe.protocols``)."""

SECTIONS = (*PLUGINS, REGULARIZER, PROTOCOL, "view", "train", "explain")


@dataclass(frozen=True)
class Given:
    """A value and where it came from."""

    value: Any
    origin: str
    """``--set``, ``--lr``, ``quickstart.yaml`` …"""
    passed: bool = True
    """Whether somebody chose it; False for values that a run's record holds as resolved defaults."""


Layer = Mapping[str, Given]
"""Dotted key → setting."""


@dataclass(frozen=True)
class Draft:
    """All that was asked for, not yet checked against plugins."""

    given: Layer
    label: str = ""
    """What distinguishes this cell of a grid, ``method=ft, train.seed=1``; empty outside of grids."""
    setup: str = ""
    """A word by which a recipe tells this cell from others; it sets nothing."""

    @property
    def name(self) -> str:
        """Setup and label: what distinguishes the cell from all others of its recipe."""
        return ", ".join(part for part in (f"setup={self.setup}" if self.setup else "", self.label) if part)

    def over(self, *layers: Layer) -> Draft:
        """The draft with layers laid over it."""
        return Draft(merged(self.given, *layers), self.label, self.setup)

    def section(self, name: str) -> dict[str, Given]:
        """Settings of one section by bare key, ``use`` included."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): one for key, one in self.given.items() if key.startswith(prefix)}

    def chosen(self) -> tuple[str, ...]:
        """Dotted keys that somebody chose."""
        return tuple(key for key, one in self.given.items() if one.passed)


def merged(*layers: Layer) -> dict[str, Given]:
    """Lay layers over each other; a section whose plugin changes starts anew."""
    result: dict[str, Given] = {}
    for layer in layers:
        for section in PLUGINS:
            old, new = result.get(f"{section}.use"), layer.get(f"{section}.use")
            if old and new and not same_plugin(str(old.value), str(new.value)):
                result = {key: one for key, one in result.items() if not key.startswith(f"{section}.")}
        result = {**regularizers.laid_over(result, layer), **layer}
    return result


def from_mapping(data: Mapping[str, Any], origin: str) -> dict[str, Given]:
    """Sections as a recipe writes them, or dotted keys as a grid does → one layer.

    ``method: ft``, ``method: {use: ft, lr: 1e-5}`` and ``method.lr: 1e-5`` are all understood. Raises
    ``InputError`` naming origin and key for an unknown section or something that is no section.
    """
    return {
        key: Given(value, origin)
        for name, content in data.items()
        for key, value in _flattened(str(name), content, origin)
    }


def from_sets(assignments: Iterable[str]) -> dict[str, Given]:
    """``section.key=value`` texts → one layer. Raises ``InputError`` for bad form or a key given twice."""
    layer: dict[str, Given] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(
                f"Expected section.key=value but got {text!r}.",
                where="--set",
                next_step="for example --set method.lr=1e-4",
            )
        for dotted, one in _flattened(key.strip(), value_of(value.strip()), "--set"):
            if dotted in layer:
                raise InputError(f"{dotted} is set twice.", where="--set")
            layer[dotted] = Given(one, "--set")
    return layer


def recorded(configuration: Mapping[str, Any], origin: str) -> dict[str, Given]:
    """The configuration of a run's record → one layer that repeats it, defaults included.

    Raises ``InputError`` where it is no configuration.
    """
    passed = configuration.get("passed") or {}
    layer: dict[str, Given] = {}
    for section in SECTIONS:
        content = configuration.get(section)
        if section in (SHIFT, REGULARIZER) and content is None:
            continue
        if section == REGULARIZER and isinstance(content, list):
            for dotted, value, chosen in regularizers.recorded_settings(content, passed):
                layer[dotted] = Given(value, origin, passed=chosen)
            continue
        if not isinstance(content, Mapping) or (section in PLUGINS and "use" not in content):
            raise InputError(
                f"Expected a run's configuration but section {section!r} is missing.", where=origin
            )
        values = {"use": content["use"], **(content.get("options") or {})} if section in PLUGINS else content
        for key, value in values.items():
            dotted = f"{section}.{key}"
            layer[dotted] = Given(value, origin, passed=dotted in passed)
    return layer


def _flattened(name: str, content: Any, origin: str) -> Iterator[tuple[str, Any]]:
    section, dot, key = name.partition(".")
    if section not in SECTIONS:
        raise InputError(
            f"{name}: unknown section {section!r}. {did_you_mean(section, SECTIONS)}", where=origin
        )
    if dot:
        if not key:
            raise InputError(f"{name}: Expected section.key but got no key.", where=origin)
        yield name, content
    elif section == REGULARIZER:
        yield from regularizers.flattened(content, origin)
    elif isinstance(content, Mapping):
        for inner, value in content.items():
            yield f"{section}.{inner}", value
    elif section in (*PLUGINS, PROTOCOL) and isinstance(content, str) and content:
        yield f"{section}.use", content
    else:
        wanted = "a plugin's name or keys and values" if section in PLUGINS else "keys and values"
        raise InputError(f"{name}: Expected {wanted} but got {content!r}.", where=origin)
