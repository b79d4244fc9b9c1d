"""Segmentations of CUB-200-2011: grey levels that tell how many annotators drew a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from rationale_cli.contracts import Mask
from rationale_cli.errors import InputError

from ._official import Record

MaskRule = Literal["half", "full"]
"""Pixels that more than half of the annotators drew, or only those that all of them drew; between pixels
as the model sees them, grey levels are interpolated before they are cut."""

_SHARES: dict[MaskRule, float] = {"half": 0.5, "full": 1.0}


@dataclass(frozen=True)
class Outlines:
    """Reads a record's segmentation, whose path below ``folder`` is its note."""

    folder: Path
    rule: MaskRule

    def __call__(self, root: Path, record: Record, image: Image.Image) -> Mask | None:
        """Raises ``InputError`` naming a segmentation that cannot be read or does not fit its picture."""
        if record.note is None:
            return None
        path = self.folder / record.note
        try:
            with Image.open(path) as stored:
                grey = np.asarray(stored.convert("L"))
        # Decoders meet damaged files with errors of nearly any kind, and never one not about the file.
        except Exception as error:
            raise InputError(
                f"Expected a segmentation but could not read it: {error}.", where=str(path)
            ) from error
        if grey.shape != image.size[::-1]:
            raise InputError(
                f"Expected a segmentation of {image.width}×{image.height} pixels like its picture "
                f"but got {grey.shape[1]}×{grey.shape[0]}.",
                where=str(path),
            )
        return Mask(Image.fromarray(grey), share=_SHARES[self.rule])
