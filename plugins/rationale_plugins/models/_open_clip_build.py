"""Architectures of open_clip by name: the module, and how its pictures are prepared."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import open_clip
from open_clip.coca_model import CoCa
from open_clip.pretrained import list_pretrained_tags_by_model
from torch import nn

from rationale_cli.contracts import Preprocessing
from rationale_cli.errors import InputError, did_you_mean

from ._open_clip_weights import configuration_of

_PLAIN = {
    "mean": open_clip.OPENAI_DATASET_MEAN,
    "std": open_clip.OPENAI_DATASET_STD,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def parse(name: str) -> tuple[str, str | None]:
    """``ARCHITECTURE@TAG`` or ``ARCHITECTURE`` → both, the tag None where there is none.

    Raises ``InputError`` for one that open_clip does not know.
    """
    architecture, _, tag = name.partition("@")
    architecture = architecture.replace("/", "-")
    known = {one.lower(): one for one in open_clip.list_models()}
    if architecture not in known.values():
        close = [known[one] for one in get_close_matches(architecture.lower(), known, n=3, cutoff=0.5)]
        raise InputError(
            f"Expected an architecture of open_clip but got {architecture!r}."
            + (f" Did you mean {' or '.join(map(repr, close))}?" if close else ""),
            next_step='see them all: python -c "import open_clip; print(*open_clip.list_models())"',
        )
    if tag and tag not in list_pretrained_tags_by_model(architecture):
        tags = list_pretrained_tags_by_model(architecture)
        raise InputError(
            f"Expected published weights of {architecture} but got {tag!r}. {did_you_mean(tag, tags)}"
        )
    return architecture, tag or None


def quick_gelu(architecture: str, tag: str | None) -> bool:
    """Whether the tag's weights were trained with quick-GELU; without a tag, what the architecture says."""
    configured = bool(open_clip.get_model_config(architecture).get("quick_gelu", False))
    return (
        configured if tag is None else bool(configuration_of(architecture, tag).get("quick_gelu", configured))
    )


def build(architecture: str, *, quick: bool) -> nn.Module:
    """The module with random weights. Raises ``InputError`` where a tower's configuration must be fetched."""
    configuration: dict[str, Any] = open_clip.get_model_config(architecture)
    text, vision = configuration["text_cfg"], configuration["vision_cfg"]
    foreign = "hf_model_name" in text
    if foreign:
        text["hf_model_pretrained"] = False
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    custom = configuration.pop("custom_text", False) or foreign
    kind = CoCa if custom and "multimodal_cfg" in configuration else None
    kind = kind or (open_clip.CustomTextCLIP if custom else open_clip.CLIP)
    configuration["quick_gelu"] = quick
    try:
        module: nn.Module = kind(**configuration)
    except (OSError, ValueError) as error:
        if not foreign:
            raise
        raise InputError(
            f"Expected the configuration of the text tower {text['hf_model_name']} of {architecture} but it "
            "is not on this machine and could not be fetched.",
            where=f"https://huggingface.co/{text['hf_model_name']}/resolve/main/config.json",
            next_step="try again with a network, or fetch it elsewhere into this machine's cache of the "
            f"hub: hf download {text['hf_model_name']} config.json",
        ) from error
    return module


def preprocessing_of(architecture: str | None, tag: str | None, size: int) -> Preprocessing:
    """As the tag's weights were trained; without a tag, as the first published weights were; else CLIP's."""
    tags = list_pretrained_tags_by_model(architecture) if architecture else []
    known: Mapping[str, Any] = _PLAIN
    if architecture and tags:
        known = configuration_of(architecture, tag or tags[0])
    return Preprocessing(
        size,
        tuple(known["mean"]),
        tuple(known["std"]),
        known["interpolation"],
        squash=known["resize_mode"] == "squash",
    )
