"""The sections that belong to the tool and not to a plugin: ``view``, ``train`` and ``explain``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from ..contracts.classifier import Scalar
from ..contracts.options import PluginOptions
from .corruptions import corruptions

Precision = Literal["no", "bf16", "fp16"]
"""Mixed precision: none, bfloat16 or float16."""


class ViewOptions(PluginOptions):
    """How pictures are prepared, where it is not the model's own way. Tuning and explaining share it."""

    normalise: Literal["model", "imagenet"] = "model"
    """Mean and standard deviation: the model's, or those of ImageNet."""
    interpolation: Literal["model", "bilinear", "bicubic"] = "model"
    """How pictures are resized."""
    crop: float | None = Field(default=None, gt=0, le=1)
    """Share of the short side that the centre crop keeps: 0.875 resizes to 256 for 224. None: the model's,
    which always holds for a further dataset (section shift)."""


class TrainOptions(PluginOptions):
    """How a method is trained. The learning rate is the method's own option, ``method.lr``."""

    split: str = "train"
    """Split of the dataset to train on."""
    epochs: int = Field(default=10, ge=0)
    """Passes over the training split."""
    batch_size: int = Field(default=64, ge=1)
    """Pictures a step, over all processes together."""
    seed: int = Field(default=0, ge=0)
    """Seed of the head's initialisation, the order of pictures and the augmentation."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Optimiser; the paper uses Adam with betas (0.9, 0.999)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay of the optimiser."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the denominator of Adam and AdamW."""
    schedule: Literal["constant", "cosine", "cosine-epoch"] = "constant"
    """How the learning rate goes after the warm-up: constant, falling to 0 along half a cosine step by step,
    or, as CoOp trains, epoch by epoch along one that is as long as all epochs and so never ends at 0."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises linearly from 0."""
    warmup_epochs: int = Field(default=0, ge=0)
    """Instead of such steps, epochs at the constant learning rate warmup_lr, counted among all."""
    warmup_lr: float = Field(default=1e-5, ge=0)
    """Learning rate of the warm-up epochs."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; none leaves it alone."""
    augment: Literal["none", "standard", "mild", "reference"] = "none"
    """Random changes of training pictures: none; standard, crop and flip; mild, a crop of half the picture at
    least and flip (Tip-Adapter); or those of the paper's code."""
    precision: Precision = "no"
    """Mixed precision."""
    workers: int = Field(default=0, ge=0)
    """Processes that read pictures; 0 reads in the main process."""
    shots: int | None = Field(default=None, ge=1)
    """Train on so many pictures of each class, the same for every method and model; none takes all."""
    shot_seed: int = Field(default=0, ge=0)
    """Draws other pictures for shots, or to hold out for methods that choose settings on some."""
    limit: int | None = Field(default=None, ge=1)
    """Train on at most so many pictures, evenly spread over the split, for a quick look."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Train on this share of the pictures, evenly spread over the split, but on a batch at least."""
    validation: str | None = None
    """Split to choose settings on and to retrain last layers on, all of it; none holds some of the training
    pictures out. Methods that choose nothing pass it over."""
    mask_fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of the training pictures whose masks or boxes a regularizer may see: drawn by shot_seed, those of
    a small share are among those of a larger. It changes nothing else."""
    skip_bad: bool = False
    """Leave unreadable pictures out, named and counted, instead of stopping."""

    @field_validator("warmup_epochs")
    @classmethod
    def _one_warmup(cls, epochs: int, others: ValidationInfo) -> int:
        if epochs and others.data.get("warmup_steps"):
            raise ValueError("Expected warm-up steps or warm-up epochs but got both.")
        return epochs


class ExplainOptions(PluginOptions):
    """What is explained, and how."""

    splits: tuple[str, ...] = ()
    """Splits to explain; empty takes the dataset's own evaluation splits."""
    corrupt: tuple[str, ...] = ()
    """Corruptions of ImageNet-C under which the pictures are explained too: fog:3, or fog for severities 1 to
    5; common, extra and all stand for every one. The pictures are corrupted as the model sees them."""
    layers: tuple[str, ...] = ("last",)
    """Layers of each estimator: last, all, reference or a..b; several are computed in one pass."""
    scalar: tuple[Scalar, ...] = ("dot",)
    """What is differentiated: dot, native, cosine, log-softmax or contrast; several in one pass."""
    further: tuple[str, ...] = ()
    """Attributions beside the one of the section attribution, each by its own defaults: occlusion, say. What
    a run is judged by that was tuned on an attribution must be others."""
    batch_size: int = Field(default=64, ge=1)
    """Pictures a pass, over all processes together."""
    audit: bool = True
    """Add the estimators and controls that tell a robust difference from an estimator-dependent one."""
    witness: bool = True
    """Predict on the object alone and the background alone, where there are masks."""
    logits: bool | None = None
    """Keep the logits of every class, which temperature scaling and DAC need; if not said, where those of a
    split take no more than 64 MiB."""
    neighbours: int | None = Field(default=None, ge=0)
    """Keep how near each picture is to so many of the pictures tuned on, which PIECE needs: ImageNet's
    protocol has 10, 0 keeps nothing; if not said, 5 wherever probabilities are computed."""
    target: Literal["label", "prediction", "both"] = "label"
    """Class whose score is explained: the annotated one (the paper), the predicted one, or each of them."""
    no_evidence: Literal["invalid", "valid"] = "invalid"
    """What a heatmap without any contrast counts as; the paper's code counts it valid."""
    precision: Precision = "no"
    """Mixed precision; such evidence is a set of its own (gaa-last-dot@bf16) beside the one without."""
    compile: bool = False
    """Compile by torch.compile the forwards that nothing is recorded of, those of the witness: worth its
    seconds where there are many pictures. No heatmap changes; of altered pictures, last bits of logits."""
    workers: int | None = Field(default=None, ge=0)
    """Processes that read pictures; 0 reads in the main process; if not said, one a thread, up to 8, where
    there are many pictures."""
    limit: int | None = Field(default=None, ge=1)
    """Explain at most so many pictures of each split, evenly spread over it, for a quick look."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Explain this share of the pictures of each split, evenly spread over it, but a batch at least."""
    skip_bad: bool = False
    """Leave unreadable pictures out, named and counted, instead of stopping."""

    @field_validator("corrupt")
    @classmethod
    def _known(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        corruptions(texts)
        return texts
