"""Reading MATLAB's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

from rationale_cli.errors import InputError


def read_mat(path: Path, *names: str) -> list[npt.NDArray[Any]]:
    """The variables of those names. Raises ``InputError`` naming a file that cannot be read or lacks one."""
    try:
        content: dict[str, Any] = loadmat(path, variable_names=names)
    # The decoder meets damaged files with errors of nearly any kind, and never one not about the file.
    except Exception as error:
        raise InputError(
            f"Expected a MATLAB file but could not read it: {str(error) or type(error).__name__}.",
            where=str(path),
            next_step="unpack it from its archive again",
        ) from error
    missing = [name for name in names if name not in content]
    if missing:
        raise InputError(
            f"Expected {' and '.join(names)} in it but {missing[0]} is missing.", where=str(path)
        )
    return [np.asarray(content[name]) for name in names]
