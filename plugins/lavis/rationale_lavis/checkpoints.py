"""Names of the tensors in published checkpoints, and of those that LAVIS's models keep."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from torch import Tensor

from .compatibility import lavis

_UNUSED = re.compile(
    r"\w+_m\."  # momentum copies
    r"|\w+_queue$|queue_ptr$"  # negatives of earlier batches
    r"|text_decoder\.|text_encoder\.cls\."  # heads that write
    r"|text_encoder\.(bert\.)?pooler\."
    r"|text_encoder\.(bert\.)?embeddings\.(token_type_embeddings\.|position_ids$)"
)
_POSITIONS = "visual_encoder.pos_embed"


def albef_tensors(tensors: Mapping[str, Tensor], tower: Any) -> dict[str, Tensor]:
    """Tensors of ``ALBEF.pth``, or of a fine-tuned model of LAVIS, by the names of LAVIS's feature extractor.

    BERT's token types go as well: LAVIS's text encoder has none.
    """
    prefix, before = "text_encoder.bert.", "text_encoder."
    return {
        prefix + name.removeprefix(before)
        if name.startswith(before) and not name.startswith(prefix)
        else name: tensor
        for name, tensor in blip_tensors(tensors, tower).items()
    }


def blip_tensors(tensors: Mapping[str, Tensor], tower: Any) -> dict[str, Tensor]:
    """Tensors of ``model_base*.pth`` that LAVIS's feature extractor keeps, positions fitted to the tower."""
    kept = {name: tensor for name, tensor in tensors.items() if not _UNUSED.match(name)}
    positions = kept.get(_POSITIONS)
    if positions is not None and _is_grid(positions):
        with redirect_stdout(io.StringIO()):  # it tells of it on the standard output
            kept[_POSITIONS] = lavis().vision.interpolate_pos_embed(positions, tower)
    return kept


def _is_grid(positions: Tensor) -> bool:
    """Whether these are a CLS token and a square of patches, 1×(1+n²)×W."""
    return positions.ndim == 3 and math.isqrt(positions.shape[1] - 1) ** 2 == positions.shape[1] - 1
