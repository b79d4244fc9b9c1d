"""What an explanation costs: images a second, and the time as a ratio to a plain forward pass.

    python benchmarks/explain.py [--models tiny-clip clip-vit-b-32] [--rounds 7] [--threads 2] [--json]

All works of a model are timed in turn within each round, so that a busy machine touches them alike; a
ratio is taken within its round. Beside the clock stands the processor time of this process, which other
work on the machine moves less. Weights are random: they do not change the time. Aims: last ≤ 1.15, all
≤ 2.5. ``rma`` is the mass on the object of one map a picture, given the relevance.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import NamedTuple

import torch
from rationale_plugins.attributions.gaa import Gaa
from rationale_plugins.models.open_clip import ClipViTB16, ClipViTB32
from rationale_plugins.models.tiny_clip import TinyClip
from torch import nn

from rationale_cli.contracts import Specification, VisionLanguageModel
from rationale_cli.toolkit.heads import TextClassifier, feature_width
from rationale_cli.toolkit.heatmaps import evidence

MODELS: dict[str, tuple[type[nn.Module], int]] = {
    "tiny-clip": (TinyClip, 64),
    "clip-vit-b-32": (ClipViTB32, 16),
    "clip-vit-b-16": (ClipViTB16, 8),
}
"""Name → model and pictures a batch."""

WORKS: dict[str, tuple[Specification, ...]] = {
    "last": (Specification("last", "dot"),),
    "all": (Specification("all", "dot"),),
    "audit grid": tuple(
        Specification(layers, scalar) for layers in ("last", "all") for scalar in ("dot", "native")
    ),
}
"""Name → the estimators that one pass computes."""


@dataclass(frozen=True)
class Timing:
    """One work on one model; quartiles over the rounds."""

    model: str
    work: str
    batch: int
    images_per_second: float
    ratio: float
    """By the clock."""
    lower: float
    upper: float
    processor_ratio: float
    """By processor time."""


class Spent(NamedTuple):
    """Seconds of one call."""

    clock: float
    processor: float


def works(model: VisionLanguageModel, batch: int, device: torch.device) -> dict[str, Callable[[], object]]:
    """The plain forward pass first, then what is compared with it."""
    torch.manual_seed(0)
    size = model.preprocessing.size
    classifier = TextClassifier(model, torch.randn(10, feature_width(model)).to(device)).eval()
    images = torch.randn(batch, 3, size, size, device=device)
    targets = torch.arange(batch, device=device) % 10
    masks = (torch.rand(batch, size, size, device=device) > 0.7).to(torch.uint8)
    gaa = Gaa(Gaa.Options())

    def forward() -> object:
        with torch.no_grad():
            return classifier(images)

    def explained(specifications: tuple[Specification, ...]) -> Callable[[], object]:
        return lambda: gaa.explain(classifier, images, targets, specifications)

    (relevance,) = gaa.explain(classifier, images, targets, WORKS["last"]).relevance
    return {
        "forward": forward,
        **{name: explained(specifications) for name, specifications in WORKS.items()},
        "rma": lambda: evidence(relevance, masks).rma.cpu(),
    }


def measure(name: str, rounds: int, device: torch.device) -> list[Timing]:
    """Time every work in turn, ``rounds`` times after one for warming up."""
    kind, batch = MODELS[name]
    model = kind(kind.Options(weights="none")).to(device)
    todo = works(model, batch, device)
    spent: dict[str, list[Spent]] = {work: [] for work in todo}
    for turn in range(rounds + 1):
        for work, do in todo.items():
            one = _spent(do, device)
            if turn:
                spent[work].append(one)
    return [_timing(name, work, batch, own, spent["forward"]) for work, own in spent.items()]


def _timing(model: str, work: str, batch: int, own: list[Spent], plain: list[Spent]) -> Timing:
    pairs = list(zip(own, plain, strict=True))
    lower, middle, upper = quantiles([one.clock / other.clock for one, other in pairs], n=4)
    processor = median(one.processor / other.processor for one, other in pairs)
    speed = batch / median(one.clock for one in own)
    return Timing(model, work, batch, speed, middle, lower, upper, processor)


def _spent(do: Callable[[], object], device: torch.device) -> Spent:
    """By one call; short calls are repeated, for at least a tenth of a second in all."""
    calls, clock, processor = 0, time.perf_counter(), time.process_time()
    while calls == 0 or time.perf_counter() - clock < 0.1:
        do()
        calls += 1
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return Spent((time.perf_counter() - clock) / calls, (time.process_time() - processor) / calls)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time of explanations as ratios to a plain forward pass.")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=["tiny-clip", "clip-vit-b-32"])
    parser.add_argument("--rounds", type=int, default=7, help="times that each work is measured (at least 2)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    timings = [one for name in arguments.models for one in measure(name, max(arguments.rounds, 2), device)]
    if arguments.json:
        print(json.dumps([asdict(one) for one in timings], indent=2))
        return
    print(f"{'model':<15} {'work':<11} {'images/s':>9} {'ratio':>6}  {'quartiles':<12} {'processor':>9}")
    for one in timings:
        spread = f"{one.lower:.2f} – {one.upper:.2f}"
        print(
            f"{one.model:<15} {one.work:<11} {one.images_per_second:>9.1f} {one.ratio:>6.2f}  "
            f"{spread:<12} {one.processor_ratio:>9.2f}"
        )


if __name__ == "__main__":
    main()
