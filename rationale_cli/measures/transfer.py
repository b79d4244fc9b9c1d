"""Does tuning help where a model was not tuned? Tuned runs against the un-tuned model, set by set.

An evaluation set is of a *kind*: the ``same`` as the training pictures, or other in some of the factors that
a dataset declares (size, style, task …). In each kind the change of accuracy is averaged: over the evaluation
sets of a run, over its seeds, over the rows; a picture counts once, however many runs saw it. The rule was
fixed before any run was looked at. The gain within **helps** where the rule of ``claims.decide`` supports
that it is above 0, and the p of its mean still says so after Holm over the kinds. Of another kind

- it **transfers** where the same holds there, and **in part** where the gain is surely less than within;
- it **does not transfer** where no gain is shown and the gain is surely less than ``MARGIN`` of that within,
  after Holm over the kinds;
- it **hurts** where a loss is shown, and is **mixed** where cells are significant both ways;
- all else is **not decided**: that a gain is not significant does not show that there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .cases import Look
from .claims import Decision, decide, sides
from .effects import over_seeds, weighted
from .estimates import Estimate, defined
from .multiple import holm
from .pooling import NOTHING, Effect, Pooled, pool
from .transfer_cells import Tried, within_shares
from .transfer_results import (
    MEASURES,
    SAME,
    Conclusion,
    KindGain,
    KindSummary,
    KindVerdict,
    TransferSummary,
)
from .verdict import ALPHA

MARGIN = 0.25
"""Share of the gain within below which a gain elsewhere counts as none."""

_MAIN = MEASURES[0]


class _Kind(NamedTuple):
    """One kind of transfer before it is judged."""

    name: str
    tried: tuple[Tried, ...]
    gains: Mapping[str, Pooled]
    decision: Decision
    up: int
    down: int
    share: Pooled
    little: Pooled
    """The gain less ``MARGIN`` of that within."""
    less: Pooled
    """The gain less that within."""


def kind_of(tuned: Mapping[str, str], judged: Mapping[str, str]) -> str | None:
    """Kind of an evaluation set, from the factors of the training pictures and of its own.

    Factors that only one of the two declares say nothing; None where no factor is declared by both.

    >>> kind_of({"size": "small", "style": "photo"}, {"size": "small", "style": "photo"})
    'same'
    >>> kind_of({"size": "small", "style": "photo"}, {"size": "large", "style": "drawn"})
    'size+style'
    >>> kind_of({"size": "small"}, {}) is None
    True
    """
    shared = [factor for factor in tuned if factor in judged]
    differing = [factor for factor in shared if tuned[factor] != judged[factor]]
    return ("+".join(differing) or SAME) if shared else None


def summary_of(
    tried: Sequence[Tried], look: Look, model: str | None = None, method: str | None = None
) -> TransferSummary:
    """Every kind that occurs among the trials, ``same`` first, and what comes of them together."""
    found = dict.fromkeys(one.trial.kind for one in tried if one.trial.kind is not None)
    names = sorted(found, key=lambda kind: (kind != SAME, kind.count("+")))
    kinds = [_kind(name, tried, look) for name in names]
    summaries = _judged(kinds)
    verdicts = {one.kind: one.verdict for one in summaries}
    return TransferSummary(model, method, summaries, conclusion(verdicts))


def conclusion(verdicts: Mapping[str, KindVerdict]) -> Conclusion:
    """One word on all kinds; what does not follow from every kind that was tried is not decided.

    >>> conclusion({"same": "helps", "size": "does not transfer", "task": "hurts"})
    'helps within, does not transfer'
    >>> conclusion({"same": "helps", "size": "does not transfer", "task": "not decided"})
    'not decided'
    """
    within = verdicts.get(SAME)
    others = {verdict for kind, verdict in verdicts.items() if kind != SAME}
    if within == "hurts":
        return "hurts within"
    if within != "helps" or not others:
        return "not decided"
    if others <= {"does not transfer", "hurts"}:
        return "helps within, does not transfer"
    if others == {"transfers"}:
        return "helps within, transfers"
    return "helps within, transfers in part" if others & {"transfers", "transfers in part"} else "not decided"


def _kind(name: str, tried: Sequence[Tried], look: Look) -> _Kind:
    own = tuple(one for one in tried if one.trial.kind == name)
    main = [one.changes[_MAIN] for one in own]
    found, _ = sides([one.value for one in main], [one.p for one in main], 1)
    gains = {metric: _gain(own, metric, look) for metric in MEASURES}
    decision = decide([one.value for one in main], found, gains[_MAIN].low, gains[_MAIN].high, 1)
    within = tuple(one for one in tried if one.trial.kind == SAME)
    share = little = less = NOTHING
    if name != SAME and within:
        little, less = (_beyond(own, within, weight, look) for weight in (MARGIN, 1.0))
        share = _share(own, within, look)
    return _Kind(name, own, gains, decision, found.count("for"), found.count("against"), share, little, less)


def _gain(tried: Sequence[Tried], metric: str, look: Look) -> Pooled:
    """Mean over rows of their mean over seeds of a run's mean over evaluation sets."""
    rows = _by_row(tried, metric)
    return pool([over_seeds(list(runs.values())) for runs in rows.values()], look.universe)


