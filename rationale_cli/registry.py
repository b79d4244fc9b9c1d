"""Which plugins there are: discover, isolate, look up, load.

Each distribution names a register module under the entry-point group ``rationale``. Whatever a plugin does
wrong is recorded and told in one line; it stops only the command that names it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import pluggy

from .errors import PluginError, did_you_mean
from .hooks import KINDS, PROJECT, Entry, Hooks

DISABLE = "RATIONALE_DISABLE_PLUGINS"
"""Environment variable: distributions or entry-point names, separated by commas, that are not loaded."""

_NAME = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Source:
    """Where a plugin came from."""

    distribution: str
    version: str
    module: str
    """The register module."""
    entry_point: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


@dataclass(frozen=True)
class Registered:
    """A plugin that can be named."""

    kind: str
    entry: Entry
    source: Source
    argument: str = ""
    """What was asked for within a family: ``ViT-L-14`` of ``open_clip:ViT-L-14``."""

    @property
    def name(self) -> str:
        """The bare name, argument included."""
        return f"{self.entry.name}:{self.argument}" if self.argument else self.entry.name

    @property
    def usage(self) -> str:
        """The name as a user writes it: a family's with a place for its argument."""
        place = self.entry.argument.upper()
        return self.name if self.argument or not place else f"{self.name}:{place}"

    @property
    def distribution(self) -> str:
        """Name of the distribution that brings it."""
        return self.source.distribution

    @property
    def version(self) -> str:
        """Version of that distribution."""
        return self.source.version

    @property
    def qualified(self) -> str:
        """``distribution:name``: always unambiguous, and what run folders record."""
        return f"{self.source.distribution}:{self.name}"


@dataclass(frozen=True)
class Broken:
    """Something that a distribution registers and that cannot be used."""

    source: Source
    reason: str
    kind: str | None = None
    name: str | None = None
    """The entry's name, where the fault is one entry's."""

    def __str__(self) -> str:
        what = f"{self.kind} {self.name!r} of " if self.name else ""
        return f"{what}{self.source} ({self.source.module}): {self.reason}"


