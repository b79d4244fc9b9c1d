"""Import: a checkpoint of somebody else's training → a finished run folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import nn

from ..contracts import CheckpointFormat, ForeignCheckpoint, Progress, Silent
from ..engine.build import Built, accelerator, build
from ..engine.configuration import Configuration
from ..engine.configure import configure
from ..engine.support import TrainingPictures
from ..errors import InputError, did_you_mean
from ..hooks import same_plugin
from ..recipe import Draft, Given
from ..registry import Registry
from ..runs.atomic import atomic_path
from ..runs.folder import IMPORTED, Run
from ..runs.provenance import file_sha256
from ..toolkit.weights import described, fingerprint, read_foreign
from .finetune import facts_of, identities

AUTO = "auto"
"""The layout is recognised by its names."""
_SHOWN = 8


@dataclass(frozen=True)
class ImportRequest:
    """What to import, and as what."""

    path: Path
    """File or folder."""
    draft: Draft
    """Model, data and, if it is said, the method."""
    registry: Registry
    format: str = AUTO
    """Name of a layout."""
    root: Path = Path("runs")
    name: str | None = None
    """Name of the run; None makes one of model, method, dataset and the file's hash."""


def run(request: ImportRequest, progress: Progress | None = None) -> Run:
    """Write a finished run whose classifier is the checkpoint's; one that is there already is left as it is.

    Nothing is trained, and explaining, scoring and reporting the run needs nothing new. Raises ``InputError``
    for a file of no known layout or of another model or other classes, and what ``configure`` and ``build``
    raise.
    """
    progress = progress or Silent()
    checkpoint = read_foreign(request.path.expanduser())
    name, layout = _layout(request, checkpoint)
    configuration = _configuration(request, name, layout, checkpoint)
    files = identities(checkpoint.files)
    hashes = {file: facts["sha256"] for file, facts in sorted(files.items())}
    sections = {**configuration.to_dict(), IMPORTED: {"format": name, "files": hashes}}
    path = request.root / (request.name or _run_name(configuration, hashes))
    if (path / "run.yaml").is_file() and (there := Run.open(path)).done and _same(there, sections):
        progress.note(f"{there.name} is imported already; nothing to do.")
        return there
    built = build(configuration)
    machine = accelerator("no")
    facts = facts_of(built, machine, fingerprint(cast(nn.Module, built.model)), {})
    restored = _restored(built, layout, checkpoint, progress)
    provenance = {**facts["provenance"], "checkpoint": {"path": str(request.path), "files": files}}
    plain = re.sub(r"[^\w.-]+", "-", checkpoint.path.name)
    label = f"method={configuration.method.bare}, checkpoint={plain}"
    folder = Run.create(path, sections, {**facts, "label": label, "provenance": provenance})
    with atomic_path(folder.checkpoint) as temporary:
        save_file(restored, temporary)
    training: dict[str, Any] = {
        "steps": 0,
        "loss": None,
        "seconds": 0.0,
        "resumed": False,
        "skipped": [],
        "found": {},
        "parameters": sum(tensor.numel() for tensor in restored.values()),
        "checkpoint_sha256": file_sha256(folder.checkpoint),
    }
    return folder.updated(status="done", training=training)


def _restored(
    built: Built, layout: CheckpointFormat, checkpoint: ForeignCheckpoint, progress: Progress
) -> dict[str, torch.Tensor]:
    """The delta of the checkpoint's classifier."""
    cast(nn.Module, built.classifier).eval()
    with torch.no_grad():
        found = layout.restore(checkpoint, built.fitted, built.dataset.task)
        for note in found.notes:
            progress.warn(note)
        built.classifier.load_delta({**built.classifier.delta(), **found.tensors})
        finish = getattr(built.method, "finish", None)
        if finish is not None:
            finish(built.fitted, TrainingPictures(built, built.model.logit_scale.device, progress))
    return built.classifier.delta()


def _layout(request: ImportRequest, checkpoint: ForeignCheckpoint) -> tuple[str, CheckpointFormat]:
    """The layout's bare name and the layout. Raises ``InputError`` where none, or not the named one, fits."""
    registry = request.registry
    entries = registry.entries("format")
    if request.format != AUTO:
        entries = [registry.find("format", request.format)]
    layouts: dict[str, CheckpointFormat] = {
        one.name: registry.load("format", one.qualified)() for one in entries
    }
    knowing = [name for name, one in layouts.items() if one.knows(checkpoint.tensors.keys())]
    if len(knowing) == 1:
        return knowing[0], layouts[knowing[0]]
    raise _unknown(checkpoint, layouts, knowing)


def _unknown(
    checkpoint: ForeignCheckpoint, layouts: Mapping[str, CheckpointFormat], knowing: Sequence[str]
) -> InputError:
    """What was found, and what each layout expects."""
    tensors = list(checkpoint.tensors.items())
    found = [f"  {described(*one)}" for one in tensors[:_SHOWN]]
    if len(tensors) > _SHOWN:
        found.append(f"  … and {len(tensors) - _SHOWN} more")
    told = [f"  {name}: {one.expects}" for name, one in layouts.items()]
    lines = ["Found:", *found, "Known formats:" if len(told) > 1 else "Expected:", *told]
    who = f"{' and '.join(knowing)} know it" if knowing else "its names are of none"
    return InputError(
        f"Expected a checkpoint of one known format but {who}.\n" + "\n".join(lines),
        where=str(checkpoint.path),
        next_step="name the format with --format"
        if knowing
        else "save the tensors under the names of one of these, or leave --format out",
    )


def _configuration(
    request: ImportRequest, name: str, layout: CheckpointFormat, checkpoint: ForeignCheckpoint
) -> Configuration:
    """The user's settings over those that the checkpoint decides."""
    wanted = request.draft.given.get("method.use")
    fitting = [one for one in layout.methods if wanted is None or same_plugin(str(wanted.value), one)]
    if not fitting:
        assert wanted is not None
        methods = [one.partition(":")[2] for one in layout.methods]
        raise InputError(
            f"Expected a method whose classifier a checkpoint of format {name} is but got "
            f"{str(wanted.value)!r}. {did_you_mean(str(wanted.value), methods)}",
            where=wanted.origin,
            next_step="leave --method out: the format tells it",
        )
    told = {f"method.{key}": one for key, one in layout.options(checkpoint, fitting[0]).items()}
    origin = f"the checkpoint {checkpoint.path.name}"
    layer = {key: Given(value, origin) for key, value in {"method.use": fitting[0], **told}.items()}
    return configure(Draft(layer).over(request.draft.given), request.registry)


def _run_name(configuration: Configuration, hashes: Mapping[str, Any]) -> str:
    """As a tuned run's, and of the first file's hash."""
    return f"{configuration.run_name()}-{next(iter(hashes.values()))[:8]}"


def _same(there: Run, sections: Mapping[str, Any]) -> bool:
    return all(
        there.configuration.get(key) == sections[key] for key in ("model", "method", "dataset", IMPORTED)
    )
