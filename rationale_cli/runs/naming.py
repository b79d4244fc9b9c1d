"""How evidence sets are called."""

from __future__ import annotations


def set_name(
    attribution: str, layers: str | None, scalar: str | None, target: str, precision: str = "no"
) -> str:
    """``attribution`` by its bare name; None for what does not apply to it.

    ``gaa-last-dot``, or ``occlusion-native@prediction`` where the predicted class was explained, and
    ``gaa-last-dot@bf16`` where that was done in mixed precision.
    """
    of = "" if target == "label" else f"@{target}"
    by = "" if precision == "no" else f"@{precision}"
    return "-".join(part for part in (attribution, layers, scalar) if part is not None) + of + by
