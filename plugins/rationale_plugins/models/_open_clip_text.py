"""Texts to token numbers by the tokenizer that belongs to an open_clip model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer
from torch import Tensor

from rationale_cli.contracts import Checkpoint
from rationale_cli.errors import InputError
from rationale_cli.toolkit.texts import refuse_longer
from rationale_cli.toolkit.weights import fetched

from ._alternatives import fetched_any

_OWNERS = {
    "bert-base-uncased": "google-bert",
    "roberta-base": "FacebookAI",
    "xlm-roberta-base": "FacebookAI",
    "xlm-roberta-large": "FacebookAI",
}
"""Whose the repositories are that the hub knows without an owner's name."""
_ENDS = 2
"""Tokens for start and end of a text."""
_CLASS_TOKEN = 1


class OpenClipTokenizer:
    """A tokenizer of open_clip that refuses what it would cut. ``context`` tokens are made of every text."""

    def __init__(self, tokenizer: Any, context: int) -> None:
        self._tokenizer, self._context = tokenizer, context

    def __call__(self, texts: Sequence[str], vocabulary: int) -> dict[str, Tensor]:
        """N texts → ``ids`` N×L and ``length`` N, start and end included.

        Raises ``InputError`` for a text that is too long, and for another vocabulary.
        """
        lengths = [self._length(text) for text in texts]
        refuse_longer(texts, lengths, self._context)
        tokenizer = self._tokenizer
        known = tokenizer.vocab_size if isinstance(tokenizer, SimpleTokenizer) else 0
        ids = torch.as_tensor(tokenizer(list(texts), context_length=self._context))
        if vocabulary < max(known, int(ids.max()) + 1):
            raise InputError(
                f"Expected a model of CLIP's vocabulary of {known} tokens but this one has {vocabulary}."
                if known
                else f"Expected a tokenizer of {vocabulary} tokens but it gives number {int(ids.max())}."
            )
        return {"ids": ids, "length": torch.tensor(lengths)}

    def _length(self, text: str) -> int:
        """Tokens of a text, start and end included."""
        tokenizer = self._tokenizer
        if isinstance(tokenizer, SimpleTokenizer):
            return len(tokenizer.encode(text)) + _ENDS
        clean = tokenizer.clean_fn(text)
        if tokenizer.tokenizer_mode == "clips":
            plain = tokenizer.tokenizer(clean, add_special_tokens=False)
            return len(plain["input_ids"]) + _ENDS + _CLASS_TOKEN
        return len(tokenizer.tokenizer(clean)["input_ids"])


def tokenizer_of(architecture: str) -> OpenClipTokenizer:
    """The tokenizer of an architecture: CLIP's own, which comes with open_clip, or one of the hub.

    Raises ``InputError`` where that one is not on this machine and cannot be fetched.
    """
    text = open_clip.get_model_config(architecture)["text_cfg"]
    name, context = text.get("hf_tokenizer_name"), int(text.get("context_length", DEFAULT_CONTEXT_LENGTH))
    if not name:
        return OpenClipTokenizer(open_clip.get_tokenizer(architecture), context)
    folder = _folder(name if "/" in name else f"{_OWNERS.get(name, name)}/{name}", architecture)
    try:
        tokenizer = HFTokenizer(
            str(folder),
            context_length=context,
            tokenizer_mode=text.get("tokenizer_mode"),
            **text.get("tokenizer_kwargs", {}),
        )
    except Exception as error:  # The tokenizers library raises nothing more special for a damaged file.
        raise InputError(
            f"Expected the tokenizer {name} of {architecture} but transformers could not read it: {error}",
            where=str(folder),
            next_step="where a package is missing, install it: a file of sentencepiece needs sentencepiece "
            "and protobuf",
        ) from error
    return OpenClipTokenizer(tokenizer, context)


def _folder(repository: str, architecture: str) -> Path:
    """Where the hub's cache has a tokenizer, fetched where it is missing."""
    what = f"the tokenizer {repository} of {architecture}"
    files = ("tokenizer.json", "spiece.model", "sentencepiece.bpe.model")
    try:
        fetched(Checkpoint(f"hf://{repository}/tokenizer_config.json"), what)
        return fetched_any([Checkpoint(f"hf://{repository}/{name}") for name in files], what).parent
    except InputError as error:
        raise InputError(
            error.what.replace("they are", "it is"),
            where=error.where,
            next_step="try again with a network; or fetch the tokenizer elsewhere into this machine's cache "
            f"of the hub: hf download {repository} --include '*token*' '*.model'",
        ) from error
