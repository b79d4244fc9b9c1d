"""What is missing for a claim to be tested or audited, and the command that makes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..hooks import bare_name
from ..measures.cases import Case, members
from ..measures.claims import Claim
from ..measures.comparing import missing_sets
from ..measures.hypotheses import ORDERS
from ..measures.measured import Measured
from ..runs.folder import Run
from .claim_cells import GRADIENT, PROMPTS, Cells
from .comparable import zero_shot

_NAMED = 6
"""So many runs are named in a command."""

_PROMPTS = tuple(PROMPTS.values())


class Need(NamedTuple):
    """What a claim lacks."""

    lacking: str
    remedy: str
    """A command; empty where none helps."""


@dataclass(frozen=True)
class Needs:
    """What the runs at hand lack."""

    runs: Mapping[str, Run]
    cells: Cells
    methods: frozenset[str]
    """Bare names of those that are installed."""

    def of(self, setting: str) -> Need:
        """What a setting without cells lacks."""
        if setting in PROMPTS:
            return self._prompt(PROMPTS[setting])
        if setting != "runs" and not self.cells.settings["main"]:
            return self._comparison()
        explained = {
            "corrupted": ("evidence on corrupted pictures", "--corrupt fog:3"),
            "gradient": (f"evidence by {GRADIENT}", f"--attribution {GRADIENT} --audit"),
            "others": ("evidence on another split or dataset", "--dataset NAME --data DIR"),
        }
        if setting in explained:
            lacking, flags = explained[setting]
            return Need(lacking, self._explain(members(self.cells.settings["main"]), flags))
        tuned = {
            "flcp": ("a run of FLCP", "--method flcp"),
            "adamw": ("a run with AdamW", "--set train.optimizer=adamw"),
            "rates": ("a run that differs in the learning rate only", f"--lr {self._other_rate():g}"),
            "runs": ("a fine-tuned run", "--method ft"),
        }
        if setting in tuned:
            lacking, flags = tuned[setting]
            return Need(lacking, self._finetune(flags))
        if setting == "orders":
            return self._order()
        if setting == "hard":
            return Need("a zero-shot run that is right in less than 20 % of the pictures", "")
        return Need("pictures with masks or boxes", "")

    def filled(self, claim: Claim, cases: Sequence[Case]) -> Claim:
        """A tested claim with what it still lacks, if anything."""
        if claim.verdict == "not tested":
            return replace(claim, lacking="pictures with masks or boxes, right or valid ones among them")
        if claim.audit is None or claim.audit.standing != "not audited":
            return claim
        lacking = [one for one in members(cases) if missing_sets(one, one)]
        flags = f"--attribution {GRADIENT} --audit" if claim.hypothesis.setting == "gradient" else ""
        return replace(claim, remedy=self._explain(lacking, flags)) if lacking else claim

    def _prompt(self, method: str) -> Need:
        installed = sorted(one for one in self.methods if one.startswith(method))
        if not installed:
            return Need(f"a run of {method}, and a plugin with that method", "")
        return Need(f"a run of {method}", self._finetune(f"--method {installed[-1]}"))

    def _comparison(self) -> Need:
        tuned = self._tuned()
        if not tuned:
            return Need("a fine-tuned run", self._finetune("--method ft"))
        if any(zero_shot(one) for one in self.runs.values()):
            lacking = "a zero-shot run of the same model, explained on the same pictures, as the baseline"
        else:
            lacking = "the zero-shot run"
        return Need(lacking, self._finetune("--method zs"))

    def _order(self) -> Need:
        there = {_method(one) for one in self.runs.values()}
        absent = [method for method in ORDERS["PT"] if method not in there]
        if not absent:
            return Need("runs of zs, lp, flcp and ft that were tuned alike on the same pictures", "")
        return Need(f"runs of {' and '.join(absent)}", self._finetune(f"--method {absent[0]}"))

    def _tuned(self) -> list[Run]:
        """Fine-tuned runs, full fine-tuning first."""
        tuned = [
            one for one in self.runs.values() if not zero_shot(one) and not _method(one).startswith(_PROMPTS)
        ]
        return sorted(tuned, key=lambda one: _method(one) != "ft")

    def _other_rate(self) -> float:
        for one in self._tuned():
            rate = (one.configuration["method"].get("options") or {}).get("lr")
            if isinstance(rate, float) and rate > 0:
                return rate / 2
        return 1e-5

    def _finetune(self, flags: str) -> str:
        like = next(iter(self._tuned()), next(iter(self.runs.values())))
        recipe = shlex.quote(str(like.path / "run.yaml"))
        return f"rationale finetune --recipe {recipe} {flags} && rationale explain"

    def _explain(self, members: Sequence[Measured], flags: str) -> str:
        names = list(dict.fromkeys(one.run for one in members))
        told = [shlex.quote(str(self.runs[name].path)) for name in names[:_NAMED]]
        told += ["…"] if len(names) > _NAMED else []
        return " ".join(["rationale explain", *told, flags]).rstrip()


def _method(one: Run) -> str:
    return bare_name(one.configuration["method"]["use"])
