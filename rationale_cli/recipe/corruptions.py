"""The corruptions of ImageNet-C by name and severity (Hendrycks and Dietterich, 2019).

>>> [str(one) for one in corruptions(["fog:3", "snow:1"])]
['fog-3', 'snow-1']
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

from ..errors import did_you_mean

COMMON = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
    "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
"""The fifteen of the benchmark."""

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The four beside it, meant for validation."""

SEVERITIES = (1, 2, 3, 4, 5)

_GROUPS = {"common": COMMON, "extra": EXTRA, "all": (*COMMON, *EXTRA)}


class Corruption(NamedTuple):
    """One corruption at one severity."""

    name: str
    severity: int
    """1 to 5."""

    def __str__(self) -> str:
        return f"{self.name}-{self.severity}"

    @classmethod
    def named(cls, text: str) -> Self | None:
        """From ``fog-3``, as splits of ImageNet-C are called; None for anything else."""
        name, _, severity = text.rpartition("-")
        known = name in _GROUPS["all"] and severity in {str(one) for one in SEVERITIES}
        return cls(name, int(severity)) if known else None


def corruptions(texts: Iterable[str]) -> tuple[Corruption, ...]:
    """``fog:3`` one severity, ``fog`` all five; ``common``, ``extra`` and ``all`` stand for every one.

    Each is taken once, in the order of the texts. Raises ``ValueError`` that tells what is known.
    """
    found: dict[Corruption, None] = {}
    for text in texts:
        name, colon, severity = text.strip().partition(":")
        if name not in _GROUPS and name not in _GROUPS["all"]:
            known = (*_GROUPS["all"], *_GROUPS)
            raise ValueError(f"Expected corruptions such as fog:3 ({did_you_mean(name, known)})")
        if colon and severity not in {str(one) for one in SEVERITIES}:
            raise ValueError(f"Expected a severity from 1 to 5, as in {name}:3,")
        levels = (int(severity),) if colon else SEVERITIES
        found |= {Corruption(one, level): None for one in _GROUPS.get(name, (name,)) for level in levels}
    return tuple(found)
