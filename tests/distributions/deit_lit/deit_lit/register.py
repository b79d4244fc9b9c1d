"""What this distribution adds to `rationale`."""

from __future__ import annotations

from rationale_cli.hooks import Entry, hookimpl


@hookimpl
def rationale_models() -> list[Entry]:
    """One model."""
    return [
        Entry("deit-lit", "deit_lit.model:DeitLit", "DeiT-tiny with a text tower mapped onto it", ("timm",))
    ]


@hookimpl
def rationale_datasets() -> list[Entry]:
    """One dataset."""
    return [
        Entry(
            "caltech12",
            "deit_lit.caltech:Caltech12",
            "Classes of Caltech-101 with the contours of its annotation files",
            ("opencv-python",),
        )
    ]
