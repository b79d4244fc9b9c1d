"""The one training loop.

A step of the run is decided by (seed, step) alone: which pictures, which augmentation, which random
numbers. So a killed run goes on from its last saved state and ends like an undisturbed one, and any
number of processes sees the same global batches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..contracts import Classifier, Fitted, Masks, Progress
from ..errors import WorkError
from ..recipe import TrainOptions
from ..runs.atomic import atomic_path
from ..toolkit.geometry import normalise
from ..toolkit.modes import training
from .batches import Batch, Pictures, chunks, loader
from .journal import Journal
from .order import Plan, Shares, mixed, planned
from .schedule import schedule

_Inputs = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Masks | None, Tensor | None]
"""What a step takes: images or features, labels, and masks and groups where either is asked for."""
_SAVE_SECONDS = 30.0
_SAVE_SHARE = 20.0


@dataclass(frozen=True)
class Trained:
    """What the loop did."""

    steps: int
    loss: float | None
    """Mean loss of the last epoch's logged steps; None where nothing was trained."""
    seconds: float
    resumed: bool
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class TrainingSet:
    """The pictures that are trained on."""

    pictures: Pictures
    indices: Sequence[int]
    """Which of them."""
    groups: Mapping[str, int] = field(default_factory=dict)
    """Identifier → number of its group; empty where nothing asks for it."""


@dataclass(frozen=True)
class Places:
    """Where the loop writes."""

    state: Path
    """File from which a killed run resumes."""
    log: Path


def train(
    fitted: Fitted,
    given: TrainingSet,
    options: TrainOptions,
    lr: float,
    places: Places,
    accelerator: Accelerator,
    progress: Progress,
) -> Trained:
    """Train ``fitted.step`` in place. Raises ``WorkError`` where the loss is no longer finite."""
    assert fitted.step is not None
    plan = planned(given.indices, options, accelerator.num_processes)
    loop = _Loop(fitted, given, options, lr, places, accelerator, plan)
    return loop.run(progress)