def _by_row(tried: Sequence[Tried], metric: str) -> dict[int, dict[str, Effect]]:
    """Row → run → its mean change over the evaluation sets on which it is defined."""
    found: dict[int, dict[str, list[Effect]]] = {}
    for one in tried:
        for run, effects in one.runs.items():
            if not math.isnan(effects[metric].value):
                found.setdefault(one.trial.row, {}).setdefault(run, []).append(effects[metric])
    return {
        row: {run: weighted([(1 / len(one), part) for part in one]) for run, one in runs.items()}
        for row, runs in found.items()
    }


def _beyond(own: Sequence[Tried], within: Sequence[Tried], weight: float, look: Look) -> Pooled:
    """Mean gain less ``weight`` times that within, run by run, over the rows that have both."""
    here, there = _by_row(own, _MAIN), _by_row(within, _MAIN)
    rows = []
    for row in here:
        both = [run for run in here[row] if run in there.get(row, {})]
        if both:
            rows.append(
                over_seeds([weighted([(1, here[row][run]), (-weight, there[row][run])]) for run in both])
            )
    return pool(rows, look.universe)


def _share(own: Sequence[Tried], within: Sequence[Tried], look: Look) -> Pooled:
    """Quotient of both mean gains over the rows that have both, by the delta method."""
    here, less = (_beyond(own, within, weight, look).value for weight in (0.0, 1.0))
    base = here - less
    if not base > 0:
        return NOTHING
    error = _beyond(own, within, here / base, look)
    low, high = here / base + error.low / base, here / base + error.high / base
    return Pooled(here / base, low, high, math.nan, math.nan, error.pictures, error.effects)


def _judged(kinds: Sequence[_Kind]) -> tuple[KindSummary, ...]:
    adjusted = {metric: holm([one.gains[metric].p for one in kinds]).tolist() for metric in MEASURES}
    little = holm([one.little.p for one in kinds]).tolist()
    helps = any(
        one.name == SAME and _shown(one, p) == "supported"
        for one, p in zip(kinds, adjusted[_MAIN], strict=True)
    )
    return tuple(
        _summary(
            one,
            {metric: _kind_gain(one.gains[metric], adjusted[metric][place]) for metric in MEASURES},
            _verdict(one, _shown(one, adjusted[_MAIN][place]), little[place], helps=helps),
            helps=helps,
        )
        for place, one in enumerate(kinds)
    )


def _shown(one: _Kind, p_holm: float) -> Decision:
    """The decision by cells and interval, which Holm over the kinds must still carry."""
    if one.decision in ("supported", "contradicted") and not p_holm < ALPHA:
        return "undecided"
    return one.decision


def _verdict(one: _Kind, decision: Decision, p_little: float, *, helps: bool) -> KindVerdict:
    if decision == "contradicted":
        return "hurts"
    if decision == "mixed":
        return "mixed"
    if decision == "supported":
        if one.name == SAME:
            return "helps"
        return "transfers in part" if helps and one.less.high < 0 else "transfers"
    surely = helps and one.little.value < 0 and p_little < ALPHA
    return "does not transfer" if surely else "not decided"


def _kind_gain(one: Pooled, p_holm: float) -> KindGain:
    low, high = within_shares(one)
    return KindGain(*(defined(number) for number in (one.value, low, high, one.p, p_holm)))


def _summary(one: _Kind, gains: Mapping[str, KindGain], verdict: KindVerdict, *, helps: bool) -> KindSummary:
    share = None
    if helps and one.name != SAME:
        limits = defined(one.share.low), defined(one.share.high)
        share = Estimate(defined(one.share.value), *limits, one.share.pictures)
    return KindSummary(
        one.name,
        len({part.trial.row for part in one.tried}),
        len(one.tried),
        one.gains[_MAIN].pictures,
        one.up,
        one.down,
        gains,
        share,
        verdict,
    )
