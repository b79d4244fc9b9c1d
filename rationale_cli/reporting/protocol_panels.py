"""What the page shows of audits of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from markupsafe import Markup

from ..measures.audit_results import PairAudit
from ..measures.estimates import Verdict
from . import ink, multiverse
from .runs_audit import SHOWN, choices_of, findings, remarks


class Curve(NamedTuple):
    """The specification curve of one measure."""

    metric: str
    verdict: Verdict
    drawing: Markup | None


class KindKey(NamedTuple):
    """What a colour of the specification curve means."""

    name: str
    colour: str


@dataclass(frozen=True)
class ProtocolPanel:
    """One audit, written and drawn."""

    audit: PairAudit
    findings: tuple[str, ...]
    parts: tuple[Markup, ...]
    curves: tuple[Curve, ...]
    about: tuple[tuple[str, str], ...]
    """The varied choices, and what each decides."""
    remarks: tuple[str, ...]


def protocol_section(audits: Sequence[PairAudit]) -> dict[str, Any]:
    """What the template ``protocol.html.j2`` takes."""
    return {
        "protocols": [_panel(audit) for audit in audits],
        "kinds": [KindKey(kind.name, ink.variable(kind.shade)) for kind in multiverse.KINDS],
        "shown": SHOWN,
    }


def _panel(audit: PairAudit) -> ProtocolPanel:
    where = f"{audit.run} minus {audit.baseline}, split {audit.split}"
    splits = {one.metric: one for one in audit.decompositions}
    drawings = (multiverse.parts(splits[metric], where) for metric in SHOWN if metric in splits)
    verdicts = {one.metric: one.verdict for one in audit.agreements}
    return ProtocolPanel(
        audit,
        tuple(findings(audit)),
        tuple(one for one in drawings if one is not None),
        tuple(Curve(metric, verdicts[metric], multiverse.curve(audit, metric)) for metric in SHOWN),
        tuple(choices_of(audit)),
        tuple(remarks(audit)),
    )
