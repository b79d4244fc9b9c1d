"""Exceptions of a recipe: settings that hold only for the cells that match.

::

    exceptions:
      - when: {method: [flcp, ft], model: clip-vit-b-32, dataset: cub}
        set: {method.lr: 1e-5}
      - when: {setup: adamw}
        set: {train.optimizer: adamw, train.weight_decay: 0.01}

Keys of ``when`` are ``setup``, sections that name a plugin, and settings as ``section.key``; each takes a
value or a list of values, one of which the cell must have. ``set`` takes settings, not plugins: those are the
grid's to choose. Later exceptions win.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..contracts.options import PluginOptions
from ..errors import InputError, did_you_mean
from ..hooks import bare_name, same_plugin
from .layers import DEFAULTS, PLUGINS, SECTIONS, Draft, Layer, from_mapping
from .regularizers import NONE, REGULARIZER, split_names
from .sections import ExplainOptions, TrainOptions, ViewOptions

SETUP = "setup"
"""Key of a word that labels cells and sets nothing."""

_OWN: Mapping[str, type[PluginOptions]] = {
    "train": TrainOptions,
    "explain": ExplainOptions,
    "view": ViewOptions,
}


@dataclass(frozen=True)
class CellRule:
    """One exception: what a cell must be, and what holds for it then."""

    when: Mapping[str, tuple[str, ...]]
    """``setup`` or dotted key → values, any of which matches."""
    settings: Layer
    place: str
    """Where it stands, as messages tell it: ``exception 3``."""

    def matches(self, draft: Draft) -> bool:
        """Whether a cell has one of the values of every key."""
        return all(is_one_of(draft, key, wanted) for key, wanted in self.when.items())

    def without(self, keys: Collection[str]) -> CellRule:
        """The same exception that leaves these settings alone."""
        return replace(self, settings={key: one for key, one in self.settings.items() if key not in keys})


def with_exceptions(draft: Draft, rules: Sequence[CellRule], *overrides: Layer) -> Draft:
    """A cell with the rules that match it, and ``overrides`` over all; rules see the cell as overridden."""
    for rule in rules:
        if rule.matches(draft.over(*overrides)):
            draft = draft.over(rule.settings)
    return draft.over(*overrides)


def parsed_exceptions(content: Any, path: Path) -> tuple[CellRule, ...]:
    """The list under ``exceptions``. Raises ``InputError`` naming file, entry and key."""
    if not isinstance(content, list):
        raise InputError(f"exceptions: Expected a list but got {content!r}.", where=str(path))
    return tuple(_rule(one, f"exception {number}", path) for number, one in enumerate(content, start=1))


def check_matched(rules: Sequence[CellRule], drafts: Sequence[Draft], path: Path) -> None:
    """Raise ``InputError`` for a rule that no cell matches, telling the value that none has."""
    for rule in rules:
        if any(rule.matches(draft) for draft in drafts):
            continue
        for key, wanted in rule.when.items():
            for one in wanted:
                if not any(is_one_of(draft, key, (one,)) for draft in drafts):
                    known = {value for draft in drafts if (value := value_of_cell(draft, key)) is not None}
                    raise InputError(
                        f"{rule.place}: when.{_short(key)}: no cell has {one!r}. {did_you_mean(one, known)}",
                        where=str(path),
                    )
        told = ", ".join(f"{_short(key)} {' or '.join(wanted)}" for key, wanted in rule.when.items())
        raise InputError(
            f"{rule.place}: Expected it to match a cell of the recipe but none has {told}.", where=str(path)
        )


def is_one_of(draft: Draft, key: str, wanted: Sequence[str]) -> bool:
    """Whether a cell's value of a key is among these; plugins may be named with or without distribution."""
    value = value_of_cell(draft, key)
    if value is None:
        return False
    if key.endswith(".use"):
        names = split_names(value) or (NONE,) if key == f"{REGULARIZER}.use" else (value,)
        return any(same_plugin(name, one) for name in names for one in wanted)
    return any(_comparable(value) == _comparable(one) for one in wanted)


def value_of_cell(draft: Draft, key: str) -> str | None:
    """What a cell has for ``setup`` or a dotted key, as text; None where nothing is known of it.

    Known are values that were given, default plugins, and defaults of the tool's own sections; defaults of
    plugins and what models recommend are not known before plugins are loaded.
    """
    if key == SETUP:
        return draft.setup or None
    given = draft.given.get(key)
    section, _, name = key.partition(".")
    if given is not None:
        return _text(given.value)
    if name == "use":
        unsaid = NONE if section == REGULARIZER else None
        return bare_name(DEFAULTS[section]) if section in DEFAULTS else unsaid
    fields = _OWN[section].model_fields if section in _OWN else {}
    return _text(fields[name].default) if name in fields else None


def _rule(content: Any, place: str, path: Path) -> CellRule:
    if not isinstance(content, Mapping):
        raise InputError(f"{place}: Expected 'when' and 'set' but got {content!r}.", where=str(path))
    for key in content:
        if key not in {"when", "set"}:
            raise InputError(
                f"{place}: unknown key {key!r}. {did_you_mean(str(key), ('when', 'set'))}", where=str(path)
            )
    when, settings = content.get("when"), content.get("set")
    for key, part in (("when", when), ("set", settings)):
        if not isinstance(part, Mapping) or not part:
            raise InputError(f"{place}: {key}: Expected keys and values but got {part!r}.", where=str(path))
    assert isinstance(when, Mapping) and isinstance(settings, Mapping)
    layer = from_mapping(settings, f"{path.name}, {place}")
    for key in layer:
        if key.endswith(".use"):
            raise InputError(
                f"{place}: set.{key.removesuffix('.use')}: Expected a setting but got a plugin.",
                where=str(path),
                next_step="name plugins in the grid, and in 'when'",
            )
    return CellRule(dict(_condition(key, value, place, path) for key, value in when.items()), layer, place)


def _condition(key: str, value: Any, place: str, path: Path) -> tuple[str, tuple[str, ...]]:
    section, dot, name = key.partition(".")
    known = (SETUP, *PLUGINS, REGULARIZER, *(f"{own}.KEY" for own in SECTIONS))
    if key in (*PLUGINS, REGULARIZER):
        key = f"{key}.use"
    elif key != SETUP and not (dot and name and section in SECTIONS):
        raise InputError(
            f"{place}: when.{key}: unknown key. {did_you_mean(key, known)}",
            where=str(path),
        )
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str) and one for one in values):
        raise InputError(
            f"{place}: when.{_short(key)}: Expected a value or a list of values but got {value!r}.",
            where=str(path),
        )
    return key, tuple(values)


def _short(key: str) -> str:
    return key.removesuffix(".use")


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _comparable(text: str) -> str | float:
    """Numbers are compared as such: 1e-5 and 0.00001 are the same."""
    try:
        return float(text)
    except ValueError:
        return text
