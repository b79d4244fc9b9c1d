"""What figures were taken on."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def machine(device: str = "cpu", threads: int | None = None, precision: str = "fp32") -> Mapping[str, Any]:
    """The device, threads of the CPU if it is one and a benchmark sets them, and versions."""
    import torch  # here, since not every benchmark needs it while it measures

    cuda = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name() if cuda else f"{platform.machine()}, {_processor()}",
        "threads": None if cuda else threads,
        "precision": precision,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()
