"""The cells that a claim is tested on: runs against their baselines, on pictures that cells may share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .bootstrap import Resampling
from .comparison_results import Comparison
from .curves import TERTILES, area_tertiles
from .measured import Estimator, Measured, Witness
from .pooling import Places
from .quadrants import Outcomes


@dataclass(frozen=True)
class Pair:
    """A run and what it is held against, on the same pictures in the same order."""

    run: Measured
    baseline: Measured | None
    """None where a measure speaks of the run alone."""
    places: Places
    """Of the pictures among all that are looked at together."""
    comparison: Comparison | None = None
    """Of the two in their table, where there is one."""
    threshold: float | None = None
    """That of ``comparison``."""


@dataclass(frozen=True)
class Case:
    """One cell: a run, or several seeds of one, each against its baseline."""

    name: str
    dataset: str
    split: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Ladder:
    """Runs of several methods on the same pictures, by method; several where they differ in the seed only."""

    name: str
    dataset: str
    split: str
    runs: Mapping[str, Sequence[Measured]]
    places: Places


@dataclass(frozen=True)
class Look:
    """How claims are tested."""

    threshold: float
    how: Resampling
    universe: int
    """Pictures of all cells together, which ``Pair.places`` number."""


def members(cases: Sequence[Case]) -> list[Measured]:
    """Every run and baseline."""
    pairs = [pair for case in cases for pair in case.pairs]
    return [one for pair in pairs for one in (pair.run, pair.baseline) if one is not None]


def step(ladder: Ladder, higher: str, lower: str) -> Case:
    """Runs of one method against those of another; a single run is held against every seed of the other."""
    first, second = ladder.runs[higher], ladder.runs[lower]
    sizes = sorted((len(first), len(second)))
    k = sizes[1] if sizes[0] == 1 else sizes[0]
    pairs = (
        Pair(first[place % len(first)], second[place % len(second)], ladder.places) for place in range(k)
    )
    return Case(ladder.name, ladder.dataset, ladder.split, tuple(pairs))


def by_area(case: Case) -> dict[str, Case]:
    """The same cell on each tertile of mask area; empty with fewer than three annotated pictures."""
    first = case.pairs[0].run
    return {
        name: replace(case, pairs=tuple(restricted(pair, chosen) for pair in case.pairs))
        for name, chosen in zip(TERTILES, area_tertiles(first.outcomes), strict=False)
    }


def restricted(pair: Pair, chosen: Places) -> Pair:
    """The same two on some of their pictures."""
    baseline = None if pair.baseline is None else _some(pair.baseline, chosen)
    return Pair(_some(pair.run, chosen), baseline, pair.places[chosen])


def _some(one: Measured, chosen: Places) -> Measured:
    def part(outcomes: Outcomes) -> Outcomes:
        return Outcomes(
            outcomes.label[chosen],
            outcomes.right[chosen],
            outcomes.annotated[chosen],
            outcomes.rma[chosen],
            outcomes.area[chosen],
        )

    def seen(estimator: Estimator) -> Estimator:
        return estimator._replace(outcomes=part(estimator.outcomes))

    return replace(
        one,
        ids=one.ids[chosen],
        main=seen(one.main),
        grid={key: seen(estimator) for key, estimator in one.grid.items()},
        controls={name: part(outcomes) for name, outcomes in one.controls.items()},
        witness={
            kind: Witness(witness.right[chosen], witness.known[chosen])
            for kind, witness in one.witness.items()
        },
    )
