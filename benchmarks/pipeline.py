"""What a whole ``explain`` costs beyond the model: images a second as a fraction of the bare model loop.

    python benchmarks/pipeline.py [--model clip-vit-b-32] [--data DIR] [--pictures 128] [--rounds 3] [--json]

Three tables. The first runs, in turn within each round, the bare loop (GAA of the last layer on batches that
are ready in memory) and real explanations of a folder of photographs with masks, read by no process but the
main one and by two workers. What costs the same for any number of pictures is left out: building the model,
and the gallery of a sample, which is kept from the round for warming up. Reading, measuring, writing and
merging are not left out. Beside the clock stands the processor time, workers included. The second tells
milliseconds of processor time a picture, stage by stage. The third decodes and resizes the same files with
each decoder that is installed, and tells how many pictures come out as from Pillow, byte by byte. Without
``--data``, pictures of 500×375 are drawn. Weights are random: they do not change the time. Aim: fraction
≥ 0.9.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from machine import machine
from PIL import Image
from rationale_plugins.attributions.gaa import Gaa
from torch import Tensor, nn

from rationale_cli import explain, finetune
from rationale_cli.contracts import Classifier, Preprocessing, Sample, Silent, Specification, Split
from rationale_cli.engine.batches import Batch, Pictures, chunks, loader
from rationale_cli.engine.build import Built, build
from rationale_cli.engine.request import requested
from rationale_cli.registry import Registry
from rationale_cli.runs.folder import Run
from rationale_cli.runs.parts import Parts
from rationale_cli.toolkit.geometry import mask_on_view, model_view, normalise, to_bytes
from rationale_cli.toolkit.heatmaps import evidence

SIZE = (500, 375)
LAST = (Specification("last", "dot"),)
WORKS: dict[str, int | None] = {"bare loop": None, "explain, no workers": 0, "explain, two workers": 2}
"""Name → processes that read; None for the loop without any reading."""


class Spent(NamedTuple):
    """Seconds."""

    clock: float
    processor: float


@dataclass(frozen=True)
class Whole:
    """One work; medians over the rounds, and the smallest and largest fraction by the clock."""

    work: str
    images_per_second: float
    fraction: float
    lowest: float
    highest: float
    processor_fraction: float


@dataclass(frozen=True)
class Decoded:
    """One decoder, with Pillow's resizing."""

    decoder: str
    milliseconds: float
    ratio: float
    """To Pillow's time."""
    equal: float
    """Share of pictures that are Pillow's, byte by byte."""


class Clock(Silent):
    """Remembers when the first explanation of pictures began."""

    began: Spent | None = None

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Begin to count at the first batch."""
        if self.began is None and description.startswith("explaining"):
            self.began = now()
        yield lambda done, remark: None


def now() -> Spent:
    """So far, by this process and those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Spent(time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in used))


def since(began: Spent) -> Spent:
    """From then to now."""
    return Spent(*(late - early for late, early in zip(now(), began, strict=True)))


