"""Audits of runs in their run folders: written by ``stages.audit_runs``, read by reports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from ..contracts import Progress
from ..measures.audit_results import PairAudit, RunsAudit
from ..measures.results import to_json
from ..runs.atomic import write_text
from ..runs.evidence import EvidenceSet
from ..runs.folder import Run
from .kept import read_kept

SCHEMA = 1
FILE = "audit.json"


def write_audit(run: Run, result: RunsAudit) -> None:
    """Leave ``audit.json`` in a run's folder."""
    write_text(run.path / FILE, json.dumps(to_json(result), ensure_ascii=False))


def read_audit(run: Run) -> RunsAudit | None:
    """The last audit of a run. Raises ``InputError`` where the file is damaged or of another layout."""
    return read_kept(run.path / FILE, RunsAudit, "an audit", f"rationale audit runs {run.name}")


def digest(*sets: EvidenceSet) -> str:
    """What a result rests on: the predictions and evidence of sets, as of both runs of an audit."""
    told = hashlib.sha256()
    for one in sets:
        for column in (one.table.prediction, one.table.rma):
            told.update(np.ascontiguousarray(column).tobytes())
    return told.hexdigest()[:16]


def fitting(runs: Sequence[Run], progress: Progress) -> list[PairAudit]:
    """Audits between these runs that rest on the evidence as it is now; of others a warning tells."""
    by_name = {one.name: one for one in runs}
    found = []
    for run in runs:
        result = read_audit(run)
        for audit in result.audits if result else ():
            baseline = by_name.get(audit.baseline)
            if baseline is None:
                continue
            if _current(audit, run, baseline):
                found.append(audit)
            else:
                progress.warn(
                    f"{run.name}: its audit on {audit.split} rests on other evidence and is left out; "
                    f"`rationale audit runs {run.name} --baseline {audit.baseline}` makes it anew."
                )
    return found


def _current(audit: PairAudit, run: Run, baseline: Run) -> bool:
    sets = [one.evidence(audit.split).get(audit.specification) for one in (run, baseline)]
    first, second = sets
    return first is not None and second is not None and digest(first, second) == audit.evidence
