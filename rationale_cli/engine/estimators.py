"""Which estimators a request asks for, and how each is described beside its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

import torch

from ..contracts import Attribution, Scalar, Specification, Specified
from ..recipe import Draft, ExplainOptions, from_mapping
from ..registry import Registry
from ..runs.evidence import EvidenceSpec
from ..runs.naming import set_name
from ..toolkit.attention import depth_of
from ..toolkit.layers import resolve
from .build import Built
from .conditions import Condition
from .configuration import Chosen
from .configure import choose
from .infer import Estimator
from .view import prepared

AUDIT_LAYERS: tuple[str, ...] = ("last", "all")
AUDIT_SCALARS: tuple[Scalar, ...] = ("dot", "native")
"""The grid over which a robust difference must hold (protocol §7)."""

CONTROLS = ("rationale:uniform", "rationale:center", "rationale:random-head", "rationale:wrong-class")
"""What a robust difference must stand above (protocol §7)."""


@dataclass(frozen=True)
class Wanted:
    """One attribution and the specifications that it shall compute in one pass."""

    chosen: Chosen
    specifications: tuple[Specification, ...]
    target: str = "label"
    """``label`` or ``prediction``."""
    precision: str = "no"

    @property
    def specified(self) -> Specified:
        """What of the specifications means anything to the attribution."""
        return cast(type[Attribution], self.chosen.plugin).specified

    def asked(self) -> tuple[tuple[str | None, Scalar | None], ...]:
        """Layers and scalar of each specification, None for what does not apply."""
        layers, scalar = self.specified in (True, "layers"), self.specified in (True, "scalar")
        return tuple(
            (one.layers if layers else None, one.scalar if scalar else None) for one in self.specifications
        )

    def names(self) -> tuple[str, ...]:
        """Names of the evidence sets, in the order of the specifications."""
        return tuple(set_name(self.chosen.bare, *one, self.target, self.precision) for one in self.asked())

    def estimator(self, names: Sequence[str]) -> Estimator:
        """The live estimator of those of its sets that are among ``names``."""
        pairs = zip(self.specifications, self.names(), strict=True)
        todo = [(one, name) for one, name in pairs if name in names]
        attribution = cast(Attribution, self.chosen.build())
        specifications, named = tuple(one for one, _ in todo), tuple(name for _, name in todo)
        return Estimator(attribution, specifications, named, self.chosen, self.target)

    def specs(self, built: Built, options: ExplainOptions, condition: Condition) -> list[EvidenceSpec]:
        """A description of each evidence set of a condition."""
        preprocessing = prepared(built.model.preprocessing, condition.view, further=condition.further)
        return [
            EvidenceSpec(
                name=name,
                split=condition.label,
                shown=condition.shown(),
                attribution=self.chosen.name,
                options=self.chosen.options.model_dump(mode="json"),
                layers=layers,
                blocks=None if layers is None else _blocks(built, layers),
                scalar=scalar,
                target=self.target,
                dataset=condition.name,
                fingerprint=condition.dataset.fingerprint,
                classnames=condition.task(built.dataset.task).classnames,
                preprocessing=asdict(preprocessing),
                grid=built.model.patch_grid(preprocessing.size, preprocessing.size),
                image_size=preprocessing.size,
                precision=self.precision,
                no_evidence=options.no_evidence,
                control=bool(getattr(self.chosen.plugin, "control", False)),
            )
            for (layers, scalar), name in zip(self.asked(), self.names(), strict=True)
        ]


def plan(attributions: Sequence[Chosen], options: ExplainOptions, registry: Registry) -> tuple[Wanted, ...]:
    """The estimators of a request: what is asked for, and with ``audit`` the grid and the controls."""
    asked = tuple(Specification(layers, scalar) for layers in options.layers for scalar in options.scalar)
    grid = tuple(Specification(layers, scalar) for layers in AUDIT_LAYERS for scalar in AUDIT_SCALARS)
    full = tuple(dict.fromkeys((*asked, *grid))) if options.audit else asked
    wanted = [(chosen, full) for chosen in attributions]
    present = {chosen.name for chosen in attributions}
    for name in CONTROLS if options.audit else ():
        if name not in present:
            draft = Draft(from_mapping({"attribution": name}, "audit"))
            wanted.append((choose("attribution", draft, registry), asked[:1]))
    targets = ("label", "prediction") if options.target == "both" else (options.target,)
    return tuple(_wanted(*one, target, options.precision) for target in targets for one in wanted)


def _blocks(built: Built, layers: str) -> tuple[int, int]:
    size = built.model.preprocessing.size
    blank = torch.zeros(1, 3, size, size, device=built.model.logit_scale.device)
    return resolve(layers, depth_of(built.classifier, blank), built.classifier.family)


def _wanted(chosen: Chosen, specifications: tuple[Specification, ...], target: str, precision: str) -> Wanted:
    specified = cast(type[Attribution], chosen.plugin).specified
    applied = tuple(dict.fromkeys(one.applied(specified) for one in specifications))
    return Wanted(chosen, applied, target, precision)
