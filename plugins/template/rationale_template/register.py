"""What this distribution adds. Nothing heavy is imported here: the import strings are read when needed."""

from __future__ import annotations

from rationale_cli.hooks import Entry, hookimpl


@hookimpl
def rationale_models() -> list[Entry]:
    """Vision-language models."""
    return [Entry("pocket-vit", "rationale_template.model:PocketVit", "A small untrained ViT to copy")]


@hookimpl
def rationale_methods() -> list[Entry]:
    """Fine-tuning methods."""
    return [Entry("bias-tuning", "rationale_template.method:BiasTuning", "Train biases and a linear head")]


@hookimpl
def rationale_attributions() -> list[Entry]:
    """Attribution methods."""
    return [Entry("saliency", "rationale_template.attribution:Saliency", "Gradient at the picture")]


@hookimpl
def rationale_datasets() -> list[Entry]:
    """Datasets."""
    return [Entry("stripes", "rationale_template.dataset:Stripes", "Drawn discs with stripes, and masks")]


@hookimpl
def rationale_regularizers() -> list[Entry]:
    """Terms for the loss of other methods."""
    return [Entry("mirror", "rationale_template.regularizer:Mirror", "Mirrored pictures are told alike")]


@hookimpl
def rationale_formats() -> list[Entry]:
    """Layouts of others' checkpoints."""
    return [Entry("class-means", "rationale_template.checkpoint:ClassMeans", "Mean feature of each class")]
