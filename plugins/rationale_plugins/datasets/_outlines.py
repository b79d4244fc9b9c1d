"""Segmentations of CUB-200-2011: grey levels that tell how many annotators drew a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from rationale_cli.contracts import Mask, MaskRules
from rationale_cli.toolkit.pictures import read_levels

from ._official import Record

MaskRule = Literal["half", "full"]
"""Pixels that more than half of the annotators drew, or only those that all of them drew; between pixels
as the model sees them, grey levels are interpolated before they are cut."""

_SHARES: dict[MaskRule, float] = {"half": 0.5, "full": 1.0}

RULES: MaskRules = {rule: {"mask": rule} for rule in _SHARES}
"""What data sets with these outlines declare as ``mask_rules``."""


@dataclass(frozen=True)
class Outlines:
    """Reads a record's segmentation, whose path below ``folder`` is its note."""

    folder: Path
    rule: MaskRule

    def __call__(self, root: Path, record: Record, image: Image.Image) -> Mask | None:
        """Raises ``InputError`` naming a segmentation that cannot be read or does not fit its picture."""
        if record.note is None:
            return None
        grey = read_levels(self.folder / record.note, image.size, "segmentation", "L")
        return Mask(Image.fromarray(grey), share=_SHARES[self.rule])
