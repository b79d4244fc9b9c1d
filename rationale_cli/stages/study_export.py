"""Study, the way out: a run's evidence → one HTML questionnaire, and the key that stays behind; no torch."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..measures.human_evidence import QUADRANTS
from ..measures.study_results import Show
from ..reporting.gallery import Kept, jpeg, kept_pictures, patch_bytes, rows_of
from ..reporting.overlays import heat_overlay, region_overlay
from ..reporting.study_page import Question, study_page
from ..runs.atomic import write_text
from ..runs.evidence import OK, EvidenceSet
from ..runs.folder import Run
from ..runs.parts import spread
from .audit_files import digest
from .comparable import Source, sources
from .study_checks import obvious
from .study_files import SCHEMA, Key, Response, quadrants, write_key

MOST, CHECKS = 60, 4
"""Questions and attention checks, unless told otherwise."""

Draw = Callable[[npt.NDArray[np.uint8]], str]
Opaque = Callable[[str], str]


@dataclass(frozen=True)
class StudyExportRequest:
    """What to ask people about."""

    run: Run
    output: Path
    split: str | None = None
    """None takes the run's first."""
    specification: str | None = None
    """Name of the evidence set; None as ``rationale score`` chooses."""
    show: Show = "heatmap"
    threshold: float = 0.5
    """Of the quadrants that the pictures are spread over."""
    items: int = MOST
    """Pictures at most."""
    checks: int = CHECKS
    """Attention checks at most, every other obviously valid."""
    seed: int = 0


@dataclass(frozen=True)
class StudyExport:
    """What was written."""

    study: str
    page: Path
    key: Path
    size: int
    """Bytes of the page."""
    quadrants: Mapping[str, int]
    """Questions by quadrant."""
    checks: int


def run(request: StudyExportRequest) -> StudyExport:
    """Write the questionnaire and its key.

    The page holds pictures, heatmaps and class names, in the order of opaque identifiers; neither the run,
    nor what it answered, nor any measure can be read off it. Raises ``InputError`` for a run without evidence
    or thumbnails.
    """
    source = _source(request)
    evidence = source.main
    kept = kept_pictures([request.run], source.split)
    chosen = _chosen(evidence, list(kept), request)
    if not chosen:
        raise InputError(
            "Expected annotated pictures with thumbnails to ask about but there are none.",
            where=str(request.run.path),
            next_step=f"rationale explain {request.run.name} --split {source.split}",
        )
    opaque = _opaque(secrets.token_bytes(16))
    draw = heat_overlay if request.show == "heatmap" else region_overlay
    asked = _asked(evidence, kept, chosen, draw, opaque)
    checks = _checks(evidence, kept, {*asked.values()}, request, draw, opaque)
    key = Key(
        SCHEMA,
        opaque("study"),
        source.split,
        evidence.spec.name,
        request.threshold,
        request.show,
        digest(evidence),
        {question.id: picture for question, picture in asked.items()},
        {question.id: answer for question, answer in checks.items()},
    )
    html = study_page(key.study, sorted([*asked, *checks], key=lambda one: one.id), request.show)
    write_text(request.output, html)
    counts = np.bincount(quadrants(evidence.table, request.threshold)[chosen], minlength=len(QUADRANTS))
    return StudyExport(
        key.study,
        request.output,
        write_key(request.run, key),
        len(html.encode("utf-8")),
        dict(zip(QUADRANTS, counts.tolist(), strict=True)),
        len(checks),
    )


def _source(request: StudyExportRequest) -> Source:
    found, _ = sources((request.run,), request.specification, "refuse")
    by_split = {one.split: one for one in found}
    chosen = request.split or found[0].split
    if chosen not in by_split:
        raise InputError(
            f"Expected a split that was explained but got {chosen!r}. Known: {', '.join(by_split)}.",
            where=str(request.run.path),
            next_step=f"rationale explain {request.run.name} --split {chosen}",
        )
    return by_split[chosen]


def _opaque(secret: bytes) -> Opaque:
    """Names that tell nothing to anybody without the secret, which is forgotten; the key file remains."""
    return lambda name: hmac.digest(secret, name.encode(), "sha256").hex()[:12]


def _chosen(evidence: EvidenceSet, ids: Sequence[str], request: StudyExportRequest) -> list[int]:
    """Rows of the table, as even over the quadrants as thumbnails allow, by a seeded hash."""
    table = evidence.table
    rows = [row for row in rows_of(table, ids) if row >= 0 and table.status[row] == OK]
    names = [str(table.id[row]) for row in rows]
    groups = quadrants(table, request.threshold)[rows]
    return [rows[place] for place in spread(names, groups, request.items, _hashed(request.seed))]


def _hashed(seed: int) -> Callable[[str], int]:
    def key(name: str) -> int:
        return int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest())

    return key


def _asked(
    evidence: EvidenceSet, kept: Mapping[str, Kept], rows: Sequence[int], draw: Draw, opaque: Opaque
) -> dict[Question, str]:
    """Questions and the pictures that they show. The heatmap explains the class that is asked for."""
    table, heatmaps, names = evidence.table, evidence.heatmaps(), evidence.spec.classnames
    explained = table.prediction if evidence.spec.target == "prediction" else table.label
    found = {}
    for row in rows:
        picture = str(table.id[row])
        heat = patch_bytes(np.asarray(heatmaps[row], np.float32))
        shown = names[int(explained[row])], jpeg(kept[picture].file), draw(heat)
        found[Question(opaque(f"asked/{picture}"), *shown)] = picture
    return found


def _checks(
    evidence: EvidenceSet,
    kept: Mapping[str, Kept],
    asked: set[str],
    request: StudyExportRequest,
    draw: Draw,
    opaque: Opaque,
) -> dict[Question, Response]:
    """Attention checks, of pictures that are not asked about as far as there are others."""
    by = _hashed(request.seed)
    found: dict[Question, Response] = {}
    for name in sorted(kept, key=lambda name: (name in asked, by(f"check/{name}"))):
        if len(found) == request.checks:
            break
        one = kept[name]
        valid = len(found) % 2 == 0
        heat = obvious(one.outline, evidence.spec.grid, valid)
        if heat is not None:
            shown = evidence.spec.classnames[one.label], jpeg(one.file), draw(heat)
            found[Question(opaque(f"check/{name}"), *shown)] = "yes" if valid else "no"
    return found
