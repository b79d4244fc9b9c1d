"""What training costs: steps of ``rationale``'s loop against plain PyTorch loops of the same step.

    python benchmarks/training.py [--models tiny-clip clip-vit-b-32] [--methods ft lp flcp] [--rounds 3]
        [--threads 2] [--device cpu] [--json]
    python benchmarks/training.py --methods --regularizers gaa-mass evidence-anchor (or: all)

The second asks what regularizers add: steps of ``ft`` with each of them against those without, by the loop of
``rationale``, the pictures' masks all read.

Model, loss, optimiser and pictures are the same in all loops; weights are random, pictures in memory.
``ready`` reads nothing: its pictures are normalised tensors already (for ``lp``, features). ``DataLoader``
reads them as such a loop usually does, in the main process, and for ``lp`` encodes them in every step;
``channels last`` is ``ready`` with pictures and weights in that layout. The loops take turns within each
round; a ratio is that of the medians over a round's steps, without the first one, by processor time where the
model computes on the CPU and by the clock elsewhere. More than 1 is slower than the plain loop.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from machine import machine
from PIL import Image
from rationale_plugins.methods.fine_tuning import FineTuning
from rationale_plugins.methods.flcp import Flcp
from rationale_plugins.methods.linear_probe import LinearProbe
from rationale_plugins.models.open_clip import ClipViTB32
from rationale_plugins.models.tiny_clip import TinyClip
from rationale_plugins.regularizers.background_anchor import BackgroundAnchor, GuidedBackgroundAnchor
from rationale_plugins.regularizers.background_augment import BackgroundAugment
from rationale_plugins.regularizers.counterfactual import Counterfactual
from rationale_plugins.regularizers.evidence_anchor import EvidenceAnchor
from rationale_plugins.regularizers.masses import AttentionMass, GaaMass
from rationale_plugins.regularizers.patch_dropout import PatchDropout
from rationale_plugins.regularizers.rrr import RightReasons
from rationale_plugins.regularizers.text_guided import TextGuided
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from rationale_cli.contracts import (
    MASKS,
    Fitted,
    Mask,
    Method,
    Preprocessing,
    Sample,
    Setting,
    Silent,
    Task,
    VisionLanguageModel,
)
from rationale_cli.engine.batches import Pictures
from rationale_cli.engine.build import accelerator
from rationale_cli.engine.regularize import RegularizedStep
from rationale_cli.engine.train import Places, TrainingSet, train
from rationale_cli.recipe import TrainOptions
from rationale_cli.toolkit.geometry import normalise, to_bytes
from rationale_cli.toolkit.modes import training

MODELS: dict[str, tuple[type[nn.Module], int, int]] = {
    "tiny-clip": (TinyClip, 32, 8),
    "clip-vit-b-32": (ClipViTB32, 8, 5),
}
"""Name → model, pictures a step, steps a round: one epoch, since the state is saved at the end of each."""

METHODS: dict[str, type[Any]] = {"ft": FineTuning, "lp": LinearProbe, "flcp": Flcp}
REGULARIZERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "gaa-mass": (GaaMass, {}),
    "attention-mass": (AttentionMass, {}),
    "evidence-anchor": (EvidenceAnchor, {}),
    "text-guided": (TextGuided, {}),
    "rrr": (RightReasons, {}),
    "rrr-tokens": (RightReasons, {"at": "tokens"}),
    "counterfactual": (Counterfactual, {}),
    "background-anchor": (BackgroundAnchor, {}),
    "guided-background-anchor": (GuidedBackgroundAnchor, {}),
    "background-augment": (BackgroundAugment, {}),
    "patch-dropout": (PatchDropout, {}),
}
"""Name → regularizer and options."""
CLASSES = 100
TASK = Task(tuple(f"thing {n}" for n in range(CLASSES)))
LEARNING_RATE = 1e-5
CACHED_EPOCHS = 25
"""Where only a head trains on features: such steps are short."""


class Spent(NamedTuple):
    """Seconds of one step."""

    clock: float
    processor: float


@dataclass(frozen=True)
class Ratio:
    """One loop on one model and method; ratios to it over the rounds."""

    model: str
    method: str
    """Or the regularizer that ``ft`` is tuned with."""
    against: str
    images_per_second: float
    """Of ``rationale``'s loop, by the clock."""
    ratio: float
    lowest: float
    highest: float


