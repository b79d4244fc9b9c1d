"""Audit of runs: every choice that needs no retraining, made in every way, and what of a difference it is.

request = RunsAuditRequest((Run.open("ft"),), Registry.discover(), baseline=Run.open("zs"))
result = audit_runs.run(request)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .. import __version__
from ..contracts import Progress, Silent
from ..engine.request import requested
from ..errors import InputError
from ..measures.audit_results import AUDITED, RunsAudit
from ..measures.auditing import REPLICATES, Judged, Question, audit_pair
from ..measures.bootstrap import LEVEL, Resampling
from ..measures.comparing import compare, settle
from ..registry import Registry
from ..runs.evidence import EvidenceSet
from ..runs.folder import Run
from .audit_cells import coded, combined
from .audit_choices import (
    NAMES,
    OWN_VIEW,
    TARGET,
    VIEW,
    Setting,
    Side,
    check_names,
    setting,
)
from .audit_evidence import Explained, Pass, explained, family_of
from .audit_files import SCHEMA, digest, write_audit
from .comparable import Source, groups, zero_shot
from .measuring import common_ids, measure

MAIN_THRESHOLD = 0.5

_FIRST = Pass(OWN_VIEW, {}, "label", controls=True)


@dataclass(frozen=True)
class RunsAuditRequest:
    """Which runs to audit, and how widely."""

    runs: tuple[Run, ...]
    registry: Registry
    baseline: Run | None = None
    """None: the last zero-shot run of the same model and data among ``runs``, else among ``others``."""
    others: tuple[Run, ...] = ()
    splits: tuple[str, ...] = ()
    """Splits of the dataset; empty takes the first of those that it is judged on."""
    full: bool = False
    """Combine the choices that each need a pass of their own, too: one more pass."""
    vary: tuple[str, ...] = NAMES
    """Choices to vary; all others stay at their default."""
    replicates: int = REPLICATES


@dataclass(frozen=True)
class Pair:
    """A run and its baseline on one split, with all evidence."""

    split: str
    run: Explained
    baseline: Explained
    sides: tuple[Side, Side]
    setting: Setting

    @property
    def members(self) -> tuple[Explained, Explained]:
        """Run and baseline."""
        return self.run, self.baseline


def run(request: RunsAuditRequest, progress: Progress | None = None) -> RunsAudit:
    """Explain what is lacking, recompute everything, and leave ``audit.json`` in each audited run's folder.

    Raises ``InputError`` for a run without a baseline and for runs that cannot be compared, and what
    ``stages.explain.run`` raises.
    """
    progress = progress or Silent()
    return conclude(request, gather(request, progress), progress)


def gather(request: RunsAuditRequest, progress: Progress) -> list[Pair]:
    """Explain what is lacking. Where several processes work together, each of them must."""
    check_names(request.vary)
    return [
        _gather(request, one, baseline, split, progress)
        for one, baseline in _pairs(request)
        for split in _splits(request, one)
    ]


def conclude(request: RunsAuditRequest, pairs: Sequence[Pair], progress: Progress) -> RunsAudit:
    """Recompute every measure by every specification, and write the results. One process does it."""
    verdicts = _verdicts(pairs)
    how = Resampling(request.replicates)
    left = tuple(name for name in NAMES if name not in request.vary)
    audits = []
    with progress.task("auditing", len(pairs)) as advance:
        for pair, judged in zip(pairs, verdicts, strict=True):
            question = _question(pair, judged, full=request.full, progress=progress)
            audits.append(audit_pair(replace(question, not_varied=left), how))
            advance(1, f"{len(question.cells)} specifications")
    settings = {
        "version": __version__,
        "replicates": how.replicates,
        "seed": how.seed,
        "level": LEVEL,
        "full": request.full,
        "vary": list(request.vary),
    }
    result = RunsAudit(SCHEMA, settings, tuple(audits))
    for path, of_run in {pair.run.run.path: pair.run.run for pair in pairs}.items():
        own = [audit for pair, audit in zip(pairs, audits, strict=True) if pair.run.run.path == path]
        write_audit(of_run, replace(result, audits=tuple(own)))
    return result


def _gather(request: RunsAuditRequest, one: Run, baseline: Run, split: str, progress: Progress) -> Pair:
    like = _like((one, baseline), split)
    first = [
        explained(member, split, [_FIRST], request.registry, like, progress) for member in (one, baseline)
    ]
    mains = [_main(member) for member in first]
    sides = tuple(
        Side(member.run, family_of(member.run, request.registry), main.spec)
        for member, main in zip(first, mains, strict=True)
    )
    chosen = setting(
        sides[0],
        sides[1],
        requested(one, request.registry).configuration.dataset,
        request.registry,
        request.vary,
    )
    passes = list(_passes(chosen, full=request.full))
    both = [
        explained(member.run, split, passes, request.registry, main, progress)
        for member, main in zip(first, mains, strict=True)
    ]
    return Pair(split, both[0], both[1], (sides[0], sides[1]), chosen)


def _main(member: Explained) -> EvidenceSet:
    return next(iter(member.sets.values()))


def _like(pair: tuple[Run, Run], split: str) -> EvidenceSet | None:
    """Evidence whose pictures the audit's are: the run's, else its baseline's."""
    for one in pair:
        sets = [each for each in one.evidence(split).values() if not each.spec.control]
        if sets:
            return sets[0]
    return None


