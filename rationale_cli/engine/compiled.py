"""``torch.compile`` for forwards that nothing is recorded of."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from ..contracts import Classifier
from ..errors import InputError


def compiled(classifier: Classifier, pictures: int, device: torch.device) -> None:
    """Compile a classifier's plain forward, in place, for batches of so many pictures.

    Attributions call other functions of it and see nothing of that. Raises ``InputError`` where this machine
    cannot compile.
    """
    side = classifier.model.preprocessing.size
    module = cast(nn.Module, classifier).eval()
    module.compile()
    try:
        with torch.no_grad():
            module(torch.zeros(pictures, 3, side, side, device=device))
    except RuntimeError as error:
        raise InputError(
            "Expected a machine on which torch.compile works but it failed: "
            f"{(str(error).strip().splitlines() or [''])[0]}",
            where="explain.compile",
            next_step="install a C++ compiler (for a GPU, Triton), or leave explain.compile out",
        ) from error
