"""LAVIS 1.0.2 (2023) beside today's transformers and timm.

Three things stand between them. ``lavis/__init__`` imports every task, dataset and model of the package:
only the modules that are needed are imported here. Some functions have left ``transformers``: they are
brought for as long as that import lasts, each only where it is missing. And some methods have left the
base class of its models: they are added to LAVIS's own subclass, again only where missing.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from transformers import modeling_utils, pytorch_utils
from transformers.utils import logging as transformers_logging

from rationale_cli.errors import PluginError

DISTRIBUTION, VERSION = "salesforce-lavis", "1.0.2"
INSTALL = f"pip install --no-deps {DISTRIBUTION}=={VERSION}"
"""The line that installs LAVIS without its pins of old versions."""


@dataclass(frozen=True)
class Lavis:
    """The parts of LAVIS that the models are made of."""

    folder: Path
    """The package's folder."""
    albef: Any
    """Module ``lavis.models.albef_models.albef_feature_extractor``."""
    blip: Any
    """Module ``lavis.models.blip_models.blip_feature_extractor``."""
    bert: Any
    """Module ``lavis.models.med``."""
    vision: Any
    """Module ``lavis.models.vit``."""


@cache
def lavis() -> Lavis:
    """Import LAVIS.

    Raises ``PluginError`` with the line for pip where it is not installed or not this version.
    """
    folder = _folder()
    try:
        with quiet(), _bare_packages(folder), _provided(modeling_utils, _functions()):
            parts = Lavis(
                folder,
                importlib.import_module("lavis.models.albef_models.albef_feature_extractor"),
                importlib.import_module("lavis.models.blip_models.blip_feature_extractor"),
                importlib.import_module("lavis.models.med"),
                importlib.import_module("lavis.models.vit"),
            )
    except ImportError as error:
        raise PluginError(
            f"Expected to import LAVIS but it needs what is not there: {error}",
            where=str(folder),
            next_step="pip install --upgrade rationale-lavis, which brings what these models need of it",
        ) from error
    _complete(parts.bert.BertPreTrainedModel, _METHODS)
    return parts


def _folder() -> Path:
    """Where the package lies, if it is installed in the version that is known here."""
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise PluginError(
            f"Expected {DISTRIBUTION} {VERSION} but it is not installed. It comes apart from this plugin, "
            "for its pins of old versions exclude what everything else needs.",
            next_step=INSTALL,
        ) from error
    if distribution.version != VERSION:
        raise PluginError(
            f"Expected {DISTRIBUTION} {VERSION} but got {distribution.version}.", next_step=INSTALL
        )
    return Path(str(distribution.locate_file("lavis")))


@contextmanager
def _bare_packages(folder: Path) -> Iterator[None]:
    """Let ``lavis`` and ``lavis.models`` be packages without content, unless LAVIS is imported already."""
    if "lavis" in sys.modules:
        yield
        return
    bare = {"lavis": folder, "lavis.models": folder / "models"}
    for name, path in bare.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [str(path)]
    try:
        models: Any = sys.modules["lavis.models"]
        models.BaseModel = importlib.import_module("lavis.models.base_model").BaseModel
        yield
    finally:
        # Whoever imports lavis after this gets the whole of it.
        for name in bare:
            del sys.modules[name]


@contextmanager
def _provided(module: ModuleType, names: Mapping[str, Any]) -> Iterator[None]:
    """Names that a module lacks, for a while."""
    missing = [name for name in names if not hasattr(module, name)]
    for name in missing:
        setattr(module, name, names[name])
    try:
        yield
    finally:
        for name in missing:
            delattr(module, name)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep still about LAVIS's age: timm warns of the old import paths, transformers of the old classes.

    On leaving, transformers logs as before, though LAVIS turns its log down for good.
    """
    logging: Any = transformers_logging
    verbosity = logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)


def _complete(owner: type, members: Mapping[str, Any]) -> None:
    """Add what a class lacks."""
    for name, member in members.items():
        if not hasattr(owner, name):
            setattr(owner, name, member)


def _functions() -> dict[str, Any]:
    """Functions that LAVIS imports from ``transformers.modeling_utils``."""
    return {
        "apply_chunking_to_forward": pytorch_utils.apply_chunking_to_forward,
        "prune_linear_layer": pytorch_utils.prune_linear_layer,
        "find_pruneable_heads_and_indices": _heads_to_keep,
    }


def _heads_to_keep(heads: list[int], count: int, width: int, pruned: set[int]) -> tuple[set[int], Tensor]:
    """Heads to prune that are not yet pruned, and the indices of what stays, as in transformers 4."""
    new = set(heads) - pruned
    mask = torch.ones(count, width)
    for head in new:
        mask[head - sum(1 for one in pruned if one < head)] = 0
    return new, mask.flatten().nonzero().flatten()


def _get_head_mask(self: Any, head_mask: Tensor | None, layers: int) -> Any:
    """A mask of heads (H, or L×H) for every layer, L×1×H×1×1; as many times None where there is none."""
    if head_mask is None:
        return [None] * layers
    each = head_mask.expand(layers, -1) if head_mask.dim() == 1 else head_mask
    return each[:, None, :, None, None].to(self.dtype)


def _invert_attention_mask(self: Any, mask: Tensor) -> Tensor:
    """1 for tokens that take part, B×T or B×Q×T → what is added to the scores, B×1×(1 or Q)×T."""
    each = mask[:, None] if mask.dim() == 3 else mask[:, None, None]
    return (1.0 - each.to(self.dtype)) * torch.finfo(self.dtype).min


_METHODS: dict[str, Any] = {
    "all_tied_weights_keys": {},
    "get_head_mask": _get_head_mask,
    "invert_attention_mask": _invert_attention_mask,
}
"""What LAVIS's models expect of ``transformers.PreTrainedModel``, or that of them."""
