"""The plugins that a draft names: found, loaded, and their options checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar, cast, get_args

from pydantic import ValidationError

from ..contracts import PluginOptions
from ..errors import InputError, PluginError
from ..hooks import bare_name
from ..recipe import DEFAULTS, NOUNS, SHIFT, Draft, Given, problems_of, validated
from ..registry import Registered, Registry
from .configuration import Chosen, Classes

_Options = TypeVar("_Options", bound=PluginOptions)


class Named(NamedTuple):
    """A plugin by the section that names it."""

    found: Registered
    plugin: type

    @property
    def name(self) -> str:
        """Qualified: ``distribution:name``."""
        return self.found.qualified

    @property
    def schema(self) -> type[PluginOptions]:
        """The class of its options."""
        return cast(type[PluginOptions], cast(Any, self.plugin).Options)


def every(draft: Draft, registry: Registry) -> dict[str, Named]:
    """The plugin of each section that names one, the further dataset only where there is one.

    Raises ``PluginError`` as ``load`` does.
    """
    nouns = (*NOUNS, SHIFT) if f"{SHIFT}.use" in draft.given else NOUNS
    return {noun: load(draft, noun, registry) for noun in nouns}


def load(draft: Draft, noun: str, registry: Registry) -> Named:
    """One section's plugin. Raises ``PluginError`` for one that is unknown or broken, with who named it."""
    given, kind = _use(draft, noun), kind_of(noun)
    try:
        found = registry.find(kind, str(given.value))
        return Named(found, registry.load(kind, found.qualified))
    except PluginError as error:
        raise PluginError(
            f"{noun}.use: {error.what} (from {given.origin})", where=error.where, next_step=error.next_step
        ) from error


def kind_of(noun: str) -> str:
    """The kind of plugin that a section names."""
    return "dataset" if noun == SHIFT else noun


def arguments(draft: Draft, plugins: Mapping[str, Named]) -> dict[str, Given]:
    """What was written after a family's name, as the option that it stands for.

    Raises ``InputError`` where the option is given beside it with another value.
    """
    layer = {}
    for noun, (found, _) in plugins.items():
        if not found.argument:
            continue
        key, use = f"{noun}.{found.entry.argument}", _use(draft, noun)
        other = draft.given.get(key)
        if other is not None and str(other.value) != found.argument:
            raise InputError(
                f"{key}: Expected one value but {found.name!r} (from {use.origin}) and {other.value!r} "
                f"(from {other.origin}) differ."
            )
        layer[key] = Given(found.argument, use.origin, passed=False)
    return layer


def chosen(noun: str, named: Named, draft: Draft, problems: list[str]) -> Chosen:
    """The plugin with its options; what is wrong with them is added to ``problems``."""
    kind, schema = kind_of(noun), named.schema
    classes: Classes = "all"
    if kind == "dataset" and "classes" not in schema.model_fields:
        classes, draft = _classes(noun, draft, problems)
    options = checked(schema, noun, f"{kind} {bare_name(named.name)!r}", draft, problems)
    return Chosen(kind, named.name, named.plugin, options or schema.model_construct(), classes)


def checked(
    schema: type[_Options], section: str, owner: str, draft: Draft, problems: list[str]
) -> _Options | None:
    """A section's options; None where something is wrong with them, which is added to ``problems``."""
    given = {key: one for key, one in draft.section(section).items() if key != "use"}
    try:
        return validated(schema, {key: one.value for key, one in given.items()})
    except ValidationError as error:
        for key, told in problems_of(error, schema, owner):
            origin = given.get(key.partition(".")[0])
            problems.append(f"{section}.{key}: {told}" + (f" (from {origin.origin})" if origin else ""))
        return None


def _use(draft: Draft, noun: str) -> Given:
    given = draft.given.get(f"{noun}.use")
    return given or Given(DEFAULTS[kind_of(noun)], "default", passed=False)


def _classes(noun: str, draft: Draft, problems: list[str]) -> tuple[Classes, Draft]:
    """The option that every dataset has, and the draft without it."""
    key = f"{noun}.classes"
    given = draft.given.get(key)
    if given is None:
        return "all", draft
    others = Draft({one: value for one, value in draft.given.items() if one != key})
    for known in get_args(Classes):
        if given.value == known:
            return known, others
    problems.append(f"{key}: Expected all or base-to-new but got {given.value!r}. (from {given.origin})")
    return "all", others
