"""Report: run folders → one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..contracts import Progress, Silent
from ..errors import InputError
from ..measures.audit_results import PairAudit
from ..measures.bootstrap import Resampling
from ..measures.calibration import BINS
from ..measures.claims import Claim
from ..measures.curves import THRESHOLDS, threshold_counts
from ..measures.faithfulness import Faithfulness
from ..measures.quadrants import ratios
from ..measures.results import ScoreResult
from ..measures.words import WordShares
from ..reporting.alignment_tables import alignment_tables
from ..reporting.claims import ClaimsText, claims_text
from ..reporting.gallery import Basis, gallery
from ..reporting.manifest import facts
from ..reporting.naming import display_names, renamed, renamed_sweep
from ..reporting.page import Further, page
from ..reporting.panels import Part
from ..reporting.recipe_section import RecipeSection
from ..reporting.study_tables import study_tables
from ..reporting.tables import Table
from ..reporting.transfer import TransferShown
from ..reporting.transfer_page import TransferView, transfer_view
from ..runs.atomic import write_text
from ..runs.folder import Run
from .alignment_files import fitting as beside_people
from .audit_files import fitting
from .before_after import before_after
from .claims import ClaimsRequest
from .claims import run as weigh_claims
from .comparable import Mismatch
from .faithfulness_files import read_faithfulness
from .score import Prepared, Scored, ScoreRequest, curves, prepare, score
from .shifts import Group
from .study_files import fitting as judged_by_people
from .transfer_groups import USUAL, of_groups
from .words_files import read_words

FILE = "report.html"


@dataclass(frozen=True)
class ReportRequest:
    """Which runs to report, and where to."""

    runs: tuple[Run, ...]
    output: Path | None = None
    """None: ``report.html`` inside the folder of a single run, beside the folders of several."""
    threshold: float = 0.5
    baseline: str | None = None
    specification: str | None = None
    mismatch: Mismatch = "separate"
    """What cannot be compared gets tables of its own; see ``ScoreRequest``."""
    claims: bool = False
    """Whether the paper's claims are tested on these runs."""
    bins: int = BINS
    """Of the calibration errors."""


@dataclass(frozen=True)
class ReportResult:
    """Where the report is."""

    path: Path
    size: int
    """Bytes."""
    claims: tuple[Claim, ...] = ()
    """Where they were asked for."""
    told: ClaimsText | None = None
    """The claims in words."""


def run(request: ReportRequest, progress: Progress | None = None) -> ReportResult:
    """Score the runs at every threshold and write the report.

    Raises what ``stages.score.prepare`` does, and ``InputError`` for a gallery that cannot be read or for an
    output that is a folder.
    """
    progress = progress or Silent()
    path = _place(request.output, request.runs)
    prepared = prepare(
        ScoreRequest(
            request.runs,
            thresholds=(request.threshold,),
            baseline=request.baseline,
            specification=request.specification,
            mismatch=request.mismatch,
            bins=request.bins,
        ),
        progress,
    )
    scored = Scored(prepared, score(prepared, progress))
    return of_scored(scored, path, claims=request.claims, progress=progress)


