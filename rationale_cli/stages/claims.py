"""Claims: what the paper found, and what it left open, held against the runs that were scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ..contracts import Progress, Silent
from ..hooks import bare_name
from ..measures.bootstrap import Resampling
from ..measures.cases import Look, step
from ..measures.claims import Claim, Hypothesis
from ..measures.hypotheses import hypotheses
from ..measures.results import ScoreResult, ScoreTable
from ..measures.weighing import untested, weigh, weigh_order
from ..registry import Registry
from ..runs.folder import Run
from .claim_cells import GRADIENT, Cells, numbered, sorted_cells
from .claim_needs import Needs
from .comparable import named
from .score import Prepared, prepare
from .shifts import Group


@dataclass(frozen=True)
class ClaimsRequest:
    """What was scored, and how runs are shown."""

    prepared: Prepared
    result: ScoreResult
    """Of ``prepared``, at one threshold."""
    names: Mapping[str, str]
    """Runs as they are scored → as they are shown."""


def run(request: ClaimsRequest, progress: Progress | None = None) -> tuple[Claim, ...]:
    """Every claim with its verdict; where runs are missing, which, and the command that makes them.

    Raises ``InputError`` for evidence that cannot be read.
    """
    progress = progress or Silent()
    asked = request.prepared.request
    runs = dict(named(asked.runs))
    found = _groups(request)
    scored = numbered([group for group, _ in found], [table for _, table in found], asked.thresholds[0])
    cells = sorted_cells(scored, runs, request.names)
    look = Look(asked.thresholds[0], Resampling(asked.replicates, asked.seed), cells.universe)
    methods = frozenset(one.name for one in Registry.discover().entries("method"))
    needs = Needs(runs, cells, methods)
    settings = [(setting, list(stated)) for setting, stated in groupby(hypotheses(), lambda one: one.setting)]
    claims: list[Claim] = []
    with progress.task("weighing claims", len(settings)) as advance:
        for setting, stated in settings:
            claims += _tested(setting, stated, cells, look, needs)
            advance(1, setting)
    return tuple(claims)


def _tested(
    setting: str, stated: Sequence[Hypothesis], cells: Cells, look: Look, needs: Needs
) -> list[Claim]:
    if setting == "orders" and cells.ladders:
        steps = [step(ladder, method, "zs") for ladder in cells.ladders for method in ladder.runs]
        return [needs.filled(weigh_order(one, cells.ladders, look), steps) for one in stated]
    cases = cells.settings.get(setting, ())
    if not cases:
        return [untested(one, *needs.of(setting)) for one in stated]
    if setting.startswith("tau-"):
        look = replace(look, threshold=float(setting.removeprefix("tau-")))
    claims = weigh(stated, cases, look, sweep=setting == "main")
    return [needs.filled(one, cases) for one in claims]


def _groups(request: ClaimsRequest) -> list[tuple[Group, ScoreTable | None]]:
    """What was scored, and beside it the evidence by the attention's gradient."""
    prepared = request.prepared
    tables: Sequence[ScoreTable | None] = request.result.tables
    found = list(zip(prepared.groups, tables, strict=True))
    specification = _by_gradient(prepared)
    if specification is None or any(
        bare_name(group.spec.attribution) == GRADIENT for group in prepared.groups
    ):
        return found
    asked = replace(
        prepared.request,
        runs=tuple(one for one in prepared.request.runs if _has(one, specification)),
        baseline=None,
        specification=specification,
        mismatch="separate",
    )
    return found + [(group, None) for group in prepare(asked).groups]


def _by_gradient(prepared: Prepared) -> str | None:
    """The evidence set by the attention's gradient that is nearest to the one that was scored."""
    main = prepared.groups[0].spec
    near = f"{GRADIENT}-{main.layers}-{main.scalar}"
    there = {
        spec.parent.name
        for one in prepared.request.runs
        for spec in one.path.glob(f"evidence/*/{GRADIENT}-*/spec.yaml")
        if "@" not in spec.parent.name
    }
    return near if near in there else min(there, default=None)


def _has(one: Run, specification: str) -> bool:
    return any(one.path.glob(f"evidence/*/{specification}/spec.yaml"))
