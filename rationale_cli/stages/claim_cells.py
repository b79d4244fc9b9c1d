"""Which of the scored runs speak of which claim: cells by setting, as ``measures.hypotheses`` names them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..hooks import bare_name
from ..measures.cases import Case, Ladder, Pair, by_area
from ..measures.comparison_results import Comparison
from ..measures.hypotheses import LOW_ACCURACY, ORDERS, OTHER_THRESHOLDS
from ..measures.measured import Measured
from ..measures.pooling import Places
from ..measures.results import ScoreTable
from ..reporting.layout_entries import pictures
from ..runs.evidence import EvidenceSpec
from ..runs.folder import Run
from .comparable import zero_shot
from .shifts import REFERENCE_SPLIT, Group

GRADIENT = "grad-attention"
"""The attribution that explains by the attention's gradient alone."""

PROMPTS = {"coop": "coop", "tip": "tip-adapter"}
"""Settings that are methods of their own → how the methods' names begin."""

Kind = Literal["reference", "corrupted", "other"]
"""Pictures that a model is usually judged on, the same or a further dataset's corrupted, other splits and
datasets."""

Role = Literal["main", "adamw", "rate"]
"""What a run is among those that differ from it in optimiser and learning rate only."""


@dataclass(frozen=True)
class Scored:
    """One table's runs and what was found of them."""

    group: Group
    comparisons: Mapping[str, Comparison]
    threshold: float
    places: Places
    """Of the group's pictures among all."""


@dataclass(frozen=True)
class Cells:
    """What there is to test claims on."""

    settings: Mapping[str, Sequence[Case]]
    """Cells by setting."""
    ladders: Sequence[Ladder]
    """Of those pictures on which zero-shot, LP, FLCP and FT all stand."""
    universe: int
    """Different pictures."""


@dataclass(frozen=True)
class _Cell:
    case: Case
    kind: Kind | None
    gradient: bool
    method: str
    plain: bool
    """Whether the method is tuned by its own loss alone, as a claim about a method has it."""
    roles: frozenset[Role]

    @property
    def prompt(self) -> str | None:
        return next((one for one, beginning in PROMPTS.items() if self.method.startswith(beginning)), None)


def numbered(groups: Sequence[Group], tables: Sequence[ScoreTable | None], threshold: float) -> list[Scored]:
    """Groups with their tables, where they have any, and their pictures numbered.

    Pictures of one name and one list of classes are taken for the same, however they are shown: corrupted,
    or in a further dataset.
    """
    numbers: dict[tuple[str, str], int] = {}
    found = []
    for group, table in zip(groups, tables, strict=True):
        classes, ids = "\0".join(group.spec.classnames), group.measured[0].ids
        places = np.array([numbers.setdefault((classes, one), len(numbers)) for one in ids], dtype=np.intp)
        comparisons = {one.run: one for one in table.comparisons} if table else {}
        found.append(Scored(group, comparisons, threshold, places))
    return found


def sorted_cells(found: Sequence[Scored], runs: Mapping[str, Run], names: Mapping[str, str]) -> Cells:
    """All cells by setting; ``runs`` by their names in the groups, ``names`` as which they are shown."""
    kinds = _kinds([one.group.spec for one in found])
    roles = _roles([(one, runs[one.run]) for item in found for one in item.group.measured])
    sortings = [_Sorting(*pair, runs, names, roles) for pair in zip(found, kinds, strict=True)]
    universe = 1 + max((int(one.places.max()) for one in found if len(one.places)), default=-1)
    settings = _settings(
        [cell for one in sortings for cell in one.cells(one.pairs())],
        [cell for one in sortings for cell in one.cells(one.alone())],
    )
    ladders = [
        ladder for one in sortings if one.kind == "reference" and not one.gradient for ladder in one.ladders()
    ]
    return Cells(settings, ladders, universe)


