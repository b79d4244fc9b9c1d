"""What to explain of a run: its own recorded settings, and what is asked for now over them."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..recipe import Draft, ExplainOptions, Layer, recorded
from ..registry import Registry
from ..runs.folder import Run
from .attributions import ALL, every, layers_of
from .configuration import Chosen, Configuration
from .configure import configure, of_protocol

LATER = ("explain", "attribution", "view", "shift", "protocol")
"""Sections that may be chosen anew after the tuning."""


@dataclass(frozen=True)
class ExplainRequest:
    """Which run to explain, by what, on which splits."""

    run: Run
    configuration: Configuration
    """The run's own, with the settings of ``explain`` that hold now."""
    attributions: tuple[Chosen, ...]
    registry: Registry
    own: bool = True
    """Whether the dataset that the run was tuned on is explained; else its further dataset alone."""
    notes: tuple[str, ...] = ()
    """What ``all`` attributions leave out, a line each."""
    every: bool = False
    """Whether all attributions are meant: those that refuse the model are left out."""
    aside: bool = False
    """Whether pictures that are prepared otherwise than for tuning get no table: an audit only reads them."""

    @property
    def options(self) -> ExplainOptions:
        """Splits, layers, scalars, audit, witness and the rest."""
        return self.configuration.explain


def requested(
    run: Run, registry: Registry, layer: Layer | None = None, attribution: str | None = None
) -> ExplainRequest:
    """Lay ``layer`` (sections ``explain attribution view shift protocol``) over a run's recorded settings.

    With a ``shift`` that further dataset alone is explained. Of a protocol, what belongs to the tuning stays
    as it was. ``attribution`` names one attribution, several, separated by commas, or ``all`` but controls.
    Raises ``InputError`` for settings that belong to the tuning, and what ``configure`` raises.
    """
    layer = layer or {}
    _check_sections(layer)
    tuned = Draft(recorded(run.configuration, f"run {run.name}"))
    choices = of_protocol(tuned.over(layer), registry) if "protocol.use" in layer else {}
    now = {key: one for key, one in choices.items() if key.partition(".")[0] in LATER}
    draft = tuned.over(now, layer)
    names = [name.strip() for name in attribution.split(",") if name.strip()] if attribution else []
    notes: list[str] = []
    meant = names == [ALL]
    if meant:
        names, notes = every(registry)
    # Options of attributions are laid over by whoever has them.
    others = {key: one for key, one in layer.items() if not key.startswith("attribution.")}
    chosen = layers_of(names, layer, registry, lenient=meant)
    drafts = [tuned.over(now, others, each) for each in chosen] or [draft]
    configurations = [configure(one, registry) for one in drafts]
    attributions = tuple(one.attribution for one in configurations)
    if not names:
        attributions = configurations[0].attributions
    own = "shift.use" not in layer
    return ExplainRequest(run, configurations[0], attributions, registry, own, tuple(notes), meant)


def _check_sections(layer: Layer) -> None:
    for key, given in layer.items():
        if key.partition(".")[0] not in LATER:
            raise InputError(
                f"{key}: Expected settings of {', '.join(LATER)} but got one of the tuning "
                f"(from {given.origin}).",
                next_step="tune another run with `rationale finetune`",
            )
