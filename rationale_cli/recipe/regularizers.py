"""The section ``regularizer``: no plugin, one, or several.

::

    regularizer: dor
    regularizer: {use: dor, weight: 2}
    regularizer: [dor, {use: my-term, weight: 0.1}]
    regularizer.use: dor,my-term         # in a grid or --set; none for no regularizer
    regularizer.dor.weight: 2            # the option of one of them
    regularizer.weight: 2                # likewise, where only one of them has it

As settings these are ``regularizer.use`` with the names, and ``regularizer.KEY`` or ``regularizer.NAME.KEY``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError, did_you_mean
from ..hooks import bare_name, same_plugin

if TYPE_CHECKING:
    from .layers import Given, Layer

REGULARIZER = "regularizer"

NONE = "none"
"""Stands for no regularizer."""

_USE = f"{REGULARIZER}.use"
_FORMS = "a plugin's name, keys and values, or a list of those"


def split_names(value: Any) -> tuple[str, ...]:
    """The value of ``regularizer.use`` → names, in their order; empty for none."""
    texts = value if isinstance(value, list | tuple) else str(value).split(",")
    names = tuple(name for text in texts if (name := str(text).strip()))
    return () if names == (NONE,) else names


def names_of(layer: Layer) -> tuple[str, ...]:
    """The regularizers that settings name."""
    given = layer.get(_USE)
    return () if given is None else split_names(given.value)


def flattened(content: Any, origin: str) -> Iterator[tuple[str, Any]]:
    """What stands under ``regularizer`` in a recipe → dotted keys and values.

    Raises ``InputError`` naming the origin for anything but the forms above.
    """
    if isinstance(content, str) and content:
        yield _USE, content
    elif isinstance(content, Mapping):
        yield from ((f"{REGULARIZER}.{key}", value) for key, value in content.items())
    elif isinstance(content, list) and content:
        entries = [{"use": one} if isinstance(one, str) else one for one in content]
        if not all(isinstance(one, Mapping) and one.get("use") for one in entries):
            raise InputError(f"{REGULARIZER}: Expected {_FORMS} but got {content!r}.", where=origin)
        yield _USE, ",".join(str(one["use"]) for one in entries)
        for one in entries:
            yield from (
                (f"{REGULARIZER}.{one['use']}.{key}", value) for key, value in one.items() if key != "use"
            )
    else:
        raise InputError(f"{REGULARIZER}: Expected {_FORMS} but got {content!r}.", where=origin)


def recorded_settings(
    content: Sequence[Mapping[str, Any]], passed: Collection[str]
) -> Iterator[tuple[str, Any, bool]]:
    """The section of a run's record → dotted key, value, and whether somebody chose it."""
    yield _USE, ",".join(str(one["use"]) for one in content), _USE in passed
    for one in content:
        for key, value in (one.get("options") or {}).items():
            words = (key, *(f"{name}.{key}" for name in (str(one["use"]), bare_name(str(one["use"])))))
            chosen = any(f"{REGULARIZER}.{word}" in passed for word in words)
            yield f"{REGULARIZER}.{one['use']}.{key}", value, chosen


def laid_over(older: Mapping[str, Given], newer: Layer) -> dict[str, Given]:
    """The settings of ``older`` that still hold under ``newer``, all sections.

    Options of a regularizer that is no longer named go; an option goes where the newer layer sets it,
    with or without a name.
    """
    names = names_of(older)
    if _USE in newer and names:
        # An option of the only one keeps its meaning where others join it.
        named = {_with_name(key, names[0]) if len(names) == 1 else key: one for key, one in older.items()}
        kept = names_of(newer)
        older = {
            key: one
            for key, one in named.items()
            if not is_option(key) or any(_meets(_parts(key)[0], name) for name in kept)
        }
    anew = [_parts(key) for key in newer if is_option(key)]
    return {
        key: one
        for key, one in older.items()
        if not is_option(key)
        or not any(option == _parts(key)[1] and _meets(name, _parts(key)[0]) for name, option in anew)
    }


def of_each(given: Layer, options: Mapping[str, Collection[str]]) -> dict[str, dict[str, Given]]:
    """Name → the settings of that regularizer, by bare key.

    ``options``: name as in ``regularizer.use`` → the keys that it has. Raises ``InputError`` for an option
    of which it is not clear whose it is, of a regularizer that is not used, and for one given twice. Where
    somebody says ``none``, in a grid for instance, what others get is passed over.
    """
    if _USE in given and not names_of(given):
        return {}
    found: dict[str, dict[str, Given]] = {name: {} for name in options}
    for dotted, one in given.items():
        if not is_option(dotted):
            continue
        wanted, key = _parts(dotted)
        owner = _owner(dotted, wanted, key, options, one.origin)
        if key in found[owner]:
            raise InputError(
                f"{dotted} is given twice, with the name of its regularizer and without. (from {one.origin})"
            )
        found[owner][key] = one
    return found


def _owner(dotted: str, wanted: str, key: str, options: Mapping[str, Collection[str]], origin: str) -> str:
    if not options:
        raise InputError(
            f"{dotted}: Expected a regularizer to be used but there is none. (from {origin})",
            next_step="name one with --regularizer; `rationale list regularizers` shows what there is",
        )
    if wanted:
        named = [name for name in options if same_plugin(wanted, name)]
        if len(named) != 1:
            raise InputError(
                f"{dotted}: no regularizer {wanted!r} is used. {did_you_mean(wanted, options)} "
                f"(from {origin})"
            )
        return named[0]
    having = list(options) if len(options) == 1 else [name for name, keys in options.items() if key in keys]
    if len(having) != 1:
        whose = "several regularizers have" if having else "none of the regularizers has"
        raise InputError(
            f"{dotted}: {whose} an option {key!r}. (from {origin})",
            next_step=f"say whose it is, for example {REGULARIZER}.{next(iter(options))}.{key}",
        )
    return having[0]


def is_option(key: str) -> bool:
    """Whether a dotted key is an option of a regularizer."""
    return key.startswith(f"{REGULARIZER}.") and key != _USE


def _parts(key: str) -> tuple[str, str]:
    """Name (empty where there is none) and option of a dotted key."""
    name, _, option = key.removeprefix(f"{REGULARIZER}.").rpartition(".")
    return name, option


def _with_name(key: str, name: str) -> str:
    if not is_option(key) or _parts(key)[0]:
        return key
    return f"{REGULARIZER}.{name}.{_parts(key)[1]}"


def _meets(one: str, other: str) -> bool:
    """Whether two keys, perhaps without a name, may be of one regularizer."""
    return not one or not other or same_plugin(one, other)
