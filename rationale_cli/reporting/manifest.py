"""Configuration and provenance of runs as flat facts, and what tells the runs apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..hooks import bare_name
from ..runs.folder import Run


@dataclass(frozen=True)
class Facts:
    """One run folder's description: dotted key → value."""

    run: str
    """As it is shown."""
    folder: str
    configuration: dict[str, str]
    passed: frozenset[str]
    """Keys of the configuration that the user set; all others are defaults."""
    circumstances: dict[str, str]
    """Versions, hardware, provenance, training, and when."""
    guidance: tuple[str, ...] = ()
    """What was added to the method's loss: each regularizer with its weight and, where it is not all, the
    share of masks that it might see."""


def facts(run: Run, name: str) -> Facts:
    """Flatten ``run.yaml`` of a run that is shown as ``name``; class names stand elsewhere."""
    sections = dict(run.configuration)
    passed = sections.pop("passed", {})
    rest = {key: value for key, value in run.manifest.items() if key not in {"configuration", "classnames"}}
    guided = _guidance(run.configuration)
    return Facts(name, str(run.path), _flat(sections), frozenset(_flat(passed)), _flat(rest), guided)


def differing(all_facts: Sequence[Facts]) -> list[tuple[str, list[str]]]:
    """Keys of the configuration that are not the same everywhere, with each run's value."""
    keys = dict.fromkeys(key for one in all_facts for key in one.configuration)
    values = [(key, [one.configuration.get(key, "–") for one in all_facts]) for key in keys]
    return [(key, row) for key, row in values if len(set(row)) > 1]


def _guidance(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    share = configuration.get("train", {}).get("mask_fraction", 1)
    masks = "" if share == 1 else f", masks of {100 * share:g} %"
    return tuple(
        f"{bare_name(one['use'])} × {one['options'].get('weight', 1):g}{masks}"
        for one in configuration.get("regularizer") or ()
    )


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    if isinstance(value, Mapping):
        return {
            key: text
            for name, item in value.items()
            for key, text in _flat(item, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return _flat({str(one.get("use", place)): one for place, one in enumerate(value)}, prefix)
    if isinstance(value, list | tuple):
        return {prefix: ", ".join(map(str, value)) or "–"}
    return {prefix: "–" if value is None else str(value)}