def _settings(compared: Sequence[_Cell], alone: Sequence[_Cell]) -> dict[str, list[Case]]:
    def chosen(
        cells: Sequence[_Cell], kind: Kind, role: Role, *, gradient: bool = False, prompt: str | None = None
    ) -> list[Case]:
        wanted = (kind, gradient, prompt)
        return [
            one.case for one in cells if (one.kind, one.gradient, one.prompt) == wanted and role in one.roles
        ]

    plain = [one for one in compared if one.plain]
    main = chosen(compared, "reference", "main")
    settings = {
        "main": main,
        "flcp": chosen([one for one in plain if one.method == "flcp"], "reference", "main"),
        "hard": [case for case in main if _hard(case)],
        "corrupted": chosen(compared, "corrupted", "main"),
        "adamw": chosen(compared, "reference", "adamw"),
        "gradient": chosen(compared, "reference", "main", gradient=True),
        "rates": chosen(compared, "reference", "rate"),
        **{prompt: chosen(plain, "reference", "main", prompt=prompt) for prompt in PROMPTS},
        **{f"tau-{threshold}": main for threshold in OTHER_THRESHOLDS},
        "others": chosen(compared, "other", "main"),
        "runs": chosen(alone, "reference", "main"),
    }
    for case in main:
        for stratum, part in by_area(case).items():
            settings.setdefault(stratum, []).append(part)
    return settings


@dataclass(frozen=True)
class _Sorting:
    """One table's runs, to be sorted."""

    scored: Scored
    kind: Kind | None
    runs: Mapping[str, Run]
    names: Mapping[str, str]
    roles: Mapping[str, frozenset[Role]]

    @property
    def gradient(self) -> bool:
        return bare_name(self.scored.group.spec.attribution) == GRADIENT

    def pairs(self) -> Iterator[Pair]:
        """Tuned runs against the zero-shot run that they are compared with."""
        one, members = self.scored, self.scored.group.measured
        for run, baseline in ((members[a], members[b]) for a, b in one.group.pairs):
            if self._tuned(run) and not self._tuned(baseline):
                yield Pair(run, baseline, one.places, one.comparisons.get(run.run), one.threshold)

    def alone(self) -> Iterator[Pair]:
        """Tuned runs by themselves."""
        one = self.scored
        return (Pair(run, None, one.places) for run in one.group.measured if self._tuned(run))

    def cells(self, pairs: Iterator[Pair]) -> Iterator[_Cell]:
        """Seeds together; of several runs with one seed the last counts."""
        together: dict[str, dict[int | None, Pair]] = {}
        for pair in pairs:
            together.setdefault(pair.run.configuration, {})[pair.run.seed] = pair
        for configuration, seeds in together.items():
            members = tuple(seeds.values())
            first = members[0].run
            method, plain = bare_name(first.method), not first.regularizers
            case = self._case(members)
            yield _Cell(case, self.kind, self.gradient, method, plain, self.roles[configuration])

    def ladders(self) -> Iterator[Ladder]:
        """Zero-shot and the methods that were tuned alike, where all of an order are there."""
        tuned: dict[str, dict[str, dict[int | None, Measured]]] = {}
        shots: dict[str, Measured] = {}
        for one in self.scored.group.measured:
            configuration = self.runs[one.run].configuration
            if not self._tuned(one):
                shots[_text(configuration["model"])] = one
            elif "main" in self.roles[one.configuration]:
                methods = tuned.setdefault(_alike(configuration), {})
                methods.setdefault(bare_name(one.method), {})[one.seed] = one
        for methods in tuned.values():
            first = next(iter(next(iter(methods.values())).values()))
            shot = shots.get(_text(self.runs[first.run].configuration["model"]))
            runs = {method: list(seeds.values()) for method, seeds in methods.items()}
            runs |= {"zs": [shot]} if shot else {}
            if set(ORDERS["PT"]) <= runs.keys():
                spec = self.scored.group.spec
                yield Ladder(spec.split, spec.dataset, spec.split, runs, self.scored.places)

    def _tuned(self, one: Measured) -> bool:
        return not zero_shot(self.runs[one.run])

    def _case(self, members: tuple[Pair, ...]) -> Case:
        spec, first = self.scored.group.spec, members[0].run
        shown = self.names.get(first.run, first.run)
        told = [f"{shown} and {len(members) - 1} more seeds" if len(members) > 1 else shown]
        told += [spec.split] if self.kind != "reference" else []
        return Case(" · ".join(told), spec.dataset, spec.split, members)