def _passes(chosen: Setting, *, full: bool) -> Iterator[Pass]:
    """The first, and one for each choice that needs its own; with ``full`` their combinations."""
    for view in chosen.levels_of(VIEW):
        for target in chosen.levels_of(TARGET):
            if combined(view, target, full=full):
                first = view == OWN_VIEW and target == "label"
                yield Pass(view, {} if view == OWN_VIEW else chosen.view, target, controls=first)


def _pairs(request: RunsAuditRequest) -> list[tuple[Run, Run]]:
    """Each run with its baseline; the baseline itself is not audited."""
    pairs = []
    for one in request.runs:
        baseline = request.baseline or _zero_shot_of(one, request)
        if baseline is None and zero_shot(one) and len(request.runs) > 1:
            continue
        if baseline is None:
            raise InputError(
                f"Expected a run to compare {one.name!r} with but there is no zero-shot run of its model "
                "and data.",
                where=str(one.path),
                next_step="name one with --baseline, or make one: `rationale finetune --method zs` with the "
                "same model and dataset",
            )
        if one.path.resolve() != baseline.path.resolve():
            pairs.append((one, baseline))
    if not pairs:
        raise InputError(
            "Expected a run beside its baseline but got the baseline alone.",
            next_step="name the run that was tuned",
        )
    return pairs


def _zero_shot_of(one: Run, request: RunsAuditRequest) -> Run | None:
    def fits(other: Run) -> bool:
        same = all(one.configuration[key] == other.configuration[key] for key in ("model", "dataset"))
        return other.done and zero_shot(other) and same and other.path.resolve() != one.path.resolve()

    if zero_shot(one):
        return None
    named = [other for other in request.runs if fits(other)]
    return next(reversed(named or [other for other in request.others if fits(other)]), None)


def _splits(request: RunsAuditRequest, one: Run) -> tuple[str, ...]:
    known: tuple[str, ...] = tuple(one.manifest.get("splits", ()))
    for split in request.splits:
        if split not in known and ("+" in split or "@" in split):
            raise InputError(
                f"Expected a split as it is but got {split!r}.",
                next_step=f"the dataset's are {', '.join(known)}",
            )
    return request.splits or known[:1]


def _question(pair: Pair, judged: Mapping[str, Judged], *, full: bool, progress: Progress) -> Question:
    chosen, table = coded(pair.setting, pair.members, pair.sides, full=full, progress=progress)
    return Question(
        run=pair.run.run.name,
        baseline=pair.baseline.run.name,
        split=pair.split,
        specification=_main(pair.run).spec.name,
        evidence=digest(_main(pair.run), _main(pair.baseline)),
        choices=chosen.choices,
        cells=table,
        protocols=chosen.protocols,
        verdicts=judged,
        notes=chosen.notes,
    )


def _verdicts(pairs: Sequence[Pair]) -> list[dict[str, Judged]]:
    """As scoring judges: Holm over the runs that share split and baseline."""
    found: dict[int, dict[str, Judged]] = {}
    tables: dict[tuple[str, str], list[int]] = {}
    for place, pair in enumerate(pairs):
        tables.setdefault((pair.split, str(pair.baseline.run.path)), []).append(place)
    for (split, _), places in tables.items():
        everyone = [*(pairs[place].run for place in places), pairs[places[0]].baseline]
        sources = [_source(one, split) for one in everyone]
        groups(sources, "refuse", sources[-1].name)
        ids = common_ids(sources)
        *measured, baseline = (measure(one, ids, "normalised") for one in sources)
        compared = settle([compare(one, baseline, MAIN_THRESHOLD, Resampling()) for one in measured])
        for place, comparison in zip(places, compared, strict=True):
            found[place] = {
                metric: Judged(one.verdict, one.reasons)
                for metric in AUDITED
                for one in [comparison.differences.get(metric)]
                if one is not None
            } or dict.fromkeys(AUDITED, Judged("undefined", ("no picture is annotated",)))
    return [found[place] for place in range(len(pairs))]


def _source(member: Explained, split: str) -> Source:
    sets = member.run.evidence(split)
    return Source(member.run, str(member.run.path), split, sets, sets[_main(member).spec.name])