def of_scored(
    scored: Scored,
    output: Path | None = None,
    *,
    recipe: RecipeSection | None = None,
    claims: bool = False,
    progress: Progress | None = None,
) -> ReportResult:
    """The report of runs that are scored already, by one threshold; ``recipe`` stands before all else.

    ``output`` and ``claims`` are those of ``ReportRequest``. Raises ``InputError`` as ``run`` does.
    """
    progress = progress or Silent()
    prepared, result, runs = scored.prepared, scored.result, scored.prepared.request.runs
    path = _place(output, runs)
    known = _by_name(runs)
    names = display_names(result.tables, [name for name, one in known.items() if one.manifest.get("label")])
    weighed = weigh_claims(ClaimsRequest(prepared, result, names), progress) if claims else ()
    told = _told(weighed, result) if claims else None
    result = renamed(result, names)
    sweeps = [renamed_sweep(one, names) for one in curves(prepared, progress)]
    by_name = {shown: known[name] for name, shown in names.items()}
    parts = []
    with progress.task("drawing", len(sweeps) + 1) as advance:
        for table, sweep, group in zip(result.tables, sweeps, prepared.groups, strict=True):
            members = {row.run: by_name[row.run] for row in table.rows}
            basis = Basis(table.specification, table.threshold, table.rma)
            evidence = {names[source.name]: source.sets for source in group.sources}
            sample = gallery(members, evidence, table.split, basis)
            believed, carried = tuple(_believed(group, names)), tuple(_words(group, names))
            classnames = group.spec.classnames
            pairs = before_after(group, names, basis)
            parts.append(
                Part(table, sweep, _references(group), sample, classnames, believed, carried, pairs=pairs)
            )
            advance(1, table.split)
        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        configured = [facts(one, name) for name, one in by_name.items()]
        audits = [_shown(one, names) for one in fitting(runs, progress)]
        further = Further(audits, _people(runs, names, progress), _transfer(prepared, recipe))
        html = page(result, parts, configured, made, recipe, told, further)
        advance(1, "page")
    write_text(path, html)
    return ReportResult(path, len(html.encode("utf-8")), weighed, told)


def _transfer(prepared: Prepared, recipe: RecipeSection | None) -> TransferView | None:
    """None where no run was judged on pictures of another kind too, or the recipe shows it."""
    if recipe and any(isinstance(one, TransferShown) for one in recipe.shown):
        return None
    request = prepared.request
    how = Resampling(request.replicates, request.seed)
    found = of_groups(prepared.groups, request.thresholds[0], request.rma, how=how)
    if not any(len(one.kinds) > 1 for one in found.summaries):
        return None
    return transfer_view(TransferShown(*USUAL, found))


def _place(output: Path | None, runs: Sequence[Run]) -> Path:
    path = output or (runs[0].path if len(runs) == 1 else runs[0].path.parent) / FILE
    if path.is_dir():
        raise InputError(
            "Expected a file to write the report to but got a folder.",
            where=str(path),
            next_step=f"-o {path / FILE}",
        )
    return path


def _told(claims: Sequence[Claim], result: ScoreResult) -> ClaimsText:
    tables = result.tables
    return claims_text(claims, [one.specification for one in tables], tables[0].threshold)


def _believed(group: Group, names: Mapping[str, str]) -> Iterator[Faithfulness]:
    """What was found of heatmaps, with the runs under the names that the page shows."""
    for source in group.sources:
        found = read_faithfulness(source.run, source.split)
        if found is not None:
            yield replace(found, run=names[source.name])


def _words(group: Group, names: Mapping[str, str]) -> Iterator[WordShares]:
    """Which words carried scores, with the runs under the names that the page shows."""
    for source in group.sources:
        found = read_words(source.run, source.split, source.main.spec.fingerprint)
        if found is not None:
            yield replace(found, run=names[source.name])


def _shown(audit: PairAudit, names: Mapping[str, str]) -> PairAudit:
    """An audit with its runs under the names that the page shows."""
    return replace(
        audit, run=names.get(audit.run, audit.run), baseline=names.get(audit.baseline, audit.baseline)
    )


def _people(runs: Sequence[Run], names: Mapping[str, str], progress: Progress) -> list[Table]:
    """How runs go with people, and what people make of their evidence, by the names that the page shows."""
    tables = []
    for one in beside_people(runs, progress):
        models = tuple(replace(model, model=names.get(model.model, model.model)) for model in one.models)
        baseline = None if one.baseline is None else names.get(one.baseline, one.baseline)
        tables += alignment_tables(replace(one, models=models, baseline=baseline))
    for study in judged_by_people(runs, progress):
        tables += study_tables(replace(study, run=names.get(study.run, study.run)))
    return tables


def _by_name(runs: Sequence[Run]) -> dict[str, Run]:
    return {str(one.path): one for one in runs} | {one.name: one for one in runs}


def _references(group: Group) -> Mapping[str, Sequence[float]]:
    """Valid evidence of controls that see the picture only, so that they are the same for every run."""
    controls = group.measured[0].controls
    return {
        name: ratios(threshold_counts(controls[name], THRESHOLDS)).V.tolist()
        for name in ("uniform", "center")
        if name in controls
    }