def draw(folder: Path, pictures: int) -> None:
    """Coarse noise, enlarged: about as costly to decode as photographs; masks of one ellipse."""
    rows, columns = np.ogrid[-1 : 1 : SIZE[1] * 1j, -1 : 1 : SIZE[0] * 1j]
    mask = Image.fromarray(((rows**2 + columns**2 < 0.4) * 255).astype(np.uint8))
    for number in range(pictures):
        name = f"class-{number % 4}/{number:05d}"
        noise = np.random.default_rng(number).integers(0, 256, (SIZE[1] // 6, SIZE[0] // 6, 3), np.uint8)
        for kind, image, suffix in (("images", Image.fromarray(noise), "jpg"), ("masks", mask, "png")):
            path = folder / kind / f"{name}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.resize(SIZE, Image.Resampling.BICUBIC).save(path, quality=90)


def tuned(model: str, data: Path, root: Path) -> Run:
    """The model as it comes, with random weights, on every picture of the folder."""
    chosen = {"model": model, "model.weights": "none", "method": "zs", "dataset": "folder"}
    return finetune({**chosen, "dataset.root": str(data), "dataset.test_fraction": 0.99}, root=root)


class Bench:
    """A run, its pictures, and the batches ready in memory."""

    def __init__(self, run: Run, pictures: int, batch_size: int) -> None:
        self.run, self.batch_size = run, batch_size
        self.built: Built = build(requested(run, Registry.discover()).configuration)
        self.split: Split = self.built.dataset.split("test")
        self.count = min(pictures, len(self.split))
        self.preprocessing: Preprocessing = self.built.preprocessing
        self.classifier: Classifier = self.built.classifier
        cast(nn.Module, self.classifier).eval()
        source = Pictures(self.split, self.preprocessing, evidence=True)
        self.batches: list[Batch] = list(loader(source, chunks(range(self.count), batch_size), 0))
        self.ready = [(normalise(one.pixels, self.preprocessing), one.labels) for one in self.batches]
        self.gaa = Gaa(Gaa.Options())

    def bare(self) -> Spent:
        """The model's own part alone."""
        began = now()
        for images, labels in self.ready:
            self.gaa.explain(self.classifier, images, labels, LAST)
        return since(began)

    def whole(self, workers: int) -> Spent:
        """An explanation as users ask for it, but for the witness and what calibration needs."""
        for folder in (self.run.path / "evidence").glob("*/*"):
            if folder.name != "gallery":
                shutil.rmtree(folder)
        options = {
            "explain.splits": ["test"],
            "explain.limit": self.count,
            "explain.batch_size": self.batch_size,
            "explain.audit": False,
            "explain.witness": False,
            "explain.neighbours": 0,
            "explain.workers": workers,
        }
        clock = Clock()
        explain(self.run, options, progress=clock)
        assert clock.began is not None
        return since(clock.began)


def fractions(bench: Bench, rounds: int) -> list[Whole]:
    """Every work in turn, after one round for warming up."""
    spent: dict[str, list[Spent]] = {work: [] for work in WORKS}
    for turn in range(rounds + 1):
        for work, workers in WORKS.items():
            one = bench.bare() if workers is None else bench.whole(workers)
            if turn:
                spent[work].append(one)
    bare = spent["bare loop"]
    return [_whole(work, own, bare, bench.count) for work, own in spent.items()]


def _whole(work: str, own: Sequence[Spent], bare: Sequence[Spent], pictures: int) -> Whole:
    pairs = list(zip(bare, own, strict=True))
    clock = [loop.clock / one.clock for loop, one in pairs]
    processor = median(loop.processor / one.processor for loop, one in pairs)
    speed = pictures / median(one.clock for one in own)
    return Whole(work, speed, median(clock), min(clock), max(clock), processor)


def stages(bench: Bench, root: Path, rounds: int) -> dict[str, float]:
    """Stage → milliseconds of processor time a picture; the first includes decoding picture and mask."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, seconds in _stages(bench, root):
            found.setdefault(name, []).append(1000 * seconds / bench.count)
    return {name: median(values) for name, values in found.items()}


def _stages(bench: Bench, root: Path) -> Iterator[tuple[str, float]]:
    samples: list[Sample] = []

    def timed(do: Callable[[], Any]) -> float:
        began = time.process_time()
        do()
        return time.process_time() - began

    view, grid = bench.preprocessing, bench.built.model.patch_grid(*[bench.preprocessing.size] * 2)
    maps = [torch.rand(len(one.ids), *grid) for one in bench.batches]
    yield (
        "decode picture and mask",
        timed(lambda: samples.extend(map(bench.split.__getitem__, range(bench.count)))),
    )
    yield "resize picture", timed(lambda: [to_bytes(model_view(one.image, view)) for one in samples])
    annotated = [(one.evidence, one.image.size) for one in samples if one.evidence is not None]
    yield "resize mask", timed(lambda: [mask_on_view(mask, size, view) for mask, size in annotated])
    yield (
        "lay side by side",
        timed(lambda: [(one.pixels.clone(), one.masks.clone()) for one in bench.batches]),
    )
    yield "normalise", timed(lambda: [normalise(one.pixels, view) for one in bench.batches])
    yield "model, prediction and heatmap", bench.bare().processor
    yield (
        "mass on the object",
        timed(
            lambda: [
                evidence(relevance, one.masks) for relevance, one in zip(maps, bench.batches, strict=True)
            ]
        ),
    )
    columns = [_columns(batch, relevance) for batch, relevance in zip(bench.batches, maps, strict=True)]
    parts = Parts(root / ".parts-benchmark", len(columns))
    yield "write parts", timed(lambda: [parts.write(*one) for one in enumerate(columns)])
    yield "merge parts", timed(lambda: (parts.read(), parts.remove()))


def _columns(batch: Batch, relevance: Tensor) -> dict[str, Any]:
    values = np.zeros(len(batch.ids))
    return {
        "id": np.array(batch.ids),
        "skipped": np.array([], str),
        "rma": values,
        "map": relevance.half().numpy(),
    }


Decoder = Callable[[bytes, tuple[int, int]], Image.Image]
"""File, and the (width, height) that the picture is resized to → RGB."""


def decoders() -> dict[str, Decoder]:
    """Those that are installed, Pillow first."""

    def pillow(data: bytes, size: tuple[int, int]) -> Image.Image:
        return Image.open(io.BytesIO(data)).convert("RGB")

    def shrunk(data: bytes, size: tuple[int, int]) -> Image.Image:
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", size)
        return image.convert("RGB")

    found: dict[str, Decoder] = {"pillow": pillow, "pillow, shrink on load": shrunk}
    try:
        import simplejpeg

        found["simplejpeg"] = lambda data, size: Image.fromarray(simplejpeg.decode_jpeg(data, "RGB"))
    except ImportError:
        pass
    try:
        import cv2

        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        found["opencv"] = lambda data, size: Image.fromarray(
            cast(Any, cv2.imdecode(np.frombuffer(data, np.uint8), flags))
        )
    except ImportError:
        pass
    try:
        from torchvision.io import ImageReadMode, decode_jpeg

        def torchvision(data: bytes, size: tuple[int, int]) -> Image.Image:
            stored = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            return Image.fromarray(decode_jpeg(stored, ImageReadMode.RGB).permute(1, 2, 0).numpy())

        found["torchvision"] = torchvision
    except ImportError:
        pass
    return found


def decoding(files: Sequence[Path], side: int, rounds: int) -> list[Decoded]:
    """Decode and resize the files with every decoder in turn."""
    stored = [path.read_bytes() for path in files]
    sizes = [_resized(Image.open(path).size, side) for path in files]
    spent: dict[str, list[float]] = {}
    made: dict[str, list[bytes]] = {}
    for _ in range(rounds + 1):
        for name, decode in decoders().items():
            began = time.process_time()
            pictures = [
                decode(data, size).resize(size, Image.Resampling.BICUBIC)
                for data, size in zip(stored, sizes, strict=True)
            ]
            spent.setdefault(name, []).append((time.process_time() - began) / len(stored))
            made[name] = [one.tobytes() for one in pictures]
    plain = spent["pillow"]
    return [
        Decoded(
            name,
            1000 * median(own[1:]),
            median(mine / other for mine, other in zip(own[1:], plain[1:], strict=True)),
            float(np.mean([mine == other for mine, other in zip(made[name], made["pillow"], strict=True)])),
        )
        for name, own in spent.items()
    ]


def _resized(size: tuple[int, int], side: int) -> tuple[int, int]:
    short = min(size)
    return int(side * size[0] / short), int(side * size[1] / short)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A whole explain as a fraction of the bare model loop.")
    parser.add_argument("--model", default="clip-vit-b-32")
    parser.add_argument("--data", type=Path, help="folder of JPEG photographs with masks")
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of the model")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = arguments.data or root / "data"
        if arguments.data is None:
            draw(data, arguments.pictures + 8)
        bench = Bench(tuned(arguments.model, data.resolve(), root), arguments.pictures, arguments.batch_size)
        whole = fractions(bench, arguments.rounds)
        profile = stages(bench, root, arguments.rounds)
        files = sorted(path for path in data.rglob("*.jp*g"))[: bench.count]
        table = decoding(files, bench.preprocessing.size, arguments.rounds)
    if arguments.json:
        document = {
            "machine": machine(threads=arguments.threads),
            "model": arguments.model,
            "pictures": bench.count,
            "explain": [asdict(one) for one in whole],
            "stages": profile,
        }
        print(json.dumps({**document, "decoders": [asdict(one) for one in table]}, indent=2))
        return
    print(f"{'work':<32} {'images/s':>9} {'fraction':>9}  {'spread':<12} {'processor':>9}")
    for one in whole:
        spread = f"{one.lowest:.2f} – {one.highest:.2f}"
        print(
            f"{one.work:<32} {one.images_per_second:>9.1f} {one.fraction:>9.2f}  {spread:<12} "
            f"{one.processor_fraction:>9.2f}"
        )
    total = sum(profile.values())
    print(f"\n{'stage':<32} {'ms a picture':>12} {'share':>6}")
    for name, milliseconds in profile.items():
        print(f"{name:<32} {milliseconds:>12.2f} {milliseconds / total:>6.1%}")
    print(f"\n{'decoder, with resizing':<32} {'ms a picture':>12} {'ratio':>6} {'equal':>6}")
    for row in table:
        print(f"{row.decoder:<32} {row.milliseconds:>12.2f} {row.ratio:>6.2f} {row.equal:>6.0%}")


if __name__ == "__main__":
    main()
