"""From what was asked for to what will be done: plugins found, defaults filled in, every option checked.

Later layers win: a plugin's defaults < what the method recommends < the folder of data < what the model
recommends for the method < the protocol < recipe < ``--set`` and flags. No weight is read here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from pydantic import ValidationError

from ..contracts import IMAGES, Attribution, Method, MethodOptions, PluginOptions, Regularizer
from ..errors import InputError, PluginError
from ..hooks import bare_name
from ..recipe import (
    DEFAULTS,
    NOUNS,
    PLUGINS,
    REGULARIZER,
    SHIFT,
    Draft,
    ExplainOptions,
    Given,
    Layer,
    TrainOptions,
    ViewOptions,
    merged,
    names_of,
    of_each,
    problems_of,
    same_plugin,
    validated,
)
from ..recipe.protocols import DEFAULT, protocol
from ..recipe.regularizers import NONE, is_option
from ..registry import Registered, Registry
from ..toolkit.layers import parse
from .base_to_new import BaseToNew

Classes = Literal["all", "base-to-new"]
"""See ``engine.base_to_new``."""

DATA = "RATIONALE_DATA"
"""Environment variable: a folder with one folder for each dataset, called as its plugin is."""

NOT_DECISIVE = ("workers", "skip_bad")
"""Keys of ``train`` that do not change the result; unreadable pictures stop a run that may not skip them."""

_Options = TypeVar("_Options", bound=PluginOptions)


@dataclass(frozen=True)
class Chosen:
    """A plugin and its checked options."""

    kind: str
    """Of plugin: a further dataset, ``shift``, is a ``dataset``."""
    name: str
    """Qualified: ``distribution:name``."""
    plugin: type
    options: PluginOptions
    classes: Classes = "all"
    """Of a dataset: all classes together, or tuned on one half and judged on both."""

    @property
    def bare(self) -> str:
        """The name without its distribution."""
        return bare_name(self.name)

    def build(self) -> Any:
        """The plugin's object; for a model this is where weights are read."""
        built = self.plugin(self.options)
        return built if self.classes == "all" else BaseToNew(built)

    def to_dict(self) -> dict[str, Any]:
        """``{"use": name, "options": {…}}`` as plain data."""
        options = self.options.model_dump(mode="json")
        divided = {} if self.classes == "all" else {"classes": self.classes}
        return {"use": self.name, "options": {**options, **divided}}


