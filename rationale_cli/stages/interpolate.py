"""Interpolate: a finished run → runs with weights between the model's own and the tuned ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..contracts import Fitted, Progress, Silent, Support, Task
from ..engine.build import Built, accelerator, build, place, restore_checkpoint
from ..engine.request import requested
from ..engine.support import TrainingPictures
from ..errors import InputError
from ..hooks import bare_name
from ..registry import Registry
from ..runs.atomic import atomic_path
from ..runs.folder import INTERPOLATION, Run
from ..runs.provenance import file_sha256
from ..toolkit.interpolation import between, kept

_KEPT = ("splits", "classnames", "family", "versions", "hardware", "provenance")
"""Keys of the manifest that the new runs take over."""

ZeroShot = Callable[[Fitted, Task, Mapping[str, Tensor], Support], Mapping[str, Tensor]]


@dataclass(frozen=True)
class InterpolateRequest:
    """Which run, and how much of its tuning."""

    run: Run
    alphas: tuple[float, ...]
    """Shares of the tuned weights: 0 is zero-shot, 1 the run itself."""
    registry: Registry

    def path(self, alpha: float) -> Path:
        """Folder of the run of one share, beside the run itself."""
        return self.run.path.with_name(f"{self.run.name}-alpha-{alpha:g}")


def run(request: InterpolateRequest, progress: Progress | None = None) -> tuple[Run, ...]:
    """Write a finished run for each share; those that are there already are left as they are.

    Explaining, scoring and reporting them needs nothing new. Raises ``InputError`` for shares outside 0 to 1,
    a run that is interpolated itself, a method whose weights cannot be interpolated, and what
    ``restore_checkpoint`` and the method raise.
    """
    progress = progress or Silent()
    _check(request)
    built = build(requested(request.run, request.registry).configuration)
    zero_shot: ZeroShot | None = getattr(built.method, "zero_shot", None)
    if zero_shot is None:
        raise InputError(
            f"Expected a method that tunes weights of the model but {built.configuration.method.bare!r} "
            "tells no zero-shot end to interpolate from.",
            where=str(request.run.path),
            next_step="interpolate a run of ft, lp-ft, wise-ft, flcp or clip-lora",
        )
    device = accelerator("no").device
    pictures = TrainingPictures(built, device, progress)
    place(built.classifier, device)
    cast(nn.Module, built.classifier).eval()
    with torch.no_grad(), progress.task(f"interpolating {request.run.name}", len(request.alphas)) as advance:
        start, end = _ends(request.run, built, zero_shot, pictures)
        runs = []
        for alpha in request.alphas:
            built.classifier.load_delta(between(start, end, alpha))
            runs.append(_written(request, alpha, built, pictures))
            advance(1, f"alpha {alpha:g}")
    return tuple(runs)


def _check(request: InterpolateRequest) -> None:
    if not request.alphas or any(not 0 <= alpha <= 1 for alpha in request.alphas):
        told = ", ".join(f"{alpha:g}" for alpha in request.alphas) or "none"
        raise InputError(f"Expected shares from 0 to 1 but got {told}.", where="--alpha")
    if INTERPOLATION in request.run.configuration:
        source = request.run.configuration[INTERPOLATION]["run"]
        raise InputError(
            "Expected a run that was tuned but this one is interpolated itself.",
            where=str(request.run.path),
            next_step=f"rationale interpolate {source}",
        )


def _ends(
    run: Run, built: Built, zero_shot: ZeroShot, pictures: Support
) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """The delta of zero-shot, and the run's own."""
    classifier = built.classifier
    fresh = kept(classifier.delta())
    restore_checkpoint(run, classifier)
    tuned = kept(classifier.delta())
    classifier.load_delta(fresh)
    return kept(zero_shot(built.fitted, built.dataset.task, tuned, pictures)), tuned


def _written(request: InterpolateRequest, alpha: float, built: Built, pictures: Support) -> Run:
    folder = _folder(request, alpha)
    if folder.done:
        return folder
    finish = getattr(built.method, "finish", None)
    if finish is not None:
        finish(built.fitted, pictures)
    with atomic_path(folder.checkpoint) as temporary:
        save_file(built.classifier.delta(), temporary)
    training = {
        **request.run.manifest["training"],
        "found": {"alpha": alpha},
        "checkpoint_sha256": file_sha256(folder.checkpoint),
    }
    return folder.updated(status="done", training=training)


def _folder(request: InterpolateRequest, alpha: float) -> Run:
    """The folder of a share: made now, or there from before."""
    source, path = request.run, request.path(alpha)
    configuration: dict[str, Any] = {
        **source.configuration,
        INTERPOLATION: {
            "run": source.name,
            "alpha": alpha,
            "checkpoint_sha256": source.manifest["training"]["checkpoint_sha256"],
        },
    }
    if (path / "run.yaml").is_file():
        there = Run.open(path)
        if there.configuration == configuration:
            return there
    label = source.manifest.get("label") or f"method={bare_name(source.configuration['method']['use'])}"
    facts = {key: source.manifest[key] for key in _KEPT}
    return Run.create(path, configuration, {"label": f"{label}, alpha={alpha:g}", **facts})
