"""What an explanation costs, as ratios to the library's own forward pass without gradients.

    python benchmarks/explain.py [--models clip-vit-b-32 clip-vit-b-16] [--rounds 5] [--json]

Prediction and heatmaps together, of the same batch in one run: this project's GAA, by the image tower that
the model's adapter runs and, as "general recorder", by the library's own forward; the audit's four
estimators at once; and other explainers (see ``baselines``). Beside it the peak memory of a process that
does nothing else. ``rma`` is the mass on the object of one map a picture, given the relevance.
``--profile`` tells where the time of forward and explanation goes instead.

Aims: last ≤ 0.95, all ≤ 1.9; by the general recorder 1.1 and 2.1; memory 1.1 and 2.7.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from baselines import baselines
from interleaved import Timing, Work, measure
from machine import machine
from rationale_plugins.attributions.gaa import Gaa
from subjects import MODELS, Subject, subject
from torch import Tensor

from rationale_cli.contracts import Specification
from rationale_cli.toolkit.heads import TextClassifier
from rationale_cli.toolkit.heatmaps import evidence

LAST, ALL = Specification("last", "dot"), Specification("all", "dot")
GRID = tuple(Specification(layers, scalar) for layers in ("last", "all") for scalar in ("dot", "native"))
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Row:
    """One work on one model."""

    model: str
    batch: int
    timing: Timing
    memory: float | None
    """Peak, as a ratio to that of the forward; None where not measured."""


def works(one: Subject, *, peers: bool) -> list[Work]:
    """The library's forward first, which all others are compared with."""
    batch = len(one.images)
    todo = [
        Work("forward", one.plain, batch),
        Work("own forward", partial(_forward, one), batch),
        *(
            Work(name, partial(_explained, one, one.classifier, asked), batch)
            for name, asked in {"last": (LAST,), "all": (ALL,), "audit grid": GRID}.items()
        ),
        Work("rma", _Rma(one), batch),
    ]
    if one.general is not None:
        todo += [
            Work(f"general recorder, {name}", partial(_explained, one, one.general, asked), batch)
            for name, asked in {"last": (LAST,), "all": (ALL,)}.items()
        ]
    return todo + (baselines(one) if peers else [])


def _forward(one: Subject) -> object:
    with torch.no_grad():
        return one.classifier(one.images)


def _explained(one: Subject, classifier: TextClassifier, asked: Sequence[Specification]) -> object:
    return Gaa(Gaa.Options()).explain(classifier, one.images, one.targets, asked)


@dataclass
class _Rma:
    """Relevance and masks are made when first asked for."""

    one: Subject
    ready: tuple[Tensor, Tensor] | None = None

    def __call__(self) -> Tensor:
        if self.ready is None:
            images = self.one.images
            asked = Gaa(Gaa.Options()).explain(self.one.classifier, images, self.one.targets, (LAST,))
            masks = (torch.rand(len(images), *images.shape[-2:], device=images.device) > 0.7).to(torch.uint8)
            self.ready = asked.relevance[0], masks
        return evidence(*self.ready).rma.cpu()


def rows(name: str, arguments: argparse.Namespace) -> list[Row]:
    """Time and memory of all works on one model."""
    device = torch.device(arguments.device)
    one = subject(name, device)
    with _cast(arguments):
        todo = works(one, peers=arguments.peers)
        timings = measure(todo, arguments.rounds, device)
    measured = [work for work in todo if work.pictures == todo[0].pictures] if arguments.memory else []
    peaks = {work.name: _peak(name, work, arguments) for work in measured}
    return [
        Row(
            name,
            len(one.images),
            timing,
            peaks[timing.name] / peaks[todo[0].name] if timing.name in peaks else None,
        )
        for timing in timings
    ]


def _cast(arguments: argparse.Namespace) -> AbstractContextManager[None]:
    kind = PRECISIONS[arguments.precision]
    return nullcontext() if kind is None else torch.autocast(torch.device(arguments.device).type, kind)


def _peak(name: str, work: Work, arguments: argparse.Namespace) -> float:
    """MB: on the GPU of the work, else of a process that builds the model and does the work twice."""
    if arguments.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        with _cast(arguments):
            work.do()
        return torch.cuda.max_memory_allocated() / 1e6
    words = ["--models", name, "--peak", work.name, "--precision", arguments.precision]
    words += ["--threads", str(arguments.threads)]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak(name: str, arguments: argparse.Namespace) -> float:
    """MB of this process after doing one work twice."""
    one = subject(name, torch.device("cpu"))
    with _cast(arguments):
        (work,) = (work for work in works(one, peers=True) if work.name == arguments.peak)
        for _ in range(2):
            work.do()
    # What getrusage tells starts at the peak of the process that started this one.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (told,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(told) / 1024


def profile(name: str, arguments: argparse.Namespace) -> None:
    """Where time goes, operation by operation."""
    device = torch.device(arguments.device)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    for work in works(subject(name, device), peers=False)[:4]:
        with _cast(arguments):
            work.do()
            with torch.profiler.profile(activities=kinds) as seen:
                work.do()
        print(f"\n{name}: {work.name}")
        print(seen.key_averages().table(sort_by=f"self_{device.type}_time_total", row_limit=10))


def show(found: Sequence[Row]) -> None:
    """Print a table."""
    head = f"{'model':<15} {'work':<27} {'images/s':>9} {'ratio':>7}  {'quartiles':<15}"
    print(head, f"{'processor':>9} {'memory':>7}")
    for row in found:
        one = row.timing
        spread = f"{one.lower:.2f} – {one.upper:.2f}"
        memory = "–" if row.memory is None else f"{row.memory:.2f}"
        print(
            f"{row.model:<15} {one.name:<27} {one.images_per_second:>9.1f} {one.ratio:>7.2f}  {spread:<15} "
            f"{one.processor_ratio:>9.2f} {memory:>7}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What an explanation costs beside a plain forward pass.")
    parser.add_argument(
        "--models", nargs="+", choices=list(MODELS), default=["clip-vit-b-32", "clip-vit-b-16"]
    )
    parser.add_argument("--rounds", type=int, default=5, help="times that each work is measured (at least 2)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=list(PRECISIONS), default="fp32")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="this project's works alone")
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument("--profile", action="store_true", help="where time goes, instead of the table")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak:
        print(peak(arguments.models[0], arguments))
        return
    if arguments.profile:
        for name in arguments.models:
            profile(name, arguments)
        return
    arguments.rounds = max(arguments.rounds, 2)
    found = [row for name in arguments.models for row in rows(name, arguments)]
    if arguments.json:
        found_on = machine(arguments.device, arguments.threads, arguments.precision)
        print(json.dumps({"machine": found_on, "rows": [asdict(row) for row in found]}, indent=2))
        return
    show(found)


if __name__ == "__main__":
    main()
