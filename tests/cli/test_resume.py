"""Killed work goes on where it stopped, with the result of undisturbed work."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rationale_cli import load_run
from rationale_cli.runs.folder import Run

from .conftest import ENVIRONMENT, Command, arguments

TRAIN = ("--weights", "none", "--method", "ft", "--limit", "192", "--batch-size", "32", "--epochs", "4")


def kill_when(condition: Callable[[], bool], words: tuple[str, ...], folder: Path, sign: int) -> int:
    """Start the command, send it a signal as soon as the condition holds, and return its exit code."""
    with subprocess.Popen(
        arguments(*words),
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A suite that a script started in the background ignores interrupts, and so would the command.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 300
        while not condition():
            assert process.poll() is None, "the command ended before it could be killed"
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.01)
        process.send_signal(sign)
        return process.wait()


def same_checkpoint(one: Run, other: Run) -> None:
    first, second = load_file(one.checkpoint), load_file(other.checkpoint)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.slow
def test_a_killed_training_ends_like_an_undisturbed_one(rationale: Command, tmp_path: Path) -> None:
    rationale("finetune", *TRAIN, "--run", "whole")
    runs = tmp_path / "runs"
    state = runs / "killed" / "state" / "training.pt"
    words = ("finetune", *TRAIN, "--run", "killed")
    assert kill_when(state.is_file, words, tmp_path, signal.SIGKILL) == -signal.SIGKILL
    assert not load_run("killed", runs).done
    refused = rationale("explain", "killed", code=2)
    assert "its training was interrupted" in refused.stderr
    rationale(*words)
    killed = load_run("killed", runs)
    assert killed.manifest["training"]["resumed"]
    same_checkpoint(killed, load_run("whole", runs))
    steps = [json.loads(line)["step"] for line in killed.log.read_text().splitlines()]
    assert steps == sorted(set(steps))
    assert steps[-1] == 24
    assert not state.parent.exists()


@pytest.mark.slow
def test_a_killed_explanation_ends_like_an_undisturbed_one(rationale: Command, tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        rationale(
            "finetune", "--weights", "none", "--method", "lp", "--limit", "64", "--epochs", "1", "--run", name
        )
    words = ("--split", "test", "--limit", "320", "--batch-size", "8")
    rationale("explain", "whole", *words)
    runs = tmp_path / "runs"
    folder = runs / "killed" / "evidence" / "test"

    def parts() -> list[Path]:
        return list(folder.glob(".parts-*/*.npz"))

    kill_when(lambda: len(parts()) >= 3, ("explain", "killed", *words), tmp_path, signal.SIGKILL)
    assert load_run("killed", runs).splits() == []
    kept = {part: part.stat().st_mtime_ns for part in parts()}
    interrupted = kill_when(
        lambda: len(parts()) >= len(kept) + 2, ("explain", "killed", *words), tmp_path, signal.SIGINT
    )
    assert interrupted == 130
    assert all(part.stat().st_mtime_ns == when for part, when in kept.items()), (
        "a finished part was made again"
    )
    rationale("explain", "killed", *words)
    one, other = (load_run(name, runs).evidence("test") for name in ("whole", "killed"))
    assert one.keys() == other.keys()
    for name in one:
        for column in ("id", "prediction", "rma", "rma_raw", "area", "status"):
            np.testing.assert_array_equal(
                getattr(one[name].table, column), getattr(other[name].table, column)
            )
        np.testing.assert_array_equal(one[name].heatmaps(), other[name].heatmaps())
    first, second = (load_run(name, runs).predictions("test") for name in ("whole", "killed"))
    for column in ("id", "confidence", "log_true", "brier"):
        np.testing.assert_array_equal(getattr(first.table, column), getattr(second.table, column))
    np.testing.assert_array_equal(first.logits(), second.logits())
    assert not parts()
    again = rationale("explain", "killed", *words)
    assert "0 evidence sets written, 8 kept" in again.stdout
