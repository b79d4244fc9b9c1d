"""Which evidence of which runs may stand in one table, and what each run is compared with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from ..errors import InputError
from ..hooks import bare_name
from ..recipe.sections import Precision
from ..runs.evidence import EvidenceSet
from ..runs.folder import Run
from ..runs.naming import set_name

Mismatch = Literal["refuse", "separate", "allow"]

_VIEW = ("size", "resize", "squash")
"""Of the preprocessing, what decides which part of a picture is seen, and so what its mask is."""

_DEFAULTS = tuple(set_name("gaa", "last", "dot", "label", one) for one in get_args(Precision))
"""The evidence set that is scored where neither the caller nor the run's recipe names one: ``gaa-last-dot``,
in mixed precision where there is no other."""


@dataclass(frozen=True)
class Source:
    """The evidence of one run on one split, and the set that is scored."""

    run: Run
    name: str
    split: str
    sets: dict[str, EvidenceSet]
    main: EvidenceSet

    @property
    def dataset(self) -> str:
        """Qualified name of the dataset."""
        return self.main.spec.dataset

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What compared runs must share, by the words in which a difference is told."""
        spec = self.main.spec
        ids = hashlib.sha256("\0".join(sorted(map(str, self.main.table.id))).encode()).hexdigest()[:12]
        return {
            "data": spec.fingerprint,
            "classes": f"{len(spec.classnames)} ({_short(spec.classnames)})",
            "attribution": spec.attribution,
            "options of the attribution": _text(spec.options),
            "layers": spec.layers,
            "scalar": spec.scalar,
            "target": spec.target,
            "heatmaps without contrast": spec.no_evidence,
            # Mean and standard deviation are a model's own affair: they leave mask and picture in place.
            "preprocessing": _text({key: spec.preprocessing.get(key) for key in _VIEW}),
            "pictures": f"{len(self.main.table)} ({ids})",
        }


def named(runs: Sequence[Run]) -> list[tuple[str, Run]]:
    """Runs by name; by path where two folders have one name."""
    names = [run.name for run in runs]
    return [(run.name if names.count(run.name) == 1 else str(run.path), run) for run in runs]


def sources(
    runs: Sequence[Run], specification: str | None, mismatch: Mismatch
) -> tuple[list[Source], list[str]]:
    """The evidence to score, run by run and split by split, and warnings.

    Raises ``InputError`` for a run without the evidence, unless runs were not named (``separate``): those
    are passed over.
    """
    found, warnings = [], []
    for name, run in named(runs):
        splits = run.splits()
        if not splits and mismatch != "separate":
            raise InputError(
                f"Expected a run with evidence but {name!r} has none.",
                where=str(run.path),
                next_step=f"rationale explain {name}",
            )
        for split in splits:
            sets = run.evidence(split)
            main = _choose(run, sets, specification)
            if main is not None:
                found.append(Source(run, name, split, sets, main))
                continue
            problem = _lacking(name, split, sets, specification)
            if mismatch != "separate":
                raise problem
            warnings.append(problem.what)
    if not found:
        raise InputError(
            "Expected at least one run with evidence but there is none.",
            next_step="`rationale finetune --model tiny-clip --method ft` and then `rationale explain`",
        )
    return found, warnings


def groups(
    found: Sequence[Source], mismatch: Mismatch, baseline: str | None
) -> tuple[list[list[Source]], list[str]]:
    """Sources that stand in one table each, and warnings.

    ``refuse`` raises ``InputError`` where sources of one dataset and split cannot be compared, ``separate``
    gives them tables of their own, ``allow`` only warns.
    """
    together: dict[tuple[str, ...], list[Source]] = {}
    for source in found:
        apart = (_text(source.facts),) if mismatch == "separate" else ()
        together.setdefault((source.dataset, source.split, *apart), []).append(source)
    warnings = []
    for members in together.values():
        first = next((one for one in members if one.name == baseline), members[0])
        for other in members:
            differing = _differences(first, other)
            if not differing:
                continue
            if mismatch == "refuse":
                raise _refusal(first, other, differing)
            warnings.append(
                f"{other.name} and {first.name} differ on {first.split} in {'; '.join(differing)}"
            )
    return list(together.values()), warnings


def baseline_of(source: Source, members: Sequence[Source], baseline: str | None) -> Source | None:
    """What a source is compared with: the named run, else the last zero-shot run of the same model."""
    if baseline is not None:
        fitting = [one for one in members if one.name == baseline]
    else:
        model = source.run.configuration["model"]
        fitting = [one for one in members if zero_shot(one.run) and one.run.configuration["model"] == model]
    chosen = fitting[-1] if fitting else None
    return None if chosen is None or chosen.name == source.name else chosen


def zero_shot(run: Run) -> bool:
    """Whether a run is the model as it came."""
    return bool(bare_name(run.configuration["method"]["use"]) == "zs")


def _choose(run: Run, sets: dict[str, EvidenceSet], specification: str | None) -> EvidenceSet | None:
    if specification is not None:
        return sets.get(specification)
    explanations = [one for one in sets.values() if not one.spec.control]
    named = next((sets[name] for name in (*_own(run), *_DEFAULTS) if name in sets), None)
    return named or (explanations[0] if explanations else None)


def _own(run: Run) -> tuple[str, ...]:
    """Names that the first estimator which the run's recipe asks for may have: by what applies to it."""
    attribution, explain = run.configuration.get("attribution"), run.configuration.get("explain")
    if not attribution or not explain:
        return ()
    bare = bare_name(attribution["use"])
    layers, scalar = (next(iter(explain.get(key) or ()), None) for key in ("layers", "scalar"))
    target = "prediction" if explain.get("target") == "prediction" else "label"
    applied = ((layers, scalar), (layers, None), (None, scalar), (None, None))
    return tuple(set_name(bare, *one, target, explain.get("precision", "no")) for one in applied)


def _lacking(name: str, split: str, sets: dict[str, EvidenceSet], specification: str | None) -> InputError:
    wanted = f"the evidence {specification!r}" if specification else "an explanation"
    has = ", ".join(sets)
    only = has if specification else f"controls only: {has}"
    return InputError(
        f"Expected {wanted} of run {name!r} on {split!r} but it has {only}.",
        next_step=f"`rationale explain {name}`, or another --spec",
    )


def _differences(first: Source, other: Source) -> list[str]:
    ours, theirs = first.facts, other.facts
    return [f"{key} ({theirs[key]}, not {ours[key]})" for key in ours if ours[key] != theirs[key]]


def _refusal(first: Source, other: Source, differing: Sequence[str]) -> InputError:
    return InputError(
        f"Expected runs that can be compared on {first.split!r} but {other.name!r} differs from "
        f"{first.name!r} in {'; '.join(differing)}.",
        next_step="score them apart, choose an estimator that both have with --spec, or compare them on "
        "the pictures that both have with --allow-mismatch",
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _short(value: Any) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()[:8]
