"""Weights of open_clip models: what is published, which file it is, and what is particular to such files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import torch
from open_clip import CLIP
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor, nn

from rationale_cli.contracts import Checkpoint
from rationale_cli.toolkit import weights as toolkit

from ._alternatives import fetched_any, likeliest

_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI's checkpoints carry among their tensors."""
_SCALARS = ("logit_scale", "logit_bias")


def published(architecture: str, note: str = "") -> dict[str, Checkpoint]:
    """Every tag of an architecture and its file; nothing is fetched. ``note`` is told of each."""
    tags = list_pretrained_tags_by_model(architecture)
    return {tag: likeliest(_alternatives(configuration_of(architecture, tag), note)) for tag in tags}


def configuration_of(architecture: str, tag: str) -> dict[str, Any]:
    """What open_clip knows of a tag: its place, mean, std, interpolation, resize mode and activation."""
    return dict(get_pretrained_cfg(architecture, tag))


def files_of(weights: str, architecture: str, owner: str, note: str) -> tuple[Path, ...]:
    """The files that ``weights`` means; see ``rationale_cli.toolkit.weights.locate``.

    ``note`` tells of a published file what the message of its absence should.
    """
    if weights in list_pretrained_tags_by_model(architecture):
        alternatives = _alternatives(configuration_of(architecture, weights), note)
        return (fetched_any(alternatives, f"the weights {weights!r} of {owner}"),)
    return toolkit.locate(weights, published(architecture), owner)


def read(paths: Path | Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of a CLIP's checkpoint by name; see ``rationale_cli.toolkit.weights.read_tensors``."""
    return toolkit.read_tensors(paths, ignore=_NOT_WEIGHTS)


def load(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into a CLIP, in its own precision; see ``rationale_cli.toolkit.weights.load``.

    As open_clip does, names of Apple's MobileCLIP and of towers in one are translated, and a bias that the
    file lacks is 0.
    """
    given, own = dict(convert_state_dict(module, dict(tensors))), module.state_dict()
    if "positional_embedding" in given and not isinstance(module, CLIP):
        given = convert_to_custom_text_state_dict(given)
    if "logit_bias" in own:
        given.setdefault("logit_bias", torch.zeros(()))
    for name in _SCALARS:
        # Some checkpoints store such a number as a vector.
        if name in own and name in given and given[name].numel() == own[name].numel() == 1:
            given[name] = given[name].reshape(own[name].shape)
    given = {name: one for name, one in given.items() if name in own or not name.endswith(".position_ids")}
    toolkit.load(module, given, where)


def _alternatives(configuration: Mapping[str, Any], note: str = "") -> list[Checkpoint]:
    """The file on the hub, in safetensors before a pickle of tensors; else that of a plain address."""
    hub = str(configuration["hf_hub"]).rstrip("/")
    if not hub:
        url = str(configuration["url"])
        return [Checkpoint(url, sha256=_sha256_in(url), note=note)]
    owner, name, *path = hub.split("/")
    wanted = PurePosixPath(*path) if path else PurePosixPath(HF_WEIGHTS_NAME)
    safe = wanted.with_suffix(".safetensors") if path else PurePosixPath(HF_SAFE_WEIGHTS_NAME)
    return [Checkpoint(f"hf://{owner}/{name}/{one}", note=note) for one in (safe, wanted)]


def _sha256_in(url: str) -> str | None:
    """OpenAI's addresses hold the file's SHA-256 as a folder, open_clip's its first digits in the name."""
    path = PurePosixPath(urlsplit(url).path)
    if "openaipublic" in url:
        return path.parent.name
    return path.stem.rpartition("-")[2] if "mlfoundations" in url else None