class Registry:
    """The plugins of one process.

    ``plugins``: usable ones. ``broken``: what is wrong with the others. ``disabled``: distributions that
    ``RATIONALE_DISABLE_PLUGINS`` keeps out.
    """

    def __init__(
        self, plugins: Iterable[Registered], broken: Iterable[Broken] = (), disabled: Iterable[Source] = ()
    ) -> None:
        self.plugins = tuple(plugins)
        self.broken = tuple(broken)
        self.disabled = tuple(disabled)

    @classmethod
    def discover(cls) -> Registry:
        """Read the register module of every installed distribution; nothing that it does raises here."""
        blocked = {_normal(name) for name in os.environ.get(DISABLE, "").split(",") if name.strip()}
        found: list[tuple[Source, ModuleType]] = []
        broken: list[Broken] = []
        disabled: list[Source] = []
        for point in importlib.metadata.entry_points(group=PROJECT):
            source = _source(point)
            if blocked & {_normal(source.distribution), _normal(point.name)}:
                disabled.append(source)
                continue
            try:
                found.append((source, importlib.import_module(point.module)))
            except (Exception, SystemExit) as error:  # a stranger's module may raise anything
                broken.append(Broken(source, f"raises at import: {_told(error)}"))
        return cls._collected(found, broken, disabled)

    @classmethod
    def from_modules(cls, modules: Mapping[str, ModuleType]) -> Registry:
        """A registry of explicit register modules, by distribution name: for tests and notebooks."""
        return cls._collected([(Source(name, "", one.__name__), one) for name, one in modules.items()])

    @classmethod
    def _collected(
        cls,
        found: Iterable[tuple[Source, ModuleType]],
        broken: Iterable[Broken] = (),
        disabled: Iterable[Source] = (),
    ) -> Registry:
        plugins: list[Registered] = []
        faults = list(broken)
        taken: set[tuple[str, str, str]] = set()
        for source, module in found:
            for one in _entries(source, module):
                if isinstance(one, Broken):
                    faults.append(one)
                elif (one.kind, _normal(one.distribution), one.name) in taken:
                    faults.append(Broken(source, "the name is registered twice", one.kind, one.name))
                else:
                    taken.add((one.kind, _normal(one.distribution), one.name))
                    plugins.append(one)
        return cls(plugins, faults, disabled)

    def entries(self, kind: str) -> list[Registered]:
        """Usable plugins of one kind (``model``, ``method`` …) in order of name."""
        return sorted(
            (one for one in self.plugins if one.kind == kind), key=lambda one: (one.name, one.qualified)
        )

    def problems(self) -> list[str]:
        """What is wrong with broken plugins, one line each."""
        return [f"Broken plugin: {one}" for one in self.broken]

    def find(self, kind: str, name: str) -> Registered:
        """The plugin that a bare or qualified name means; a family's name may go on with its argument.

        Raises ``PluginError`` where it is unknown, broken, or a bare name that several distributions use.
        """
        named = [found for one in self.entries(kind) if (found := _asked(one, name)) is not None]
        if len(named) == 1:
            return named[0]
        if named:
            both = " and ".join(repr(one.qualified) for one in named)
            raise PluginError(
                f"Expected one {kind} but {name!r} is the name of {both}.",
                next_step="use the full name, distribution:name",
            )
        distribution, _, bare = name.rpartition(":")
        raise self._unknown(kind, name, distribution, bare)

    def load(self, kind: str, name: str) -> type:
        """Import a plugin's class and check that it has what the contract asks.

        Raises ``PluginError`` where ``find`` does, a dependency is missing (with the pip line), the import
        fails, or the class lacks a member of the contract (naming it).
        """
        found = self.find(kind, name)
        _check_requirements(found)
        plugin = _imported(found)
        lacking = contract_faults(kind, plugin)
        if lacking:
            raise PluginError(
                f"{kind} {found.qualified!r} does not fulfil the contract: {'; '.join(lacking)}.",
                where=found.entry.target,
                next_step=f"tell the authors of {found.source}",
            )
        return plugin

    def _unknown(self, kind: str, name: str, distribution: str, bare: str) -> PluginError:
        for one in self.broken:
            whole = (
                one.name is None
                and distribution
                and _normal(one.source.distribution) == _normal(distribution)
            )
            entry = one.kind == kind and one.name == bare
            if entry or whole:
                return PluginError(f"{kind} {name!r} cannot be used: {one}", next_step=_MEND)
        known = [entry.usage for entry in self.entries(kind)]
        if distribution:
            known = [entry.qualified for entry in self.entries(kind)]
        hint = "`rationale list --plugins` tells what is wrong with broken plugins" if self.broken else None
        return PluginError(
            f"Unknown {kind} {name!r}. {did_you_mean(name, known)}",
            next_step=hint or f"`rationale list {kind}s` shows what there is",
        )


def _asked(one: Registered, name: str) -> Registered | None:
    """The plugin, with its argument, where a name means it."""
    distribution, colon, rest = name.partition(":")
    for text in (name, *([rest] if colon and _normal(distribution) == _normal(one.distribution) else [])):
        bare, _, argument = text.partition(":")
        if bare == one.entry.name and (one.entry.argument or not argument):
            return replace(one, argument=argument)
    return None


_MEND = f"update or uninstall the distribution, or leave it out with {DISABLE}"


def contract_faults(kind: str, plugin: type) -> list[str]:
    """What the class lacks of its kind's protocol, as far as a class shows it.

    Methods and class variables are looked for; properties may be set on the instance and are not.
    """
    from . import contracts

    protocol = {
        "model": contracts.VisionLanguageModel,
        "method": contracts.Method,
        "attribution": contracts.Attribution,
        "dataset": contracts.Dataset,
        "regularizer": contracts.Regularizer,
        "format": contracts.CheckpointFormat,
    }[kind]
    methods = [name for name, one in vars(protocol).items() if inspect.isfunction(one) and name[0] != "_"]
    variables = [
        name for name, hint in inspect.get_annotations(protocol).items() if str(hint).startswith("ClassVar")
    ]
    faults = [f"method {name!r} is missing" for name in methods if not callable(getattr(plugin, name, None))]
    faults += [f"class variable {name!r} is missing" for name in variables if not hasattr(plugin, name)]
    options = getattr(plugin, "Options", None)
    has_options = "Options" in vars(protocol)
    if has_options and not (isinstance(options, type) and issubclass(options, contracts.PluginOptions)):
        faults.append("'Options', a subclass of PluginOptions, is missing")
    return faults


