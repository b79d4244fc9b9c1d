"""What each model costs: ``python benchmarks/models.py [MODEL …] [--data DIR] [--method METHOD …]``.

For each model and method a real ``rationale finetune --epochs 1`` and a ``rationale explain`` of 64 pictures,
of a folder with masks or of the embedded scenes, with random weights. Wall seconds, processor seconds and
peak memory of the whole process; the first column builds the model alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

MODELS = ("clip-vit-b-32", "clip-vit-b-16", "albef", "blip")
_BUILD = """
import sys
from rationale_cli.registry import Registry
plugin = Registry.discover().load("model", sys.argv[1])
model = plugin(plugin.Options(weights="none"))
"""


class Cost(NamedTuple):
    """Of one process."""

    wall: float
    processor: float
    peak: float
    """GB."""

    def __str__(self) -> str:
        return f"{self.wall:6.1f} s {self.processor:6.1f} s {self.peak:5.2f} GB"


def cost(words: list[str], folder: Path) -> Cost:
    """Run Python on these words; a failure ends the benchmark."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(words)}")
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6)


def row(model: str, method: str, data: Path | None, limit: str, folder: Path) -> tuple[Cost, Cost, Cost]:
    """Building, tuning and explaining."""
    rationale = ["-m", "rationale_cli"]
    source = ["--dataset", "folder", "--data", str(data)] if data else []
    tune = [*rationale, "finetune", "--model", model, "--weights", "none", "--method", method]
    tune += ["--epochs", "1", "--limit", limit, "--batch-size", "16", "--run", f"{model}-{method}", *source]
    explain = [*rationale, "explain", f"{model}-{method}", "--split", "test", "--limit", limit, "--no-audit"]
    explain += ["--set", "explain.witness=false", "--batch-size", "16"]
    return cost(["-c", _BUILD, model], folder), cost(tune, folder), cost(explain, folder)


def main() -> None:
    """One line for each model and method."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--data", type=Path, help="folder of pictures with masks or boxes")
    parser.add_argument("--method", nargs="+", default=["ft"])
    parser.add_argument("--limit", type=int, default=64, help="pictures to tune on, and to explain")
    arguments = parser.parse_args()
    print(f"{'':24} {'build':>26} {'finetune':>26} {'explain':>26}")
    for model in arguments.models:
        for method in arguments.method:
            with tempfile.TemporaryDirectory() as folder:
                data = arguments.data.resolve() if arguments.data else None
                costs = row(model, method, data, str(arguments.limit), Path(folder))
            print(f"{model + ' ' + method:24} " + " ".join(str(one) for one in costs), flush=True)


if __name__ == "__main__":
    main()
