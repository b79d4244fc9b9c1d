"""Fine-tune: configuration → run folder with a checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch import nn

from ..contracts import GROUPS, Fitted, MethodOptions, Progress, Regularizer, Silent
from ..engine.annotated import annotated
from ..engine.build import Built, accelerator, build, place
from ..engine.conditions import factors_of
from ..engine.configuration import Configuration
from ..engine.grouped import Groups, required_groups
from ..engine.regularize import regularized, regularizers
from ..engine.support import TrainingPictures
from ..engine.train import Places, Trained, TrainingSet, train
from ..errors import InputError
from ..hooks import bare_name
from ..runs.atomic import atomic_path
from ..runs.folder import Run
from ..runs.provenance import file_sha256, hardware, revision, versions
from ..toolkit.weights import fingerprint


@dataclass(frozen=True)
class FinetuneRequest:
    """What to tune, and where to keep it."""

    configuration: Configuration
    root: Path = Path("runs")
    """Folder of run folders."""
    name: str | None = None
    """Name of the run; None names it after model, method, dataset and a hash of the settings."""

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.root / (self.name or self.configuration.run_name())


@dataclass(frozen=True)
class FinetuneResult:
    """The run, and what was done just now."""

    run: Run
    trained: Trained | None
    """None where the run was finished before, or nothing is trained."""


def run(request: FinetuneRequest, progress: Progress | None = None) -> FinetuneResult:
    """Tune a model, or go on where an interrupted run stopped; a finished run is left as it is.

    Raises ``InputError`` for a folder that holds another configuration, and ``WorkError`` where the
    loss is no longer finite or the disk is full.
    """
    progress = progress or Silent()
    existing = _existing(request)
    if existing is not None and existing.done:
        progress.note(f"{existing.name} is finished already; nothing to do.")
        return FinetuneResult(existing, None)
    machine = accelerator(request.configuration.train.precision)
    chosen = regularizers(request.configuration)
    if existing is not None:
        _check_files(existing, _files_of(chosen))
    built = build(request.configuration)
    read = _read(built)
    if existing is not None:
        _check_files(existing, read)
    pictures = TrainingPictures(built, machine.device, progress)
    if _looks(built):
        # Drawn before a folder is made: what is wrong with the data leaves nothing behind.
        pictures.draw()
    masked, groups = _masked(built, pictures), _groups(built, chosen, pictures)
    weights = fingerprint(cast(nn.Module, built.model))
    place(built.classifier, machine.device)
    step = regularized(built, chosen, progress, groups.sizes) if _trains(built) or chosen else None
    folder = existing or _create(request, built, _files_of(chosen) | read, machine, weights)
    machine.wait_for_everyone()
    _prepare(built, pictures, machine)
    trained = None
    if step is not None:
        given = _training_set(built, pictures, masked, groups)
        trained = _train(built, step, given, folder, machine, progress)
    if machine.is_main_process:
        folder = _finish(built, pictures, folder, trained)
    machine.wait_for_everyone()
    return FinetuneResult(Run.open(folder.path), trained)


def _existing(request: FinetuneRequest) -> Run | None:
    path = request.path
    if not (path / "run.yaml").is_file():
        return None
    found = Run.open(path)
    wanted = request.configuration
    differing = differences(found.configuration, wanted.to_dict(), wanted.indifferent)
    if differing:
        raise InputError(
            f"Expected a run of this configuration but it differs in {'; '.join(differing[:6])}.",
            where=str(path),
            next_step="choose another name with --run, or leave it out: the name then follows the settings",
        )
    return found


def differences(
    recorded: Mapping[str, Any], wanted: Mapping[str, Any], indifferent: Sequence[str]
) -> list[str]:
    """``section.key is x, not y`` for each setting of the training that differs.

    Keys of ``train`` that are ``indifferent`` may.
    """
    told = []
    for section in ("model", "method", "regularizer", "dataset", "view", "train"):
        old, new = _flat(recorded.get(section, {})), _flat(wanted.get(section, {}))
        told += [
            f"{section}.{key}: there {old.get(key)!r}, here {new.get(key)!r}"
            for key in sorted(old.keys() | new.keys())
            if not (section == "train" and key in indifferent) and old.get(key) != new.get(key)
        ]
    return told


def _flat(section: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if isinstance(section, Sequence):
        used = {"use": ",".join(one["use"] for one in section)}
        return used | {
            f"{bare_name(one['use'])}.{key}": value
            for one in section
            for key, value in one["options"].items()
        }
    options = section.get("options", {})
    return {key: value for key, value in section.items() if key != "options"} | dict(options)


def _trains(built: Built) -> bool:
    return built.fitted.step is not None and built.configuration.train.epochs > 0


def _looks(built: Built) -> bool:
    """Whether anything is done with training pictures; else the data need no training split."""
    return _trains(built) or hasattr(built.method, "prepare") or getattr(built.method, "validates", False)


def _masked(built: Built, pictures: TrainingPictures) -> tuple[int, ...]:
    """The training pictures whose masks a regularizer sees; raises as ``annotated`` does."""
    if not (_trains(built) and built.configuration.sees_masks):
        return ()
    return annotated(pictures.split, pictures.draw().train, built.configuration.train)


def _groups(built: Built, chosen: Sequence[Regularizer], pictures: TrainingPictures) -> Groups:
    """Those of the training pictures where a regularizer needs them; raises as ``required_groups`` does."""
    if not (_trains(built) and any(GROUPS in one.needs for one in chosen)):
        return Groups({}, {})
    classnames = built.dataset.task.classnames
    name = built.configuration.train.split
    return required_groups(pictures.split, pictures.draw().train, classnames, name)


def _training_set(
    built: Built, pictures: TrainingPictures, masked: Collection[int], groups: Groups
) -> TrainingSet:
    augment = built.configuration.train.augment
    return TrainingSet(pictures.pictures(augment, masked), pictures.draw().train, groups.of)


def _create(
    request: FinetuneRequest, built: Built, read: Mapping[str, Any], machine: Accelerator, weights: str
) -> Run:
    if not machine.is_main_process:
        return Run(request.path, {})
    return Run.create(request.path, request.configuration.to_dict(), facts_of(built, machine, weights, read))


def facts_of(built: Built, machine: Accelerator, weights: str, read: Mapping[str, Any]) -> dict[str, Any]:
    """What a run folder records of data, versions, hardware and provenance.

    ``weights``: fingerprint of the model as it came; ``read``: identities of further files.
    """
    configuration = built.configuration
    chosen = (configuration.model, configuration.method, configuration.dataset, *configuration.regularizers)
    distributions = [one.name.partition(":")[0] for one in chosen]
    factors = {split: factors_of(built.dataset, split) for split in built.dataset.splits}
    return {
        "label": configuration.label,
        "splits": list(built.dataset.evaluation),
        "classnames": list(built.dataset.task.classnames),
        **({"factors": factors} if any(factors.values()) else {}),
        "family": built.classifier.family,
        "versions": versions(distributions),
        "hardware": hardware(str(machine.device), machine.num_processes),
        "provenance": {
            "weights_sha256": weights,
            "weights_files": identities(getattr(built.model, "weights_files", ())),
            **read,
            "data_fingerprint": built.dataset.fingerprint,
            "git_revision": revision(Path.cwd()),
        },
    }


def _read(built: Built) -> dict[str, Any]:
    """What the method reads, where it is trained on anything."""
    read: Callable[..., Sequence[Path]] | None = getattr(built.method, "read", None)
    paths = read(built.fitted, built.dataset.task) if read is not None and _trains(built) else ()
    return {"method_files": identities(paths)} if paths else {}


def _files_of(used: Sequence[Regularizer]) -> dict[str, Any]:
    """What regularizers read, where there are any."""
    paths = [path for one in used for path in getattr(one, "files", ())]
    folders = {name: facts for one in used for name, facts in getattr(one, "folders", {}).items()}
    return {"regularizer_files": identities(paths) | folders} if used else {}


def _check_files(existing: Run, read: Mapping[str, Any]) -> None:
    """That a run goes on with the files that it began with: of each key their identities by name."""
    for key, now in read.items():
        began = existing.manifest["provenance"].get(key, {})
        for name in sorted(began.keys() | now.keys()):
            if began.get(name, {}).get("sha256") != now.get(name, {}).get("sha256"):
                raise InputError(
                    f"Expected the {name} that this run began with but the file was changed since.",
                    where=str(now.get(name, {}).get("path", existing.path)),
                    next_step="bring the same file back, or tune again under another name with --run",
                )


def identities(paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Path, size and hash of files, by name."""
    return {
        path.name: {"path": str(path), "size": path.stat().st_size, "sha256": file_sha256(path)}
        for path in paths
    }


