"""Accuracy of a run on other splits than the one it is usually judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..measures.cells import beyond_baseline, split_shift
from ..measures.measured import Measured
from ..measures.multiple import holm
from ..measures.results import Shift
from ..measures.verdict import ALPHA
from ..runs.evidence import EvidenceSpec
from .comparable import Source

REFERENCE_SPLIT = "test"
"""Other splits are held against it; where there is none, against the first."""


@dataclass(frozen=True)
class Group:
    """Runs of one table, aligned; ``pairs`` are positions of run and baseline."""

    spec: EvidenceSpec
    measured: tuple[Measured, ...]
    pairs: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    sources: tuple[Source, ...]
    """Where ``measured`` are from, in their order."""


def shifts(groups: Sequence[Group]) -> tuple[Shift, ...]:
    """Accuracy of each run on its other splits against the reference split, Holm over a dataset's shifts."""
    by_data: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        by_data.setdefault((group.spec.dataset, group.spec.fingerprint), []).append(group)
    found = []
    for members in by_data.values():
        drafts = _shift_drafts(members)
        for draft, p in zip(drafts, holm([one.p for one in drafts]).tolist(), strict=True):
            found.append(replace(draft, p_holm=p, significant=p < ALPHA))
    return tuple(found)


def _shift_drafts(members: Sequence[Group]) -> list[Shift]:
    splits = list(dict.fromkeys(group.spec.split for group in members))
    reference = REFERENCE_SPLIT if REFERENCE_SPLIT in splits else splits[0]
    at = {(one.run, group.spec.split): (one, group) for group in members for one in group.measured}
    return [
        _shift(at[name, reference], (one, group), at)
        for (name, split), (one, group) in at.items()
        if split != reference and (name, reference) in at
    ]


def _shift(
    reference: tuple[Measured, Group],
    split: tuple[Measured, Group],
    at: dict[tuple[str, str], tuple[Measured, Group]],
) -> Shift:
    (one, home), (other, away) = reference, split
    found = split_shift(one.outcomes.right, other.outcomes.right)
    baseline = _baseline_name(one.run, home)
    beyond, p = None, None
    if baseline is not None and baseline == _baseline_name(one.run, away):
        pairs = [
            (mine.outcomes.right, at[baseline, group.spec.split][0].outcomes.right)
            for mine, group in (reference, split)
        ]
        beyond, p = beyond_baseline(pairs[0], pairs[1])
    return Shift(
        run=one.run,
        dataset=home.spec.dataset,
        reference=home.spec.split,
        split=away.spec.split,
        at_reference=found.at_reference,
        at_split=found.at_split,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p=found.p,
        p_holm=1.0,
        significant=False,
        baseline=baseline,
        beyond_baseline=beyond,
        beyond_p=p,
    )


def _baseline_name(run: str, group: Group) -> str | None:
    names = {group.measured[a].run: group.measured[b].run for a, b in group.pairs}
    return names.get(run)
