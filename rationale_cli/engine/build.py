"""From a configuration to live objects: dataset, model, classifier; and back from a run folder."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from ..contracts import Classifier, Dataset, Fitted, Method, Preprocessing, VisionLanguageModel
from ..errors import InputError
from ..runs.folder import Run
from ..runs.provenance import file_sha256
from ..toolkit.weights import fingerprint, read_safetensors
from .configuration import Configuration
from .view import prepared


@dataclass(frozen=True)
class Built:
    """What a configuration stands for."""

    configuration: Configuration
    dataset: Dataset
    model: VisionLanguageModel
    method: Method
    fitted: Fitted

    @property
    def preprocessing(self) -> Preprocessing:
        """How the dataset's pictures become the model's input."""
        return prepared(self.model.preprocessing, self.configuration.view)

    @property
    def classifier(self) -> Classifier:
        """The method's classifier."""
        return self.fitted.classifier


def build(configuration: Configuration) -> Built:
    """Make dataset, model and classifier; the seed decides every initial value."""
    dataset = cast(Dataset, configuration.dataset.build())
    torch.manual_seed(configuration.train.seed)
    model = cast(VisionLanguageModel, configuration.model.build())
    method = cast(Method, configuration.method.build())
    torch.manual_seed(configuration.train.seed)
    fitted = method.build(model, dataset.task)
    return Built(configuration, dataset, model, method, fitted)


def restore_checkpoint(run: Run, classifier: Classifier) -> None:
    """Load a finished run's checkpoint into its classifier.

    Raises ``InputError`` where training has not finished, the model's own weights are not those that it
    started from, or the checkpoint is not the one it wrote.
    """
    if not run.done:
        raise InputError(
            "Expected a finished run but its training was interrupted.",
            where=str(run.path),
            next_step="give the same `rationale finetune` command again: it goes on where it stopped",
        )
    if fingerprint(cast(nn.Module, classifier.model)) != run.manifest["provenance"]["weights_sha256"]:
        raise InputError(
            "Expected the weights that this run started from but the model's are others now.",
            where=str(run.path),
            next_step="bring the same file back (run.yaml, provenance.weights_files), or tune again",
        )
    tensors = read_safetensors(run.checkpoint)
    if file_sha256(run.checkpoint) != run.manifest["training"]["checkpoint_sha256"]:
        raise InputError(
            "Expected the checkpoint that this run wrote but the file was changed since.",
            where=str(run.checkpoint),
            next_step="tune again under another name with --run",
        )
    classifier.load_delta(tensors)


def accelerator(precision: str) -> Accelerator:
    """The processes and devices of this launch, at a precision.

    Raises ``InputError`` where the device cannot compute at that precision.
    """
    # Accelerate keeps one precision a process; the cells of a grid may differ in it.
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != precision:
        AcceleratorState._reset_state()
    try:
        # Without a device, Accelerate joins processes only when it is told to use the CPU.
        return Accelerator(mixed_precision=precision, cpu=not torch.accelerator.is_available())
    except ValueError as error:
        raise InputError(
            f"Expected a precision that this device computes in but got {precision!r}: {error}",
            next_step="use precision no or bf16",
        ) from error


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision of what is computed without training, on any device.

    (Accelerate refuses float16 without a GPU, for the sake of training.)
    """
    if precision == "no":
        return nullcontext()
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype)


def place(classifier: Classifier, device: torch.device) -> None:
    """Move a classifier to a device."""
    cast(nn.Module, classifier).to(device)
