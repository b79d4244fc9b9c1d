"""What every attribution costs, as a ratio to the library's own forward pass without gradients.

    python benchmarks/attributions.py [--models tiny-clip siglip2-b-32] [--only gaa rise] [--json]

Prediction and heatmaps of a batch by each attribution at its defaults, of the last layer and of all where
layers mean anything to it. Those that run the model on many variants of a picture explain one picture and
take part in few rounds; where their time is linear in the number of variants, few are made, and the ratio is
multiplied. What a model lacks, or refuses, is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from interleaved import Timing, Work, measure
from machine import machine
from subjects import MODELS, Subject, subject

from rationale_cli.contracts import Specification
from rationale_cli.errors import InputError
from rationale_cli.registry import Registry

FORWARD = "forward"
DEFAULT = ("tiny-clip", "tiny-albef", "tiny-blip", "clip-vit-b-32", "siglip2-b-32")
LAYERS = ("last", "all")
MANY, SLOW_ROUNDS = 5, 2
"""Forwards of a picture above which an attribution explains one picture alone, in so many rounds."""
FEWER = {
    "rise": {"masks": 20},
    "integrated-gradients": {"steps": 10},
    "smoothgrad": {"samples": 10},
}
"""Options with which attributions are measured whose time is linear in them; ratios are multiplied."""
BATCHES = {"clip-vit-b-32": 4}
"""Pictures a batch where those of other benchmarks would take too long."""


@dataclass(frozen=True)
class Row:
    """One attribution on one model, or the forward pass."""

    model: str
    batch: int
    attribution: str
    layers: str | None
    """None where layers mean nothing to it."""
    times: float
    """What the ratios of the timing must be multiplied with."""
    timing: Timing


@dataclass(frozen=True)
class Asked:
    """A work, and what it is."""

    attribution: str
    layers: str | None
    times: float
    work: Work


def asked(one: Subject, only: Sequence[str]) -> list[Asked]:
    """The forward pass first, which all others are compared with; ``only``: names, none for all."""
    registry = Registry.discover()
    todo = [Asked(FORWARD, None, 1.0, Work(FORWARD, one.plain, len(one.images)))]
    for entry in registry.entries("attribution"):
        if entry.distribution == "rationale" and (not only or entry.name in only):
            todo += _of(one, entry.name, registry.load("attribution", entry.qualified))
    return todo


def _of(one: Subject, name: str, plugin: Any) -> Iterator[Asked]:
    attribution = plugin(plugin.Options(**FEWER.get(name, {})))
    passes = _passes(one, attribution)
    times, repeated = _passes(one, plugin(plugin.Options())) / passes, passes > MANY
    pictures = 1 if repeated else len(one.images)
    # What reads picture and text together asks for the texts.
    classifier = one.worded if hasattr(one.classifier.model, "match") else one.classifier
    for layers in LAYERS if attribution.specified in (True, "layers") else (None,):
        specification = Specification(layers or "last")
        do = partial(
            attribution.explain, classifier, one.images[:pictures], one.targets[:pictures], (specification,)
        )
        if repeated or _takes(do):
            told = name if layers is None else f"{name}, {layers}"
            yield Asked(name, layers, times, Work(told, do, pictures, SLOW_ROUNDS if repeated else None))


def _passes(one: Subject, attribution: Any) -> int:
    """Forwards of each picture."""
    if not hasattr(attribution, "passes"):
        return 1
    forwards: int = attribution.passes(one.classifier.model.patch_grid(*one.images.shape[-2:]), 1)[0]
    return forwards


def _takes(do: Any) -> bool:
    try:
        do()
    except InputError:
        return False
    return True


def rows(name: str, arguments: argparse.Namespace) -> list[Row]:
    """Everything on one model."""
    device = torch.device(arguments.device)
    one = subject(name, device)
    kept = slice(BATCHES.get(name))
    one = replace(one, images=one.images[kept], targets=one.targets[kept])
    todo = asked(one, arguments.only)
    timings = measure([each.work for each in todo], arguments.rounds, device)
    return [
        Row(name, each.work.pictures, each.attribution, each.layers, each.times, timing)
        for each, timing in zip(todo, timings, strict=True)
    ]


def show(found: Sequence[Row]) -> None:
    """Print a table."""
    print(f"{'model':<15} {'attribution':<27} {'layers':<6} {'clock':>9} {'processor':>9}")
    for row in found:
        clock, processor = row.times * row.timing.ratio, row.times * row.timing.processor_ratio
        print(f"{row.model:<15} {row.attribution:<27} {row.layers or '':<6} {clock:>9.2f} {processor:>9.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What every attribution costs beside a plain forward pass.")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(DEFAULT))
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these attributions; else all")
    parser.add_argument("--rounds", type=int, default=5, help="times that each work is measured (at least 2)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.rounds = max(arguments.rounds, SLOW_ROUNDS)
    found = [row for name in arguments.models for row in rows(name, arguments)]
    if arguments.json:
        found_on = machine(arguments.device, arguments.threads)
        print(json.dumps({"machine": found_on, "rows": [asdict(row) for row in found]}, indent=2))
        return
    show(found)


if __name__ == "__main__":
    main()