def missing_requirements(entry: Entry) -> list[str]:
    """Requirements of an entry that are not installed, or not in a fitting version."""
    from packaging.requirements import InvalidRequirement, Requirement

    missing = []
    for text in entry.requires:
        try:
            wanted = Requirement(text)
            version = importlib.metadata.version(wanted.name)
        except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
            missing.append(text)
        else:
            if not wanted.specifier.contains(version, prereleases=True):
                missing.append(text)
    return missing


def _check_requirements(found: Registered) -> None:
    missing = missing_requirements(found.entry)
    if missing:
        raise PluginError(
            f"{found.kind} {found.qualified!r} needs what is not installed: {', '.join(missing)}.",
            next_step="pip install " + " ".join(f"'{one}'" for one in missing),
        )


def _imported(found: Registered) -> type:
    module, _, attribute = found.entry.target.partition(":")
    try:
        plugin = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a stranger's module may raise anything
        raise PluginError(
            f"{found.kind} {found.qualified!r} cannot be imported: {_told(error)}",
            where=found.entry.target,
            next_step=_MEND,
        ) from error
    if not isinstance(plugin, type):
        raise PluginError(
            f"Expected a class for {found.kind} {found.qualified!r} but got {plugin!r}.",
            where=found.entry.target,
        )
    return plugin


def _entries(source: Source, module: ModuleType) -> Iterator[Registered | Broken]:
    """Call every hook implementation of one register module, each alone."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    yield from (Broken(source, fault) for fault in _misspelt(manager, module))
    try:
        manager.register(module)
    except pluggy.PluginValidationError as error:
        yield Broken(source, f"a hook does not fit: {error}".replace("\n", " "))
        return
    for kind, hook in KINDS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            try:
                returned = list(implementation.function())
            except Exception as error:  # a stranger's hook may raise anything
                yield Broken(source, f"{hook} raises: {_told(error)}")
                continue
            yield from (_checked(source, kind, hook, one) for one in returned)


def _misspelt(manager: pluggy.PluginManager, module: ModuleType) -> Iterator[str]:
    hooks = set(KINDS.values())
    options = {name: manager.parse_hookimpl_opts(module, name) for name in dir(module)}
    marked = {one.get("specname") or name for name, one in options.items() if one is not None}
    yield from (f"unknown hook {name!r}. {did_you_mean(name, hooks)}" for name in sorted(marked - hooks))
    plain = {name for name in hooks - marked if callable(getattr(module, name, None))}
    yield from (f"{name} lacks its @hookimpl" for name in sorted(plain))
    if not marked and not plain:
        yield f"registers nothing. {did_you_mean('', hooks)}"


def _checked(source: Source, kind: str, hook: str, entry: Any) -> Registered | Broken:
    if not isinstance(entry, Entry):
        return Broken(source, f"{hook}: Expected Entry objects but got {entry!r:.80}", kind)
    name = str(entry.name)
    if not (isinstance(entry.name, str) and _NAME.fullmatch(name)):
        reason = f"Expected a name of lower case, digits, hyphens and underscores but got {entry.name!r}"
        return Broken(source, reason, kind, name)
    if not (isinstance(entry.target, str) and _TARGET.fullmatch(entry.target)):
        return Broken(source, f"Expected a target 'module:Class' but got {entry.target!r}", kind, name)
    if isinstance(entry.requires, str) or not all(isinstance(one, str) for one in entry.requires):
        return Broken(source, f"Expected a tuple of requirements but got {entry.requires!r}", kind, name)
    return Registered(kind, entry, source)


def _source(point: importlib.metadata.EntryPoint) -> Source:
    if point.dist is None:
        return Source(point.name, "", point.module, point.name)
    return Source(point.dist.name, point.dist.version, point.module, point.name)


def _told(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}".removesuffix(": ")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
