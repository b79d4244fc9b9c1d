"""The learning rate over a training: a warm-up, then constant or half a cosine."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..recipe import TrainOptions


def schedule(options: TrainOptions, lr: float, steps_per_epoch: int) -> Callable[[int], float]:
    """Step, counted from 0 → learning rate.

    ``cosine-epoch`` with one warm-up epoch gives the numbers of CoOp's training: warmup_lr in epoch 1 and
    lr·½(1 + cos(π(e − 2)/E)) in epoch e of E (PyTorch's cosine over all epochs, held up by the warm-up).
    """
    steps = steps_per_epoch * options.epochs
    warm = max(options.warmup_steps, options.warmup_epochs * steps_per_epoch)

    def rate(step: int) -> float:
        if step < options.warmup_steps:
            return lr * (step + 1) / options.warmup_steps
        if step < warm:
            return options.warmup_lr
        if options.schedule == "cosine":
            return lr * _half_cosine((step - warm) / max(steps - warm, 1))
        if options.schedule == "cosine-epoch":
            return lr * _half_cosine((step - warm) // steps_per_epoch / options.epochs)
        return lr

    return rate


def _half_cosine(done: float) -> float:
    """1 at 0, 0 at 1."""
    return 0.5 * (1 + math.cos(math.pi * done))
