"""From what was asked for to what will be done: plugins found, defaults filled in, every option checked.

Later layers win: a plugin's defaults < what the method recommends < the folder of data < what the model
recommends for the method, and a regularizer of itself < the protocol < recipe < ``--set`` and flags. No
weight is read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from ..contracts import OF_ANY_METHOD, Attribution, Method, Regularizer
from ..errors import InputError, PluginError
from ..recipe import (
    REGULARIZER,
    Draft,
    ExplainOptions,
    Layer,
    TrainOptions,
    ViewOptions,
    from_mapping,
    merged,
    names_of,
    of_each,
)
from ..recipe.regularizers import is_option
from ..registry import Registry
from ..toolkit.layers import parse
from . import advice, named
from .configuration import Chosen, Configuration
from .named import Named

ATTRIBUTION = "attribution"


def configure(draft: Draft, registry: Registry, data: Path | None = None) -> Configuration:
    """Check a draft against the plugins that it names.

    ``data`` is a folder with one folder for each dataset; None takes that of ``RATIONALE_DATA``. Raises
    ``PluginError`` for plugins that are unknown, broken or do not go together, and ``InputError`` for
    options, all of them at once, each with its key and origin.
    """
    plugins = named.every(draft, registry)
    _check_needs(plugins)
    protocol, choices = advice.of_protocol(draft, plugins)
    complete = Draft(
        merged(
            advice.of_method(plugins),
            advice.of_folder(plugins, registry, data),
            advice.of_model(plugins),
            choices,
            draft.given,
            named.arguments(draft, plugins),
        )
    )
    problems: list[str] = []
    chosen = {noun: named.chosen(noun, one, complete, problems) for noun, one in plugins.items()}
    regularizers = _regularizers(complete, registry, plugins["method"], problems)
    train = named.checked(TrainOptions, "train", "section 'train'", complete, problems)
    explain = named.checked(ExplainOptions, "explain", "section 'explain'", complete, problems)
    view = named.checked(ViewOptions, "view", "section 'view'", complete, problems)
    if problems or train is None or explain is None or view is None:
        raise InputError("\n".join(problems), next_step=_where_to_look(problems, plugins))
    for layers in explain.layers:
        parse(layers)
    _check_specified(complete, plugins["attribution"])
    return Configuration(
        **chosen,
        further=_further(explain.further, chosen["attribution"], registry),
        regularizers=regularizers,
        train=train,
        explain=explain,
        view=view,
        protocol=protocol,
        chosen=tuple(key for key in draft.chosen() if regularizers or not is_option(key)),
        label=draft.label,
    )


def of_protocol(draft: Draft, registry: Registry) -> Layer:
    """What the protocol that a draft names means for the plugins that it names; empty where it names none.

    Raises ``InputError`` for an unknown protocol, ``PluginError`` as ``configure`` does.
    """
    return advice.of_protocol(draft, named.every(draft, registry))[1]


def choose(noun: str, draft: Draft, registry: Registry) -> Chosen:
    """One section's plugin with its checked options; the other sections' plugins are not even imported.

    What a model recommends is left out. Raises as ``configure`` does.
    """
    plugins = {noun: named.load(draft, noun, registry)}
    folders = advice.of_folder(plugins, registry)
    complete = Draft(merged(folders, draft.given, named.arguments(draft, plugins)))
    problems: list[str] = []
    chosen = named.chosen(noun, plugins[noun], complete, problems)
    if problems:
        raise InputError("\n".join(problems), next_step=_where_to_look(problems, plugins))
    return chosen


def _further(names: Sequence[str], main: Chosen, registry: Registry) -> tuple[Chosen, ...]:
    """Attributions by their defaults, each once and none that is the main one already."""
    layers = [from_mapping({ATTRIBUTION: name}, "explain.further") for name in names]
    chosen = (choose(ATTRIBUTION, Draft(one), registry) for one in layers)
    return tuple({one.name: one for one in chosen if one.name != main.name}.values())


def _check_needs(plugins: Mapping[str, Named]) -> None:
    """A method's capabilities are looked for on the model's class: before any weight is read."""
    method, model = plugins["method"], plugins["model"]
    lacking = [need for need in cast(type[Method], method.plugin).needs if not hasattr(model.plugin, need)]
    if lacking:
        raise PluginError(
            f"method {method.name!r} needs a model with {', '.join(lacking)}, "
            f"which model {model.name!r} does not have.",
            next_step="choose another model or method (`rationale list models`, `rationale list methods`)",
        )


def _regularizers(draft: Draft, registry: Registry, method: Named, problems: list[str]) -> tuple[Chosen, ...]:
    """In order of their names, so that none of what follows depends on the order of the words.

    Raises ``PluginError`` for one that is unknown or needs what the method does not offer, ``InputError`` for
    one that is named twice and for options that are nobody's.
    """
    given, use = draft.given, f"{REGULARIZER}.use"
    alone = {name: Draft({use: replace(given[use], value=name)}) for name in names_of(given)}
    loaded = {name: named.load(one, REGULARIZER, registry) for name, one in alone.items()}
    if len({one.name for one in loaded.values()}) < len(names_of(given)):
        raise InputError(f"{use}: Expected each regularizer once but got {', '.join(names_of(given))}.")
    for one in loaded.values():
        _check_offers(one, method)
    options = {name: one.schema.model_fields.keys() for name, one in loaded.items()}
    chosen = []
    for name, own in of_each(given, options).items():
        section = {f"{REGULARIZER}.{key}": value for key, value in own.items()}
        argument = named.arguments(alone[name], {REGULARIZER: loaded[name]})
        whole = Draft(
            merged(alone[name].given, advice.of_regularizer(loaded[name], method), section, argument)
        )
        chosen.append(named.chosen(REGULARIZER, loaded[name], whole, problems))
    return tuple(sorted(chosen, key=lambda one: one.name))


def _check_offers(regularizer: Named, method: Named) -> None:
    """Looked for on the method's class: before any weight is read."""
    offered = (*OF_ANY_METHOD, *getattr(method.plugin, "offers", ()))
    needs = cast(type[Regularizer], regularizer.plugin).needs
    lacking = [need for need in needs if need not in offered]
    if lacking:
        raise PluginError(
            f"regularizer {regularizer.name!r} needs a method that offers {', '.join(lacking)}, which method "
            f"{method.name!r} does not.",
            next_step="choose a method that does (`rationale info method NAME` tells what it offers), or "
            "leave the regularizer out",
        )


def _check_specified(draft: Draft, attribution: Named) -> None:
    """Layers and scalar asked for on the command line must mean something to the attribution."""
    specified = cast(type[Attribution], attribution.plugin).specified
    for part in ("layers", "scalar"):
        key = f"explain.{part}"
        one = draft.given.get(key)
        if specified not in (True, part) and one is not None and one.origin.startswith("--"):
            raise InputError(
                f"{key}: attribution {attribution.name!r} has no {part}. (from {one.origin})",
                next_step="leave the option out, or choose another attribution",
            )


def _where_to_look(problems: list[str], plugins: Mapping[str, Named]) -> str:
    section = problems[0].partition(".")[0]
    if problems[0].startswith("dataset.root: unknown"):
        return "--data needs a dataset that reads a folder, for example --dataset folder"
    if section == REGULARIZER:
        return "`rationale info regularizer NAME` shows the options of each"
    if section in plugins:
        return f"`rationale info {named.kind_of(section)} {plugins[section].name}` shows its options"
    return f"`rationale info section {section}` shows its options"
