"""The choices that an audit of runs varies, their levels for one pair of runs, and what protocols choose."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

from ..contracts import Dataset, Family, MaskRules, Preprocessing
from ..engine.configuration import Chosen
from ..engine.configure import of_protocol
from ..engine.view import prepared
from ..errors import InputError, did_you_mean
from ..measures.audit_results import REFERENCE
from ..measures.multiverse import Choice, Combination
from ..recipe import Draft, Given, ViewOptions, recorded
from ..recipe.protocols import DEFAULT, PROTOCOLS
from ..registry import Registry
from ..runs.evidence import EvidenceSpec
from ..runs.folder import Run

LAYERS, SCALAR, TARGET, MASK = "layers", "scalar", "target", "mask"
MAP, THRESHOLD, NOTHING, VIEW = "map", "threshold", "no-evidence", "view"

NAMES = (LAYERS, SCALAR, TARGET, MASK, MAP, THRESHOLD, NOTHING, VIEW)
"""Choices that need no retraining (protocol §6, §7), in the order in which they are told."""

BOX = "box"
"""The mask rule that every dataset has: the smallest box around the object."""

AS_ANNOTATED = "annotated"
"""The mask rule of a dataset that names none."""

OWN_VIEW = "own"
"""Pictures prepared as for the tuning."""

THRESHOLDS = ("0.5", "0.4", "0.6")
SCALARS = ("dot", "native", "cosine")


class Side(NamedTuple):
    """One of the two runs, as far as choices depend on it."""

    run: Run
    family: Family
    main: EvidenceSpec
    """How its default evidence was made."""


@dataclass(frozen=True)
class Setting:
    """What there is to choose for one pair."""

    choices: tuple[Choice, ...]
    """Those that have two levels or more."""
    protocols: Mapping[str, Combination]
    fixed: Mapping[str, str]
    """Level of each choice that is not varied."""
    view: Mapping[str, Any]
    """Options of the reference's view; empty where it is not varied."""
    rules: Mapping[str, Chosen | None]
    """Mask rule → the dataset with options that make it so; None for the box."""
    own_rule: str
    """The rule that the runs were explained under."""
    notes: tuple[str, ...]

    def levels_of(self, name: str) -> tuple[str, ...]:
        """Levels of a choice, the default first; one where it is not varied."""
        varied = {choice.name: choice.levels for choice in self.choices}
        return varied[name] if name in varied else (self.fixed[name],)

    def levels(self, combination: Combination) -> dict[str, str]:
        """Level of every choice, varied or not."""
        names = (choice.name for choice in self.choices)
        return {**self.fixed, **dict(zip(names, combination, strict=True))}


def check_names(names: Sequence[str]) -> None:
    """Raise ``InputError`` for a choice that there is not."""
    for name in names:
        if name not in NAMES:
            raise InputError(f"Expected a choice to vary but got {name!r}. {did_you_mean(name, NAMES)}")


def setting(run: Side, baseline: Side, dataset: Chosen, registry: Registry, vary: Collection[str]) -> Setting:
    """The choices of one pair: ``dataset`` is the run's own, ``vary`` names what may vary at all."""
    reference = _chosen_by(REFERENCE, run.run, registry)
    rules, own_rule = _rules(dataset)
    view, about_view = _view(reference, run.main, baseline.main)
    if VIEW not in vary:
        view, about_view = {}, []
    all_choices = list(_choices(run, baseline, rules, bool(view)))
    varied = tuple(one for one in all_choices if one.name in vary and len(one.levels) > 1)
    fixed = {one.name: one.levels[0] for one in all_choices if one not in varied}
    made = _Protocols(all_choices, rules, run.family)
    protocols = {
        name: made.combination(_chosen_by(name, run.run, registry), varied)
        for name in PROTOCOLS
        if name != DEFAULT
    }
    return Setting(varied, protocols, fixed, view, rules, own_rule, tuple(about_view))


def without_level(given: Setting, name: str, level: str, note: str) -> Setting:
    """The setting less one level that changes nothing; a choice that is left with one level goes too.

    Protocols that choose it choose the default, which is the same.
    """
    place = next((at for at, one in enumerate(given.choices) if one.name == name), None)
    if place is None:
        return given
    choice = given.choices[place]
    levels = tuple(one for one in choice.levels if one != level)
    kept = [Choice(name, levels, choice.apart)] if len(levels) > 1 else []
    choices = (*given.choices[:place], *kept, *given.choices[place + 1 :])

    def shorter(combination: Combination) -> Combination:
        here = levels[0] if combination[place] == level else combination[place]
        return (*combination[:place], *([here] if kept else []), *combination[place + 1 :])

    return Setting(
        choices,
        {key: shorter(one) for key, one in given.protocols.items()},
        given.fixed if kept else {**given.fixed, name: levels[0]},
        given.view,
        given.rules,
        given.own_rule,
        (*given.notes, note),
    )


