"""The attributions that a request names, each with its own options: one, several, or all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from ..contracts import Attribution, Classifier, PluginOptions
from ..errors import InputError, PluginError, did_you_mean
from ..recipe import Given, Layer
from ..registry import Registry
from .estimators import Wanted

ALL = "all"
"""Stands for every attribution that is no control."""

_SECTION = "attribution."


def every(registry: Registry) -> tuple[list[str], list[str]]:
    """Qualified names of all attributions but controls, and why others are left out, a line each."""
    names, notes, seen = [], [], set[str]()
    for one in registry.entries("attribution"):
        if one.entry.argument or one.entry.target in seen:
            continue
        seen.add(one.entry.target)
        try:
            plugin = registry.load("attribution", one.qualified)
        except PluginError as error:
            notes.append(f"{one.name} is left out: {error.what}")
            continue
        if not getattr(plugin, "control", False):
            names.append(one.qualified)
    return names, notes


def layers_of(
    names: Sequence[str], layer: Layer, registry: Registry, *, lenient: bool = False
) -> list[dict[str, Given]]:
    """The settings of each of these attributions, chosen by ``--attribution``.

    Of several, each takes the options of ``layer`` that it has; ``lenient``: layers and scalars that are
    asked for are passed over where they mean nothing. Raises ``InputError`` for an option that none of
    several has, ``PluginError`` for a plugin that cannot be used.
    """
    own = {key.removeprefix(_SECTION): one for key, one in layer.items() if key.startswith(_SECTION)}
    own.pop("use", None)
    fields = {name: _fields(name, registry) for name in names} if len(names) > 1 else {}
    for key, one in own.items():
        if fields and not any(key in known for known in fields.values()):
            known = sorted({key for one in fields.values() for key in one})
            raise InputError(
                f"{_SECTION}{key}: none of these attributions has such an option. {did_you_mean(key, known)} "
                f"(from {one.origin})"
            )
    asked = {key: one for key, one in layer.items() if key in ("explain.layers", "explain.scalar")}
    passed = {key: Given(one.value, f"for all: {one.origin}") for key, one in asked.items() if lenient}
    return [
        {
            f"{_SECTION}use": Given(name, "--attribution"),
            **{f"{_SECTION}{key}": one for key, one in own.items() if not fields or key in fields[name]},
            **passed,
        }
        for name in names
    ]


def refusal(wanted: Wanted, classifier: Classifier) -> str | None:
    """Why an attribution cannot explain this classifier, tried on one blank picture; None where it can."""
    attribution = cast(Attribution, wanted.chosen.build())
    lacking = [need for need in attribution.needs if not hasattr(classifier, need)]
    if lacking:
        return f"it needs a classifier with {', '.join(lacking)}"
    size = classifier.model.preprocessing.size
    device = classifier.model.logit_scale.device
    target: Tensor = torch.zeros(1, dtype=torch.long, device=device)
    try:
        attribution.explain(
            classifier, torch.zeros(1, 3, size, size, device=device), target, wanted.specifications
        )
    except InputError as error:
        return error.what
    return None


def _fields(name: str, registry: Registry) -> Mapping[str, object]:
    plugin: Any = registry.load("attribution", registry.find("attribution", name).qualified)
    return cast(type[PluginOptions], plugin.Options).model_fields
