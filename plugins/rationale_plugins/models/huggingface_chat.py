"""Any generative vision-language model of transformers: a repository of the hub or a local folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoConfig, AutoProcessor, PreTrainedConfig
from transformers.utils import logging

from rationale_cli.contracts import Checkpoint, PluginOptions
from rationale_cli.errors import InputError
from rationale_cli.toolkit.weights import read_tensors

from ._alternatives import full_precision
from ._chat import ChatModel
from ._hub_repository import OWN, folder_of, published, read_json, weights_of

_SIDE = 448
"""Pixels of the square picture where a model takes any size, rounded to whole patches."""
_SHOWN = 6


class HuggingFaceChatOptions(PluginOptions):
    """Options of generative models of transformers."""

    repository: str
    """``owner/name`` on the Hugging Face hub, or a folder of that layout."""
    weights: Literal["own", "none"] = "own"
    """``own`` (the repository's) or ``none`` (random, from the run's seed)."""
    revision: str | None = None
    """Branch, tag or commit of the repository; its main branch otherwise."""
    size: int | None = Field(default=None, ge=1)
    """Side of the square picture in pixels; by default the model's own, or about 448 where it takes any."""
    question: str | None = None
    """What is asked about each picture; by default what the dataset's task asks."""


class HuggingFaceChat(ChatModel):
    """A model of ``AutoModelForImageTextToText`` whose pictures become tokens of its language model."""

    Options = HuggingFaceChatOptions

    def __init__(self, options: HuggingFaceChatOptions) -> None:
        folder = folder_of(options.repository, options.revision)
        config = _config(folder)
        kind = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)]
        settings = {"attn_implementation": "sdpa", "dtype": torch.float32}
        files: tuple[Path, ...] = ()
        if options.weights == OWN:
            with torch.device("meta"):
                note = full_precision(kind(config))
            files = weights_of(OWN, options.repository, options.revision, note)
            model = _loaded(kind, config, read_tensors(files), settings, str(folder))
        else:
            model = kind._from_config(config, **settings)
        processor = _processor(folder)
        side = options.size or _side(config)
        _untiled(processor.image_processor, side)
        super().__init__(model, processor, side, options.question, str(folder))
        self.weights_files = files

    @classmethod
    def published(cls, options: HuggingFaceChatOptions) -> Mapping[str, Checkpoint]:
        """``own``: the repository's weights."""
        return published(options.repository, options.revision)


def _config(folder: Path) -> PreTrainedConfig:
    kind = read_json(folder / "config.json").get("model_type")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Expected the configuration of a model that transformers knows but got {kind!r}: {error}",
            where=str(folder),
        ) from error
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise InputError(
            f"Expected a model that answers in words about pictures but {kind!r} is none of them.",
            where=str(folder),
            next_step="a CLIP or SigLIP is named hf:…, not hf-chat:…",
        )
    return config


def _loaded(
    kind: Any,
    config: PreTrainedConfig,
    tensors: Mapping[str, Tensor],
    settings: Mapping[str, Any],
    where: str,
) -> Any:
    """By transformers' own rules, for the names in checkpoints changed over its versions."""
    with _quietly():
        model, told = kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(tensors),
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **settings,
        )
    wrong = {
        name: sorted(map(str, told[name])) for name in ("missing_keys", "unexpected_keys", "mismatched_keys")
    }
    if any(wrong.values()):
        listed = "; ".join(
            f"{what.removesuffix('_keys')}: {', '.join(names[:_SHOWN])}"
            for what, names in wrong.items()
            if names
        )
        raise InputError(
            f"Expected the weights of this architecture but some do not fit: {listed}", where=where
        )
    return model


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' own progress and its table of what does not fit: that is an error here."""
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _processor(folder: Path) -> Any:
    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected a processor of pictures and texts but transformers cannot read it: {error}",
            where=str(folder),
            next_step="copy the files of the tokenizer and of the processor from the repository",
        ) from error
    if not getattr(processor, "chat_template", None) or not hasattr(processor, "image_processor"):
        raise InputError(
            "Expected a processor with a chat template and an image processor but it has not both.",
            where=str(folder),
            next_step="use a model that was tuned for chat, or add its chat_template.jinja",
        )
    return processor


def _side(config: PreTrainedConfig) -> int:
    vision = config.vision_config
    own = getattr(vision, "image_size", None)
    if isinstance(own, int):
        return own
    cell = int(vision.patch_size) * int(getattr(vision, "spatial_merge_size", 1))
    return max(round(_SIDE / cell), 1) * cell


def _untiled(processor: Any, side: int) -> None:
    """One view of the picture alone: tiles of it would have tokens of their own (Idefics, SmolVLM)."""
    if hasattr(processor, "do_image_splitting"):
        processor.do_image_splitting = False
        processor.size = {"longest_edge": side}
