"""The log of a training: what is read while it runs and long after."""

from __future__ import annotations

import json
import time
from pathlib import Path

from .order import Plan

_LOG_SECONDS = 1.0


class Journal:
    """One JSON line about a second: loss, learning rate, images per second."""

    def __init__(self, path: Path, start: int, *, writes: bool) -> None:
        """Goes on with an interrupted log after step ``start``; only one process ``writes``."""
        self.file = None
        if writes:
            kept = _lines_before(path, start)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(kept), encoding="utf-8")
            self.file = path.open("a", encoding="utf-8")
        self.total, self.steps = 0.0, 0
        self.mean: float | None = None
        self.since = time.monotonic()
        self.written = start

    def record(self, step: int, plan: Plan, loss: float, lr: float) -> str:
        """Take down a step's loss; return what a progress bar says of it."""
        if step % plan.steps_per_epoch == 0:
            self.total, self.steps = 0.0, 0
        self.total, self.steps = self.total + loss, self.steps + 1
        self.mean = self.total / self.steps
        now = time.monotonic()
        speed = (step + 1 - self.written) * plan.batch / max(now - self.since, 1e-9)
        if now - self.since > _LOG_SECONDS or step + 1 == plan.steps:
            line = {"epoch": step // plan.steps_per_epoch + 1, "step": step + 1, "loss": loss, "lr": lr}
            if self.file is not None:
                self.file.write(json.dumps({**line, "images_per_second": round(speed, 2)}) + "\n")
                self.file.flush()
            self.since, self.written = now, step + 1
        return f"loss {self.mean:.3f}, {speed:,.0f} images/s"

    def close(self) -> None:
        """Nothing more will be written."""
        if self.file is not None:
            self.file.close()


def _lines_before(path: Path, step: int) -> list[str]:
    """Lines of an interrupted log up to the state that is resumed."""
    if step == 0 or not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    # The last line of a killed process may be cut.
    return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