@dataclass(frozen=True)
class Configuration:
    """All sections, resolved and checked."""

    model: Chosen
    method: Chosen
    dataset: Chosen
    attribution: Chosen
    train: TrainOptions
    explain: ExplainOptions
    view: ViewOptions = field(default_factory=ViewOptions)
    shift: Chosen | None = None
    """A further dataset that the run is explained on."""
    regularizers: tuple[Chosen, ...] = ()
    """Terms that are added to the method's loss, in order of their names."""
    protocol: str = DEFAULT
    chosen: tuple[str, ...] = ()
    """Dotted keys that the user gave; everything else is a default or the model's recommendation."""
    label: str = ""
    """What distinguishes this cell of a recipe's grid."""

    @property
    def passed(self) -> dict[str, Any]:
        """Dotted key → value, as plain data, of what the user gave."""
        return {key: self._resolved(*key.split(".", 1)) for key in self.chosen}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``run.yaml``: resolved sections, and what was passed."""
        return {
            **{noun: getattr(self, noun).to_dict() for noun in NOUNS},
            **({SHIFT: self.shift.to_dict()} if self.shift else {}),
            **({REGULARIZER: [one.to_dict() for one in self.regularizers]} if self.regularizers else {}),
            "protocol": {"use": self.protocol},
            "view": self.view.model_dump(mode="json"),
            "train": self.train.model_dump(mode="json"),
            "explain": self.explain.model_dump(mode="json"),
            "passed": self.passed,
        }

    @property
    def learns(self) -> bool:
        """Whether the method takes anything from a training split; zero-shot does not."""
        method = self.method
        return isinstance(method.options, MethodOptions) or hasattr(method.plugin, "prepare")

    @property
    def indifferent(self) -> tuple[str, ...]:
        """Keys of ``train`` that do not change the result; where nothing is learned, all but the seed."""
        every = tuple(key for key in TrainOptions.model_fields if key != "seed")
        return NOT_DECISIVE if self.learns else every

    def digest(self) -> str:
        """Eight hexadecimal digits of what determines the training.

        That is model, method, regularizers, dataset, view and train.
        """
        resolved = self.to_dict()
        decisive = {key: resolved[key] for key in ("model", "method", "dataset", "train")}
        if self.regularizers:
            decisive[REGULARIZER] = resolved[REGULARIZER]
        if self.view != ViewOptions():
            decisive["view"] = resolved["view"]
        for key in self.indifferent:
            del decisive["train"][key]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]

    def run_name(self) -> str:
        """The default name, ``tiny-clip-ft-scenes-1a2b3c4d``, with regularizers where there are any, and with
        split, shots and seed where they are others.

        It follows from the settings alone: recipes that ask for the same run share its folder.
        """
        added = [one.bare for one in self.regularizers]
        words = [self.model.bare, self.method.bare, *added, self.dataset.bare]
        usual = TrainOptions()
        if self.learns and self.train.split != usual.split:
            words.append(self.train.split)
        if self.learns and self.train.shots is not None:
            words.append(f"{self.train.shots}-shots")
        if self.train.seed != usual.seed:
            words.append(f"seed-{self.train.seed}")
        # A family's argument may hold anything, a path for instance.
        return "-".join(re.sub(r"[^\w.]+", "-", word).strip("-.") for word in (*words, self.digest()))

    def _resolved(self, section: str, key: str) -> Any:
        if section == "protocol":
            return self.protocol
        if section == REGULARIZER:
            return _resolved_key(self.regularizers, key)
        if section not in PLUGINS:
            return getattr(self, section).model_dump(mode="json")[key]
        chosen: Chosen = getattr(self, section)
        plain = chosen.to_dict()
        return plain["use"] if key == "use" else plain["options"].get(key, chosen.classes)


def _resolved_key(regularizers: Sequence[Chosen], key: str) -> Any:
    """The value of ``use``, ``KEY`` or ``NAME.KEY`` of the section ``regularizer``, as plain data."""
    if key == "use":
        return ",".join(one.name for one in regularizers) or NONE
    name, _, option = key.rpartition(".")
    options = [one.to_dict()["options"] for one in regularizers if not name or same_plugin(name, one.name)]
    return next(one[option] for one in options if option in one)


def configure(draft: Draft, registry: Registry, data: Path | None = None) -> Configuration:
    """Check a draft against the plugins that it names.

    ``data`` is a folder with one folder for each dataset; None takes that of ``RATIONALE_DATA``. Raises
    ``PluginError`` for plugins that are unknown, broken or do not go together, and ``InputError`` for
    options, all of them at once, each with its key and origin.
    """
    nouns = (*NOUNS, SHIFT) if f"{SHIFT}.use" in draft.given else NOUNS
    plugins = {noun: _load(draft, noun, registry) for noun in nouns}
    names = {noun: found.qualified for noun, (found, _) in plugins.items()}
    classes = {noun: plugin for noun, (_, plugin) in plugins.items()}
    _check_needs(names, classes)
    arguments = _arguments(draft, {noun: found for noun, (found, _) in plugins.items()})
    name, chosen_protocol = _protocol(draft, names, classes)
    folders = _folders(plugins, registry, data)
    advised = (_of_method(names, classes["method"]), folders, _of_model(names, classes["model"]))
    complete = Draft(merged(*advised, chosen_protocol, draft.given, arguments))
    problems: list[str] = []
    chosen = {noun: _chosen(noun, names[noun], classes[noun], complete, problems) for noun in nouns}
    regularizers = _regularizers(complete, registry, names["method"], classes["method"], problems)
    train = _options(TrainOptions, "train", "section 'train'", complete, problems)
    explain = _options(ExplainOptions, "explain", "section 'explain'", complete, problems)
    view = _options(ViewOptions, "view", "section 'view'", complete, problems)
    if problems or train is None or explain is None or view is None:
        raise InputError("\n".join(problems), next_step=_where_to_look(problems, names))
    for layers in explain.layers:
        parse(layers)
    _check_specified(complete, names["attribution"], classes["attribution"])
    return Configuration(
        **chosen,
        regularizers=regularizers,
        train=train,
        explain=explain,
        view=view,
        protocol=name,
        chosen=tuple(key for key in draft.chosen() if regularizers or not is_option(key)),
        label=draft.label,
    )


def of_protocol(draft: Draft, registry: Registry) -> Layer:
    """What the protocol that a draft names means for the plugins that it names; empty where it names none.

    Raises ``InputError`` for an unknown protocol, ``PluginError`` as ``configure`` does.
    """
    nouns = (*NOUNS, SHIFT) if f"{SHIFT}.use" in draft.given else NOUNS
    plugins = {noun: _load(draft, noun, registry) for noun in nouns}
    names = {noun: found.qualified for noun, (found, _) in plugins.items()}
    return _protocol(draft, names, {noun: plugin for noun, (_, plugin) in plugins.items()})[1]


def choose(noun: str, draft: Draft, registry: Registry) -> Chosen:
    """One section's plugin with its checked options; the other sections' plugins are not even imported.

    What a model recommends is left out. Raises as ``configure`` does.
    """
    found, plugin = _load(draft, noun, registry)
    folders = _folders({noun: (found, plugin)}, registry)
    complete = Draft(merged(folders, draft.given, _arguments(draft, {noun: found})))
    problems: list[str] = []
    chosen = _chosen(noun, found.qualified, plugin, complete, problems)
    if problems:
        raise InputError("\n".join(problems), next_step=_where_to_look(problems, {noun: found.qualified}))
    return chosen


def _load(draft: Draft, noun: str, registry: Registry) -> tuple[Registered, type]:
    given = _named(draft, noun)
    kind = _kind(noun)
    try:
        found = registry.find(kind, str(given.value))
        return found, registry.load(kind, found.qualified)
    except PluginError as error:
        raise PluginError(
            f"{noun}.use: {error.what} (from {given.origin})", where=error.where, next_step=error.next_step
        ) from error


def _kind(noun: str) -> str:
    """The kind of plugin that a section names."""
    return "dataset" if noun == SHIFT else noun


def _named(draft: Draft, noun: str) -> Given:
    given = draft.given.get(f"{noun}.use")
    return given or Given(DEFAULTS[_kind(noun)], "default", passed=False)


def _folders(
    plugins: Mapping[str, tuple[Registered, type]], registry: Registry, data: Path | None = None
) -> dict[str, Given]:
    """Where the data of each section with a dataset lie, as far as one folder holds all datasets.

    Beside ``root``, an option that is called as another dataset is (ImageNet-C's ``imagenet``) means that
    dataset's folder, where it is there.
    """
    named = str(data) if data else os.environ.get(DATA, "").strip()
    if not named:
        return {}
    every, origin = Path(named).expanduser().absolute(), "--data" if data else DATA
    others = {one.name for one in registry.entries("dataset")}
    layer = {}
    for noun, (found, plugin) in plugins.items():
        if _kind(noun) != "dataset":
            continue
        for key in cast(Any, plugin).Options.model_fields:
            folder = every / (found.entry.name if key == "root" else key)
            if key == "root" or (key in others and folder.is_dir()):
                layer[f"{noun}.{key}"] = Given(str(folder), origin, passed=False)
    return layer


def _arguments(draft: Draft, plugins: Mapping[str, Registered]) -> dict[str, Given]:
    """What was written after a family's name, as the option that it stands for.

    Raises ``InputError`` where the option is given beside it with another value.
    """
    layer = {}
    for noun, found in plugins.items():
        if not found.argument:
            continue
        key, use = f"{noun}.{found.entry.argument}", _named(draft, noun)
        other = draft.given.get(key)
        if other is not None and str(other.value) != found.argument:
            raise InputError(
                f"{key}: Expected one value but {found.name!r} (from {use.origin}) and {other.value!r} "
                f"(from {other.origin}) differ."
            )
        layer[key] = Given(found.argument, use.origin, passed=False)
    return layer


def _check_needs(names: Mapping[str, str], classes: Mapping[str, type]) -> None:
    """A method's capabilities are looked for on the model's class: before any weight is read."""
    needs: tuple[str, ...] = cast(type[Method], classes["method"]).needs
    lacking = [need for need in needs if not hasattr(classes["model"], need)]
    if lacking:
        raise PluginError(
            f"method {names['method']!r} needs a model with {', '.join(lacking)}, "
            f"which model {names['model']!r} does not have.",
            next_step="choose another model or method (`rationale list models`, `rationale list methods`)",
        )


def _regularizers(
    draft: Draft, registry: Registry, method: str, plugin: type, problems: list[str]
) -> tuple[Chosen, ...]:
    """In order of their names, so that none of what follows depends on the order of the words.

    Raises ``PluginError`` for one that is unknown or needs what the method does not offer, ``InputError`` for
    one that is named twice and for options that are nobody's.
    """
    given = draft.given
    alone = {
        name: Draft({f"{REGULARIZER}.use": replace(given[f"{REGULARIZER}.use"], value=name)})
        for name in names_of(given)
    }
    loaded = {name: _load(one, REGULARIZER, registry) for name, one in alone.items()}
    qualified = [found.qualified for found, _ in loaded.values()]
    if len(set(qualified)) < len(names_of(given)):
        raise InputError(
            f"{REGULARIZER}.use: Expected each regularizer once but got {', '.join(names_of(given))}."
        )
    for found, one in loaded.values():
        _check_offers(found.qualified, one, method, plugin)
    options = {name: cast(Any, one).Options.model_fields.keys() for name, (_, one) in loaded.items()}
    chosen = []
    for name, own in of_each(given, options).items():
        found, one = loaded[name]
        section = {f"{REGULARIZER}.{key}": value for key, value in own.items()}
        whole = Draft(merged(alone[name].given, section, _arguments(alone[name], {REGULARIZER: found})))
        chosen.append(_chosen(REGULARIZER, found.qualified, one, whole, problems))
    return tuple(sorted(chosen, key=lambda one: one.name))


def _check_offers(name: str, regularizer: type, method: str, plugin: type) -> None:
    """Looked for on the method's class: before any weight is read."""
    offered = (IMAGES, *getattr(plugin, "offers", ()))
    lacking = [need for need in cast(type[Regularizer], regularizer).needs if need not in offered]
    if lacking:
        raise PluginError(
            f"regularizer {name!r} needs a method that offers {', '.join(lacking)}, which method {method!r} "
            "does not.",
            next_step="choose a method that does (`rationale info method NAME` tells what it offers), or "
            "leave the regularizer out",
        )


def _of_method(names: Mapping[str, str], method: type) -> dict[str, Given]:
    """What the method recommends for its own training; raises as ``_of_model`` does."""
    return _recommended("method", names, getattr(method, "recommended", {}))


def _of_model(names: Mapping[str, str], model: type) -> dict[str, Given]:
    """What the model recommends for the method.

    It is read from the class, since no model is built yet. Raises ``PluginError`` for keys that are not
    the model's to recommend.
    """
    table = getattr(model, "recommended", {})
    method = names["method"]
    if isinstance(table, Mapping):
        table = table.get(method, table.get(bare_name(method), {}))
    return _recommended("model", names, table)


def _recommended(kind: str, names: Mapping[str, str], values: object) -> dict[str, Given]:
    owner = f"{kind} {names[kind]!r}"
    if not isinstance(values, Mapping):
        raise PluginError(
            f"Expected 'recommended' of {owner} to be a mapping on the class but got {type(values).__name__}."
        )
    origin = f"recommended by {owner}"
    for key in values:
        if key.partition(".")[0] not in {"method", "train"} or key == "method.use":
            raise PluginError(f"{key}: a {kind} recommends keys of 'method' and 'train' only ({origin}).")
    return {key: Given(value, origin, passed=False) for key, value in values.items()}


def _protocol(
    draft: Draft, names: Mapping[str, str], classes: Mapping[str, type]
) -> tuple[str, dict[str, Given]]:
    """The protocol's name, and the choices of one that was named: its own, and what each plugin adds.

    Raises ``PluginError`` for keys that are not a plugin's to choose.
    """
    named = draft.given.get("protocol.use")
    if named is None:
        return DEFAULT, {}
    name = str(named.value)
    choices = dict(protocol(name, named.origin).choices)
    for noun, plugin in classes.items():
        for key, value in getattr(plugin, "protocols", {}).get(name, {}).items():
            section, _, rest = key.partition(".")
            if section not in {_kind(noun), "view", "train", "explain"} or rest in {"", "use"}:
                raise PluginError(
                    f"{key}: a protocol's choices are of the plugin's own section or of view, train and "
                    f"explain (protocols of {noun} {names[noun]!r})."
                )
            # How a further dataset is seen is its own affair; how it is tuned on and explained is not.
            if noun != SHIFT or section == "dataset":
                choices[f"{noun}.{rest}" if section == _kind(noun) else key] = value
    return name, {key: Given(value, f"protocol {name}", passed=False) for key, value in choices.items()}


def _chosen(noun: str, name: str, plugin: type, draft: Draft, problems: list[str]) -> Chosen:
    schema: type[PluginOptions] = cast(Any, plugin).Options
    owner = f"{_kind(noun)} {bare_name(name)!r}"
    classes: Classes = "all"
    if _kind(noun) == "dataset" and "classes" not in schema.model_fields:
        classes, draft = _classes(noun, draft, problems)
    options = _options(schema, noun, owner, draft, problems)
    return Chosen(
        _kind(noun), name, plugin, options if options is not None else schema.model_construct(), classes
    )


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


def _options(
    schema: type[_Options], section: str, owner: str, draft: Draft, problems: list[str]
) -> _Options | None:
    given = {key: one for key, one in draft.section(section).items() if key != "use"}
    try:
        return validated(schema, {key: one.value for key, one in given.items()})
    except ValidationError as error:
        for key, told in problems_of(error, schema, owner):
            origin = given.get(key.partition(".")[0])
            problems.append(f"{section}.{key}: {told}" + (f" (from {origin.origin})" if origin else ""))
        return None


def _check_specified(draft: Draft, name: str, attribution: type) -> None:
    """Layers and scalar asked for on the command line must mean something to the attribution."""
    if cast(type[Attribution], attribution).specified:
        return
    for key in ("explain.layers", "explain.scalar"):
        one = draft.given.get(key)
        if one is not None and one.origin.startswith("--"):
            raise InputError(
                f"{key}: attribution {name!r} has no layers and no scalar. (from {one.origin})",
                next_step="leave the option out, or choose another attribution",
            )


def _where_to_look(problems: list[str], names: Mapping[str, str]) -> str:
    section = problems[0].partition(".")[0]
    if problems[0].startswith("dataset.root: unknown"):
        return "--data needs a dataset that reads a folder, for example --dataset folder"
    if section == REGULARIZER:
        return "`rationale info regularizer NAME` shows the options of each"
    if section in names:
        return f"`rationale info {_kind(section)} {names[section]}` shows its options"
    return f"`rationale info section {section}` shows its options"
