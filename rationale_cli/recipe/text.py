"""From text to typed values: YAML and ``--set`` hand over words, pydantic makes values of them.

YAML's own guesses are switched off, for it reads ``1e-5`` as a word and ``no`` as false. Here the type that
an option declares decides: ``no`` is a word for ``precision`` and false for ``audit``.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from ..errors import InputError, did_you_mean

_NOTHING = {"", "~", "null", "none"}
_SEQUENCES = (tuple, list, set, frozenset)

Options = TypeVar("Options", bound=BaseModel)


class _TextLoader(yaml.SafeLoader):
    """Safe YAML whose scalars all stay text, and whose keys are unique."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own class attribute)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str, origin: str) -> Any:
    """YAML → nested lists and mappings of text. Raises ``InputError`` naming the origin and the line."""
    try:
        return yaml.load(text, Loader=_TextLoader)  # noqa: S506 (a subclass of the safe loader)
    except (yaml.YAMLError, TypeError) as error:
        raise InputError(f"Expected YAML but could not read it: {error}", where=origin) from error


def value_of(text: str) -> Any:
    """The right side of ``--set``: text, or a list or mapping where it is written as one."""
    return parse_yaml(text, "--set") if text[:1] in {"[", "{"} else text


def validated(options: type[Options], values: Mapping[str, Any]) -> Options:
    """Text and values → checked options. Raises pydantic's ``ValidationError``."""
    fields = options.model_fields
    return options.model_validate(
        {
            key: from_text(fields[key].annotation, value) if key in fields else value
            for key, value in values.items()
        }
    )


def problems_of(error: ValidationError, options: type[BaseModel], owner: str) -> list[tuple[str, str]]:
    """A failed validation → (key, what is wrong in plain words) each; ``owner`` as in "method 'ft'"."""
    problems = []
    for one in error.errors(include_url=False):
        key = ".".join(str(part) for part in one["loc"]) or "options"
        if one["type"] == "extra_forbidden":
            told = f"unknown option of {owner}. {did_you_mean(key, options.model_fields)}"
        elif one["type"] == "missing":
            told = f"{owner} needs a value but got none."
        else:
            reason = one["msg"].removeprefix("Value error, ").replace("Input should be", "Expected", 1)
            told = f"{reason} but got {one['input']!r}."
        problems.append((key, told))
    return problems


def from_text(annotation: Any, value: Any) -> Any:
    """Prepare one value for the type that an option declares; what is not text passes unchanged."""
    if isinstance(value, list):
        inner = _item_type(annotation)
        return [from_text(inner, one) for one in value]
    if not isinstance(value, str):
        return value
    choices = _choices(annotation)
    for choice in choices:
        if isinstance(choice, str) and choice == value:
            return value
    if value.lower() in _NOTHING and type(None) in _members(annotation):
        return None
    for choice in choices:
        if str(choice) == value:
            return choice
    if any(get_origin(one) in _SEQUENCES or one in _SEQUENCES for one in _members(annotation)):
        inner = _item_type(annotation)
        return [from_text(inner, part.strip()) for part in value.split(",") if part.strip()]
    return value


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(member for one in get_args(annotation) for member in _members(one))
    return (annotation,)


def _choices(annotation: Any) -> tuple[Any, ...]:
    return tuple(
        choice for one in _members(annotation) if get_origin(one) is Literal for choice in get_args(one)
    )


def _item_type(annotation: Any) -> Any:
    """What a sequence option holds; ``Any`` where it does not say or positions differ."""
    for member in _members(annotation):
        if get_origin(member) in _SEQUENCES:
            kinds = {one for one in get_args(member) if one is not Ellipsis}
            return kinds.pop() if len(kinds) == 1 else Any
    return Any