def _kinds(specs: Sequence[EvidenceSpec]) -> list[Kind | None]:
    """Kind of each table's pictures; None where no claim speaks of them."""
    references: dict[tuple[str, str], str] = {}
    clean = [spec for spec in specs if not _corrupted(spec) and not _further(spec)]
    for usual in (
        lambda spec: spec.split == REFERENCE_SPLIT,
        lambda spec: _split(spec) == REFERENCE_SPLIT,
        bool,
    ):
        for spec in filter(usual, clean):
            references.setdefault((spec.dataset, spec.fingerprint), spec.split)
    return [_kind(spec, references.get((spec.dataset, spec.fingerprint), "")) for spec in specs]


def _kind(spec: EvidenceSpec, reference: str) -> Kind | None:
    if _corrupted(spec):
        # Not those of another split: what that changes is no corruption's work.
        usual = not reference or _further(spec) or _split(spec) == reference.partition("+")[0]
        return "corrupted" if usual else None
    if spec.split == reference:
        return "reference"
    return "other" if _further(spec) or _split(spec) != reference.partition("+")[0] else None


def _corrupted(spec: EvidenceSpec) -> bool:
    return bool(pictures(spec.split)["corruption"])


def _further(spec: EvidenceSpec) -> bool:
    return bool(spec.shown.get("further", False))


def _split(spec: EvidenceSpec) -> str:
    return spec.split.partition("+")[0]


def _roles(members: Sequence[tuple[Measured, Run]]) -> dict[str, frozenset[Role]]:
    """Roles of each configuration among those that differ from it in optimiser and learning rate only.

    The main one is tuned by Adam, at a learning rate that nobody chose, and was named first: the later of
    these count where the earlier leave several.
    """
    families: dict[str, dict[str, Run]] = {}
    for one, run in members:
        families.setdefault(_family(run.configuration), {}).setdefault(one.configuration, run)
    roles = {}
    for family in families.values():
        main = min(family, key=lambda key: _strangeness(family[key]))
        for key, run in family.items():
            roles[key] = frozenset(_roles_of(run, family[main]))
    return roles


def _roles_of(run: Run, main: Run) -> Iterator[Role]:
    if run is main:
        yield "main"
    if _optimizer(run) == "adamw":
        yield "adamw"
    if _optimizer(run) == _optimizer(main) and _rate(run) != _rate(main):
        yield "rate"


def _family(configuration: Mapping[str, Any]) -> str:
    method, train = configuration["method"], configuration.get("train") or {}
    options = {key: value for key, value in (method.get("options") or {}).items() if key != "lr"}
    shared = {key: train[key] for key in train if key not in ("seed", "optimizer", "weight_decay")}
    named = [configuration["model"], method["use"], options, configuration.get("regularizer")]
    return _text([*named, configuration["dataset"], shared])


def _strangeness(run: Run) -> tuple[bool, bool]:
    return _optimizer(run) != "adam", "method.lr" in (run.configuration.get("passed") or {})


def _optimizer(run: Run) -> str:
    return str((run.configuration.get("train") or {}).get("optimizer", "adam"))


def _rate(run: Run) -> Any:
    return (run.configuration["method"].get("options") or {}).get("lr")


def _alike(configuration: Mapping[str, Any]) -> str:
    """What methods share that are put in order: model, data, regularizers, what they were tuned on and by."""
    train = configuration.get("train") or {}
    shared = [train.get("split"), train.get("optimizer")]
    return _text([configuration["model"], configuration["dataset"], configuration.get("regularizer"), shared])


def _hard(case: Case) -> bool:
    baseline = case.pairs[0].baseline
    return baseline is not None and float(baseline.outcomes.right.mean()) < LOW_ACCURACY


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