def _choices(
    run: Side, baseline: Side, rules: Mapping[str, Chosen | None], other_view: bool
) -> Iterator[Choice]:
    if run.main.layers is not None:
        # For runs of one family the reference's layers are simply the last, or all.
        mixed = ("reference",) if run.family != baseline.family else ()
        yield Choice(LAYERS, ("last", "all", *mixed), frozenset(mixed))
    if run.main.scalar is not None:
        yield Choice(SCALAR, SCALARS)
    yield Choice(TARGET, ("label", "prediction"))
    yield Choice(MASK, tuple(rules))
    yield Choice(MAP, ("normalised", "raw"))
    yield Choice(THRESHOLD, THRESHOLDS)
    yield Choice(NOTHING, ("invalid", "valid"))
    yield Choice(VIEW, (OWN_VIEW, REFERENCE) if other_view else (OWN_VIEW,))


@dataclass(frozen=True)
class _Protocols:
    """Translates what a protocol says into levels."""

    choices: Sequence[Choice]
    rules: Mapping[str, Chosen | None]
    family: Family

    def combination(self, said: Mapping[str, Any], varied: Sequence[Choice]) -> Combination:
        """What a protocol says (dotted key → value) as levels of the varied choices."""
        asked = {
            LAYERS: self._layers(said),
            SCALAR: next(iter(said.get("explain.scalar", ())), None),
            TARGET: said.get("explain.target"),
            MASK: self._mask(said),
            NOTHING: said.get("explain.no_evidence"),
            VIEW: REFERENCE if _view_of(said) else None,
        }
        return tuple(
            cast(str, asked[one.name]) if asked.get(one.name) in one.levels else one.levels[0]
            for one in varied
        )

    def _layers(self, said: Mapping[str, Any]) -> str | None:
        layers = next(iter(said.get("explain.layers", ())), None)
        mixed = any(one.name == LAYERS and "reference" in one.levels for one in self.choices)
        if layers == "reference" and not mixed:
            return "last" if self.family == "text" else "all"
        return layers

    def _mask(self, said: Mapping[str, Any]) -> str | None:
        asked = {key.partition(".")[2]: value for key, value in said.items() if key.startswith("dataset.")}
        for rule, dataset in self.rules.items():
            if dataset is not None and rule != next(iter(self.rules)):
                plugin = cast(Any, dataset.plugin)
                changes = plugin.mask_rules.get(rule, {})
                if changes and all(asked.get(key) == value for key, value in changes.items()):
                    return rule
        return None


def _chosen_by(protocol: str, run: Run, registry: Registry) -> dict[str, Any]:
    """Dotted key → value of what a protocol says of a run's plugins."""
    tuned = Draft(recorded(run.configuration, f"run {run.name}"))
    layer = of_protocol(tuned.over({"protocol.use": Given(protocol, "audit")}), registry)
    return {key: one.value for key, one in layer.items()}


def _view_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a protocol's view; empty where it is the model's own."""
    view = {key.partition(".")[2]: value for key, value in said.items() if key.startswith("view.")}
    own = all(view.get(key, "model") == "model" for key in ("normalise", "interpolation"))
    return {} if own else view


def _view(
    said: Mapping[str, Any], run: EvidenceSpec, baseline: EvidenceSpec
) -> tuple[dict[str, Any], list[str]]:
    """Options of the reference's view where it changes anything, and what is to be told of it."""
    view = _view_of(said)
    own = [Preprocessing(**_plain(one.preprocessing)) for one in (run, baseline)]
    notes = []
    if any(one.squash for one in own) and view.pop("crop", None) is not None:
        notes.append("The model squashes pictures: the reference's crop is left out of its view.")
    options = ViewOptions(**view)
    if all(asdict(prepared(one, options)) == asdict(one) for one in own):
        return {}, ["The reference's view is the runs' own."]
    return view, notes


def _plain(preprocessing: Mapping[str, Any]) -> dict[str, Any]:
    """As YAML holds it → as the contract has it: tuples for lists."""
    return {key: tuple(one) if isinstance(one, list) else one for key, one in preprocessing.items()}


def _rules(dataset: Chosen) -> tuple[dict[str, Chosen | None], str]:
    """Every mask rule and how the dataset makes it, and the name of the one that is in force."""
    declared: MaskRules = getattr(cast(type[Dataset], dataset.plugin), "mask_rules", {})
    options = dataset.options.model_dump()
    rules: dict[str, Chosen | None] = {}
    own = AS_ANNOTATED
    for rule, changes in declared.items():
        made = type(dataset.options).model_validate({**options, **changes})
        rules[rule] = Chosen(dataset.kind, dataset.name, dataset.plugin, made)
        if made == dataset.options:
            own = rule
    if own not in rules:
        rules = {own: dataset, **rules}
    return {**rules, BOX: None}, own