class Noise:
    """A split of coarse noise at the model's size, in memory; the object is the picture's middle."""

    def __init__(self, n: int, size: int) -> None:
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (n, size // 8, size // 8, 3), dtype=np.uint8)
        self.images = [Image.fromarray(one).resize((size, size)) for one in coarse]
        self.labels = rng.integers(0, CLASSES, n).tolist()
        self.ids = [str(number) for number in range(n)]
        self.mask = Image.new("L", (size, size))
        self.mask.paste(255, (size // 4, size // 4, 3 * size // 4, 3 * size // 4))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.ids[index], self.images[index], self.labels[index], Mask(self.mask))


class Plain(TorchDataset[tuple[Tensor, int]]):
    """The same pictures as any training script reads them."""

    def __init__(self, noise: Noise, preprocessing: Preprocessing) -> None:
        self.noise, self.preprocessing = noise, preprocessing

    def __len__(self) -> int:
        return len(self.noise)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = self.noise[index]
        return normalise(to_bytes(sample.image), self.preprocessing), sample.label


class Ticks(Silent):
    """Notes when each step of training ended."""

    def __init__(self) -> None:
        self.at: list[Spent] = []

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Listen to the steps alone."""

        def advance(done: int, remark: str) -> None:
            if description == "training" and done:
                self.at.append(now())

        yield advance


def now() -> Spent:
    """The clock, and the processor time of this process."""
    return Spent(time.perf_counter(), time.process_time())


def made(model: str, method: str, device: torch.device) -> Fitted:
    """Classifier and step, the same at every call."""
    torch.manual_seed(0)
    kind, _, _ = MODELS[model]
    vlm = cast(VisionLanguageModel, kind(kind.Options(weights="none")))
    chosen = METHODS[method]
    fitted = cast(Method, chosen(chosen.Options())).build(vlm, TASK)
    assert fitted.step is not None
    fitted.step.to(device)
    return fitted


def with_term(fitted: Fitted, name: str) -> Fitted:
    """The same with a regularizer in its loss."""
    kind, options = REGULARIZERS[name]
    one, step = kind(kind.Options(**options)), cast(nn.Module, fitted.step)
    given = tuple(need for need in (MASKS,) if need in one.needs)
    term = one.build(Setting(fitted.classifier, step, TASK))
    return Fitted(fitted.classifier, RegularizedStep(step, [term], [one.options.weight], one.needs, [given]))


def ours(fitted: Fitted, noise: Noise, batch: int, epochs: int, *, masked: bool = False) -> list[Spent]:
    """Step after step of ``engine.train``; saving is not counted by a median."""
    ticks = Ticks()
    seen = range(len(noise)) if masked else ()
    pictures = Pictures(noise, fitted.classifier.model.preprocessing, evidence=False, masked=seen)
    options = TrainOptions(batch_size=batch, epochs=epochs, workers=0)
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder) / "state.pt", Path(folder) / "log.jsonl")
        given = TrainingSet(pictures, range(len(noise)))
        train(fitted, given, options, LEARNING_RATE, places, accelerator("no"), ticks)
    return ticks.at


def ready(
    fitted: Fitted,
    noise: Noise,
    batch: int,
    epochs: int,
    device: torch.device,
    layout: torch.memory_format = torch.contiguous_format,
) -> list[Spent]:
    """A plain loop over tensors on the device."""
    step = cast(nn.Module, fitted.step).to(memory_format=layout)
    preprocessing = fitted.classifier.model.preprocessing
    inputs = normalise(torch.stack([to_bytes(one) for one in noise.images]), preprocessing)
    inputs = inputs.to(device, memory_format=layout)
    labels = torch.tensor(noise.labels, device=device)
    if hasattr(step, "cached"):
        with torch.no_grad():
            inputs = torch.cat([fitted.classifier.features(part) for part in inputs.split(batch)])
        step = step.cached()

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(epochs):
            for rows in torch.randperm(len(noise), device=device).split(batch):
                yield inputs[rows], labels[rows]

    return _looped(step, batches(), device)


def loaded(fitted: Fitted, noise: Noise, batch: int, epochs: int, device: torch.device) -> list[Spent]:
    """A plain loop over a ``DataLoader``."""
    source = DataLoader(Plain(noise, fitted.classifier.model.preprocessing), batch, shuffle=True)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(epochs):
            for images, labels in source:
                yield images.to(device), labels.to(device)

    return _looped(cast(nn.Module, fitted.step), batches(), device)


def _looped(step: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], device: torch.device) -> list[Spent]:
    optimizer = torch.optim.Adam([one for one in step.parameters() if one.requires_grad], lr=LEARNING_RATE)
    training(step)
    at = []
    for inputs, labels in batches:
        loss = step(inputs, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        at.append(now())
    return at


def measure(model: str, method: str, rounds: int, device: torch.device) -> list[Ratio]:
    """The three loops in turn, ``rounds`` times after one for warming up."""
    kind, batch, steps = MODELS[model]
    size = cast(VisionLanguageModel, kind(kind.Options(weights="none"))).preprocessing.size
    noise, headed = Noise(batch * steps, size), method == "lp"
    epochs = CACHED_EPOCHS if headed else 1
    works: dict[str, Callable[[], list[Spent]]] = {
        "rationale": lambda: ours(made(model, method, device), noise, batch, epochs),
        "ready": lambda: ready(made(model, method, device), noise, batch, epochs, device),
        "DataLoader": lambda: loaded(made(model, method, device), noise, batch, 1, device),
    }
    if not headed:
        works["channels last"] = lambda: ready(
            made(model, method, device), noise, batch, 1, device, torch.channels_last
        )
    found: dict[str, list[Spent]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, do in works.items():
            spent = _a_step(do())
            if turn:
                found[name].append(spent)
    own = found["rationale"]
    speed = batch / median(one.clock for one in own)
    return [
        _ratio(model, method, name, speed, own, found[name], device)
        for name in works
        if found[name] is not own
    ]


def measure_terms(model: str, names: Sequence[str], rounds: int, device: torch.device) -> list[Ratio]:
    """Steps of ``ft`` with each regularizer and without in turn, ``rounds`` times after a warm-up."""
    kind, batch, steps = MODELS[model]
    size = cast(VisionLanguageModel, kind(kind.Options(weights="none"))).preprocessing.size
    noise = Noise(batch * steps, size)
    found: dict[str, list[Spent]] = {name: [] for name in ("", *names)}
    for turn in range(rounds + 1):
        for name, spent in found.items():
            fitted = made(model, "ft", device)
            fitted = with_term(fitted, name) if name else fitted
            step = _a_step(ours(fitted, noise, batch, 1, masked=bool(name)))
            if turn:
                spent.append(step)
    plain = found.pop("")
    return [
        _ratio(model, name, "ft", batch / median(one.clock for one in spent), spent, plain, device)
        for name, spent in found.items()
    ]


def _a_step(at: Sequence[Spent]) -> Spent:
    """Median seconds between the ends of two steps."""
    apart = [
        Spent(after.clock - before.clock, after.processor - before.processor)
        for before, after in pairwise(at)
    ]
    return Spent(median(one.clock for one in apart), median(one.processor for one in apart))


def _ratio(
    model: str,
    method: str,
    against: str,
    speed: float,
    own: Sequence[Spent],
    other: Sequence[Spent],
    device: torch.device,
) -> Ratio:
    place = Spent._fields.index("processor" if device.type == "cpu" else "clock")
    ratios = [one[place] / plain[place] for one, plain in zip(own, other, strict=True)]
    return Ratio(model, method, against, speed, median(ratios), min(ratios), max(ratios))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time of training as ratios to plain loops.")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--regularizers", nargs="*", choices=[*REGULARIZERS, "all"], default=[])
    parser.add_argument("--rounds", type=int, default=3, help="times that each loop is measured")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    found = [
        one
        for model in arguments.models
        for method in arguments.methods
        for one in measure(model, method, max(arguments.rounds, 1), device)
    ]
    terms = list(REGULARIZERS) if "all" in arguments.regularizers else arguments.regularizers
    if terms:
        found += [
            one
            for model in arguments.models
            for one in measure_terms(model, terms, max(arguments.rounds, 1), device)
        ]
    if arguments.json:
        document = {"machine": machine(arguments.device, arguments.threads)}
        print(json.dumps({**document, "rows": [asdict(one) for one in found]}, indent=2))
        return
    print(f"{'model':<15} {'loop':<18} {'against':<11} {'images/s':>9} {'ratio':>6}  lowest – highest")
    for one in found:
        print(
            f"{one.model:<15} {one.method:<18} {one.against:<11} {one.images_per_second:>9.1f} "
            f"{one.ratio:>6.2f}  {one.lowest:.2f} – {one.highest:.2f}"
        )


if __name__ == "__main__":
    main()
