"""Named protocols: sets of choices that together say how the numbers come about (protocol §6).

A protocol lies above what plugins have as defaults and below everything that recipe or command line set, so
each of its choices can also be made alone. Plugins add what it means for them by a class attribute
``protocols``: name → dotted keys → values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, did_you_mean

DEFAULT = "corrected"


@dataclass(frozen=True)
class Protocol:
    """A named set of choices."""

    summary: str
    choices: Mapping[str, Any]
    """Dotted key → value, for every model, method and dataset alike."""


_TRAINING = {"train.optimizer": "adam", "train.weight_decay": 0.0, "train.schedule": "constant"}

PROTOCOLS: Mapping[str, Protocol] = {
    "corrected": Protocol(
        "One estimator for every method, the model's own preprocessing, true masks, names and splits.",
        {
            "explain.layers": ["last"],
            "explain.scalar": ["dot"],
            "explain.target": "label",
            "explain.no_evidence": "invalid",
            "view.normalise": "model",
            "view.interpolation": "model",
        },
    ),
    "paper": Protocol(
        "What the paper's text says: each classifier's own logit for the annotated class. Of the layers it "
        "says nothing: the last, for all methods.",
        {
            **_TRAINING,
            "explain.layers": ["last"],
            "explain.scalar": ["native"],
            "explain.target": "label",
            "explain.no_evidence": "invalid",
            "view.normalise": "model",
            "view.interpolation": "model",
        },
    ),
    "reference": Protocol(
        "What the paper's released code does: the last layer for zero-shot and FLCP but all for LP and FT,"
        " ImageNet's normalisation for every model, and each dataset's masks, names and split as there.",
        {
            **_TRAINING,
            "train.augment": "reference",
            "explain.layers": ["reference"],
            "explain.scalar": ["native"],
            "explain.target": "label",
            "explain.no_evidence": "valid",
            "view.normalise": "imagenet",
            "view.interpolation": "bilinear",
        },
    ),
}


def protocol(name: str, origin: str) -> Protocol:
    """Raises ``InputError`` for an unknown name, with a suggestion."""
    if name not in PROTOCOLS:
        raise InputError(
            f"protocol: unknown protocol {name!r}. {did_you_mean(name, PROTOCOLS)} (from {origin})",
            next_step="`rationale info protocol reference` shows the choices of one",
        )
    return PROTOCOLS[name]
