"""Which models publish weights, under which names, and where each file lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..contracts import Checkpoint, PluginOptions
    from ..engine.configuration import Chosen
    from ..registry import Registry


class Publishing(NamedTuple):
    """A model that publishes weights."""

    name: str
    options: PluginOptions
    published: Mapping[str, Checkpoint]


def publishing(registry: Registry, model: str) -> Publishing:
    """The model, its options and what it publishes.

    Raises ``InputError`` where it publishes nothing, ``PluginError`` where it cannot be loaded.
    """
    from ..errors import InputError

    chosen = chosen_model(registry, model)
    published = getattr(chosen.plugin, "published", None)
    if published is None:
        raise InputError(
            f"Expected a model with published weights but {chosen.bare!r} has none.",
            next_step="`rationale weights list` shows which have",
        )
    return Publishing(chosen.bare, chosen.options, published(chosen.options))


def chosen_model(registry: Registry, model: str, weights: str | None = None) -> Chosen:
    """The model with its default options, what follows a family's name, and these weights."""
    from ..engine.configure import choose
    from ..recipe import Draft, from_mapping

    named = Draft(from_mapping({"model.use": model}, "MODEL"))
    draft = named if weights is None else named.over(from_mapping({"model.weights": weights}, "--weights"))
    return choose("model", draft, registry)


def every(registry: Registry) -> list[Publishing]:
    """All models that publish weights, each under its first name; one that cannot be loaded is told."""
    from ..errors import PluginError
    from . import screen

    found: list[Publishing] = []
    seen: set[str] = set()
    for one in registry.entries("model"):
        if one.entry.argument or one.entry.target in seen:
            continue
        seen.add(one.entry.target)
        try:
            if hasattr(registry.load("model", one.qualified), "published"):
                found.append(publishing(registry, one.qualified))
        except PluginError as error:
            screen.errors().print(f"Warning: {error.what}", style="yellow", markup=False)
    return found


def families(registry: Registry) -> list[str]:
    """The families, with a place for what is named within them: ``hf:REPOSITORY``."""
    return [one.usage for one in registry.entries("model") if one.entry.argument]


def name_of(one: Publishing, weights: str | None) -> str:
    """A name of published weights: the one asked for, the model's default, or the only one."""
    from ..errors import InputError, did_you_mean

    default = getattr(one.options, "weights", None)
    names = list(one.published)
    if weights is None:
        weights = str(default) if default in names else names[0] if len(names) == 1 else None
    if weights is None:
        raise InputError(
            f"Expected --weights NAME: {one.name} takes {default!r} by default, which is not published. "
            f"{did_you_mean('', names)}"
        )
    if weights not in one.published:
        raise InputError(
            f"Unknown weights {weights!r} of {one.name}. {did_you_mean(weights, names)}",
            next_step=f"`rationale weights list {one.name}` shows what is published",
        )
    return weights


def row(model: str, name: str, checkpoint: Checkpoint) -> dict[str, Any]:
    """A file as plain data: what is known of it, whether it is here, and where it lies or belongs."""
    from ..toolkit.weights import address, cached, place

    here = cached(checkpoint)
    path = here or place(checkpoint)
    return {
        "model": model,
        "weights": name,
        "file": path.name,
        "url": address(checkpoint),
        "size": here.stat().st_size if here else checkpoint.size,
        "sha256": checkpoint.sha256,
        "note": checkpoint.note,
        "cached": here is not None,
        "path": str(path),
    }