def _prepare(built: Built, pictures: TrainingPictures, machine: Accelerator) -> None:
    """The same in every process, and again where training is resumed."""
    prepare = getattr(built.method, "prepare", None)
    if prepare is not None:
        torch.manual_seed(built.configuration.train.seed)
        cast(nn.Module, built.classifier).eval()
        with torch.no_grad():
            prepare(built.fitted, pictures)


def _train(
    built: Built,
    step: nn.Module,
    given: TrainingSet,
    folder: Run,
    machine: Accelerator,
    progress: Progress,
) -> Trained:
    configuration = built.configuration
    options = cast(MethodOptions, configuration.method.options)
    places = Places(folder.path / "state" / "training.pt", folder.log)
    return train(
        Fitted(built.classifier, step), given, configuration.train, options.lr, places, machine, progress
    )


def _finish(built: Built, pictures: TrainingPictures, folder: Run, trained: Trained | None) -> Run:
    finish = getattr(built.method, "finish", None)
    found: Mapping[str, float] = {}
    if finish is not None:
        torch.manual_seed(built.configuration.train.seed)
        cast(nn.Module, built.classifier).eval()
        with torch.no_grad():
            found = finish(built.fitted, pictures) or {}
    with atomic_path(folder.checkpoint) as temporary:
        save_file(built.classifier.delta(), temporary)
    facts = {
        "steps": trained.steps if trained else 0,
        "loss": trained.loss if trained else None,
        "seconds": round(trained.seconds, 3) if trained else 0.0,
        "resumed": bool(trained and trained.resumed),
        "skipped": sorted(pictures.skipped.union(trained.skipped if trained else ())),
        "found": dict(found),
        "parameters": sum(tensor.numel() for tensor in built.classifier.delta().values()),
        "checkpoint_sha256": file_sha256(folder.checkpoint),
    }
    done = folder.updated(status="done", training=facts)
    shutil.rmtree(folder.path / "state", ignore_errors=True)
    return done
