"""From evidence to cells: right or wrong by valid or invalid, picture by picture, by every specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..contracts import Progress
from ..measures.auditing import Codes, Sides
from ..measures.multiverse import Combination, grid
from ..measures.quadrants import cells
from ..runs.evidence import NO_EVIDENCE, OK
from .audit_choices import (
    LAYERS,
    MAP,
    MASK,
    NOTHING,
    OWN_VIEW,
    SCALAR,
    TARGET,
    THRESHOLD,
    VIEW,
    Setting,
    Side,
    without_level,
)
from .audit_evidence import Explained, Key, Scores, scored_by_rule


def combined(view: str, target: str, *, full: bool) -> bool:
    """Whether a pass is made for these two: each needs one of its own, both together with ``full`` only."""
    return full or view == OWN_VIEW or target == "label"


def coded(
    chosen: Setting,
    members: tuple[Explained, Explained],
    sides: tuple[Side, Side],
    *,
    full: bool,
    progress: Progress,
) -> tuple[Setting, dict[Combination, Sides]]:
    """Cells of run and baseline by every specification, and the choices that are left.

    A level that changes nothing on these pictures is left out, and told in the setting's notes.
    """
    by_rule = {
        rule: scored_by_rule(members, rule, chosen.own_rule, chosen.rules, progress)
        for rule in chosen.levels_of(MASK)
    }
    left = _without_effect(chosen, by_rule)
    coders = [
        _Coder(member, side, {rule: scores[place] for rule, scores in by_rule.items()})
        for place, (member, side) in enumerate(zip(members, sides, strict=True))
    ]
    table = {}
    for combination in grid(left.choices):
        levels = left.levels(combination)
        if combined(levels[VIEW], levels[TARGET], full=full):
            table[combination] = Sides(*(coder.codes(levels) for coder in coders))
    return left, table


def _without_effect(chosen: Setting, by_rule: Mapping[str, Sequence[Mapping[Key, Scores]]]) -> Setting:
    """Leave out what changes nothing on these pictures, and say so."""
    usual, *others = by_rule
    for rule in others:
        pairs = zip(by_rule[usual], by_rule[rule], strict=True)
        if all(
            np.array_equal(one[key].area, other[key].area, equal_nan=True)
            for one, other in pairs
            for key in one
        ):
            chosen = without_level(chosen, MASK, rule, f"Masks by the rule {rule!r} are those of {usual!r}.")
    everything = (scores for members in by_rule.values() for sets in members for scores in sets.values())
    if not any((scores.status == NO_EVIDENCE).any() for scores in everything):
        chosen = without_level(chosen, NOTHING, "valid", "Every heatmap has contrast.")
    return chosen


class _Coder:
    """Cells of one run's pictures by each specification; each is computed once."""

    def __init__(self, member: Explained, side: Side, scores: Mapping[str, Mapping[Key, Scores]]) -> None:
        self.member, self.scores = member, scores
        self.layers = {"reference": "last" if side.family == "text" else "all"}
        self.known: dict[tuple[object, ...], Codes] = {}

    def codes(self, levels: Mapping[str, str]) -> Codes:
        """Cells by these levels of all choices."""
        layers = levels.get(LAYERS)
        key = Key(
            levels[VIEW],
            levels[TARGET],
            None if layers is None else self.layers.get(layers, layers),
            levels.get(SCALAR),
        )
        rest = tuple(levels[name] for name in (MASK, MAP, THRESHOLD, NOTHING))
        if (key, *rest) not in self.known:
            self.known[key, *rest] = self._codes(key, *rest)
        return self.known[key, *rest]

    def _codes(self, key: Key, mask: str, kind: str, threshold: str, nothing: str) -> Codes:
        table, scores = self.member.sets[key].table, self.scores[mask][key]
        mass = scores.rma if kind == "normalised" else scores.rma_raw
        empty = scores.status == NO_EVIDENCE
        with np.errstate(invalid="ignore"):
            is_valid = (mass >= float(threshold)) | (empty & (nothing == "valid"))
        annotated = (scores.status == OK) | empty
        return cells(table.prediction == table.label, is_valid, annotated).astype(np.uint8)