class _Loop:
    def __init__(
        self,
        fitted: Fitted,
        given: TrainingSet,
        options: TrainOptions,
        lr: float,
        places: Places,
        accelerator: Accelerator,
        plan: Plan,
    ) -> None:
        self.classifier = cast(nn.Module, fitted.classifier)
        self.pictures, self.options, self.places = given.pictures, options, places
        self.groups = given.groups
        self.accelerator, self.plan = accelerator, plan
        self.classifier.to(accelerator.device)
        step = cast(nn.Module, fitted.step).to(accelerator.device)
        self.cached = hasattr(step, "cached") and options.augment == "none"
        module: nn.Module = cast(Any, step).cached() if self.cached else step
        self.own = module
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        optimizer = _optimizer(self.parameters, options, lr)
        self.module, self.optimizer = accelerator.prepare(module, optimizer)
        self.rate = schedule(options, lr, plan.steps_per_epoch)
        self.skipped: set[str] = set()
        self.rows: dict[int, int] = {}
        self.labels = torch.empty(0, dtype=torch.long)
        self.numbers = torch.empty(0, dtype=torch.long)

    def run(self, progress: Progress) -> Trained:
        self._tell("begin_training", self.plan.epochs)
        start = self._restore()
        began = time.perf_counter()
        features = self._cache(progress) if self.cached else None
        training(self.module)
        journal = Journal(self.places.log, start, writes=self.accelerator.is_main_process)
        saver = _Saver(self._save)
        with progress.task("training", self.plan.steps) as advance:
            advance(start, "")

            def settle(step: int, loss: Tensor) -> None:
                advance(1, journal.record(step, self.plan, self._finite(step, loss), self.rate(step)))

            # A loss is looked at when the next step is under way: a GPU never waits for the reader.
            waiting: tuple[int, Tensor] | None = None
            for step, batch in enumerate(self._inputs(start, features), start=start):
                self._begin(step, resumed=step == start)
                loss = self._step(step, batch)
                if waiting is not None:
                    settle(*waiting)
                waiting = step, loss
                if saver.due(epoch_ends=(step + 1) % self.plan.steps_per_epoch == 0):
                    settle(*waiting)
                    waiting = None
                    saver.save(step + 1)
            if waiting is not None:
                settle(*waiting)
        journal.close()
        self.accelerator.wait_for_everyone()
        seconds = time.perf_counter() - began
        return Trained(self.plan.steps, journal.mean, seconds, start > 0, tuple(sorted(self.skipped)))

    def _begin(self, step: int, *, resumed: bool) -> None:
        epoch, position = divmod(step, self.plan.steps_per_epoch)
        if resumed or position == 0:
            self._tell("begin_epoch", epoch)

    def _tell(self, what: str, number: int) -> None:
        """Call what a step may offer, on the step itself: Accelerate's wrapper hides it."""
        offered: Callable[[int], None] | None = getattr(self.own, what, None)
        if offered is not None:
            offered(number)

    def _step(self, step: int, batch: _Inputs) -> Tensor:
        """Take a step; its loss, the mean over the processes."""
        _seed(mixed(self.plan.seed, step, self.accelerator.process_index), self.accelerator.device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(step)
        with self.accelerator.autocast():
            loss = self.module(*batch)
        self.accelerator.backward(loss)
        if self.options.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.parameters, self.options.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        # All processes see the same: they stop together where it is not finite.
        return cast(Tensor, self.accelerator.reduce(loss.detach(), "mean"))

    def _finite(self, step: int, loss: Tensor) -> float:
        value = float(loss)
        if not math.isfinite(value):
            raise WorkError(
                f"Expected a finite loss but got {value} at step {step + 1} of {self.plan.steps} "
                f"(epoch {step // self.plan.steps_per_epoch + 1}); the last good state is kept.",
                where=str(self.places.state if self.places.state.is_file() else self.places.log),
                next_step="lower --lr, or set train.clip_norm=1 or train.precision=no",
            )
        return value

    def _inputs(self, start: int, features: Tensor | None) -> Iterator[_Inputs]:
        device = self.accelerator.device
        shares = Shares(self.plan, start, self.accelerator.process_index, self.accelerator.num_processes)
        if features is not None:
            for keys in shares:
                rows = torch.tensor([self.rows[index] for _, index in keys if index in self.rows])
                rows = _moved(rows, device)
                groups = self.numbers[rows] if self.groups else None
                yield _of_step(features[rows], self.labels[rows], None, groups)
            return
        for batch in loader(self.pictures, shares, self.options.workers):
            self._readable(batch)
            pixels = normalise(_moved(batch.pixels, device), self.pictures.preprocessing)
            labels = _moved(batch.labels, device)
            masks = _masks(batch, device) if self.pictures.masked else None
            groups = _moved(self._numbers(batch.ids), device) if self.groups else None
            yield _of_step(pixels, labels, masks, groups)

    def _numbers(self, ids: Sequence[str]) -> Tensor:
        """Of the groups of these pictures."""
        return torch.tensor([self.groups[one] for one in ids])

    def _readable(self, batch: Batch) -> None:
        if not self.options.skip_bad or not batch.ids:
            batch.complain()
        self.skipped.update(one.id for one in batch.unreadable)

    def _cache(self, progress: Progress) -> Tensor:
        """Features of every readable training picture, computed once; sets ``rows`` and ``labels``."""
        classifier = cast(Classifier, self.classifier)
        self.classifier.eval()
        parts, labels = [], []
        plans = chunks(self.plan.indices, self.options.batch_size)
        with torch.no_grad(), progress.task("encoding the training pictures once", len(plans)) as advance:
            for batch in loader(self.pictures, plans, self.options.workers):
                self._readable(batch)
                pixels = _moved(batch.pixels, self.accelerator.device)
                with self.accelerator.autocast():
                    parts.append(classifier.features(normalise(pixels, self.pictures.preprocessing)).float())
                labels.append(batch.labels)
                advance(1, "")
        ids = self.pictures.split.ids
        read = [index for index in self.plan.indices if ids[index] not in self.skipped]
        self.rows = {index: row for row, index in enumerate(read)}
        self.labels = torch.cat(labels).to(self.accelerator.device)
        if self.groups:
            self.numbers = self._numbers([ids[index] for index in read]).to(self.accelerator.device)
        return torch.cat(parts)

    def _save(self, step: int) -> None:
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": step,
            "plan": [len(self.plan.indices), self.plan.batch, self.plan.epochs, self.plan.seed],
            "parameters": [parameter.detach().cpu() for parameter in self.parameters],
            "kept": {name: one.detach().cpu() for name, one in self._kept().items()},
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.accelerator.scaler is None else self.accelerator.scaler.state_dict(),
        }
        with atomic_path(self.places.state) as temporary, temporary.open("wb") as file:
            torch.save(state, file)

    def _kept(self) -> Mapping[str, Tensor]:
        """What the step keeps over epochs: the very tensors, to be saved or overwritten."""
        kept: Callable[[], Mapping[str, Tensor]] | None = getattr(self.own, "kept", None)
        return kept() if kept is not None else {}

    def _restore(self) -> int:
        if not self.places.state.is_file():
            return 0
        state: dict[str, Any] = torch.load(self.places.state, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for parameter, saved in zip(self.parameters, state["parameters"], strict=True):
                parameter.copy_(saved)
            for name, kept in self._kept().items():
                kept.copy_(state["kept"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        return int(state["step"])


class _Saver:
    """Saves at the end of an epoch and now and then between, at a twentieth of the time at most."""

    def __init__(self, write: Callable[[int], None]) -> None:
        self.write = write
        self.saved = time.monotonic()
        self.cost = 0.0

    def due(self, *, epoch_ends: bool) -> bool:
        waited = time.monotonic() - self.saved
        return waited >= _SAVE_SHARE * self.cost and (waited >= _SAVE_SECONDS or epoch_ends)

    def save(self, step: int) -> None:
        before = time.monotonic()
        self.write(step)
        self.saved = time.monotonic()
        self.cost = self.saved - before


def _optimizer(parameters: list[nn.Parameter], options: TrainOptions, lr: float) -> torch.optim.Optimizer:
    if options.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=options.weight_decay)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(
        parameters,
        lr=lr,
        betas=(0.9, 0.999),
        eps=options.eps,
        weight_decay=options.weight_decay,
        # On the CPU a step takes 1 % less time with it, and results would differ in their last bits.
        fused=True if parameters[0].is_cuda else None,
    )


def _of_step(inputs: Tensor, labels: Tensor, masks: Masks | None, groups: Tensor | None) -> _Inputs:
    """What a step is called with: a method's own takes inputs and labels alone."""
    if masks is None and groups is None:
        return inputs, labels
    return inputs, labels, masks, groups


def _masks(batch: Batch, device: torch.device) -> Masks:
    """What a crop left outside is not in view."""
    seen = batch.annotated & batch.masks.flatten(1).any(dim=1)
    return Masks(_moved(batch.masks, device), _moved(seen, device))


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """On the device, without waiting for what it is computing."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _seed(seed: int, device: torch.device) -> None:
    """As ``torch.manual_seed``, which takes a quarter of a millisecond for devices that are not there."""
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
