"""Texts to token numbers by the tokenizer that comes with a model of the hub."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rationale_cli.errors import InputError
from rationale_cli.toolkit.texts import refuse_longer

from ._hub_repository import VOCABULARIES, read_json

_PUNCTUATION = str.maketrans("", "", string.punctuation)


class HubTokenizer:
    """The tokenizer of a folder, for texts of at most ``context`` tokens of ``vocabulary`` known ones.

    ``siglip`` follows SigLIP: texts are put into lower case (the first SigLIP: without punctuation), as in
    its training, and always filled up to ``context``, for its text tower attends to the filling. Raises
    ``InputError`` where the folder has no tokenizer that can be read.
    """

    def __init__(self, folder: Path, context: int, vocabulary: int, *, siglip: bool) -> None:
        self._context, self._vocabulary, self._siglip = context, vocabulary, siglip
        self._folder = folder
        if not any((folder / name).is_file() for name in VOCABULARIES):
            # Without one, transformers makes a tokenizer of a handful of tokens and says nothing.
            raise InputError(
                f"Expected a tokenizer ({', '.join(VOCABULARIES)}) but there is none.",
                where=str(folder),
                next_step="copy the tokenizer's files from the model's repository",
            )
        told = folder / "tokenizer_config.json"
        self._first = told.is_file() and read_json(told).get("tokenizer_class") == "SiglipTokenizer"
        # transformers reads the first SigLIP's by sentencepiece alone, though most folders have both files.
        reader: Any = AutoTokenizer
        if self._first and (folder / "tokenizer.json").is_file():
            reader = PreTrainedTokenizerFast
        try:
            self._tokenizer = reader.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # The tokenizers library raises nothing more special for a damaged file.
            raise InputError(
                f"Expected a tokenizer but transformers could not read it: {_first_line(error)}",
                where=str(folder),
                next_step="where a package is missing, install it: spiece.model needs sentencepiece and "
                "protobuf; else copy the tokenizer's files again",
            ) from error

    def __call__(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """N texts → ``ids`` N×L and ``length`` N, start and end included.

        Raises ``InputError`` for a text that is too long.
        """
        given = [self._prepared(text) for text in texts]
        lengths = [len(row) for row in self._tokenizer(given, verbose=False)["input_ids"]]
        refuse_longer(texts, lengths, self._context)
        filling = (
            {"padding": "max_length", "max_length": self._context} if self._siglip else {"padding": True}
        )
        ids = torch.as_tensor(self._tokenizer(given, return_tensors="pt", **filling)["input_ids"])
        if int(ids.max()) >= self._vocabulary:
            raise InputError(
                f"Expected a tokenizer of the model's {self._vocabulary} tokens but it gives number "
                f"{int(ids.max())}.",
                where=str(self._folder),
                next_step="copy config.json and the tokenizer's files from one and the same repository",
            )
        return {"ids": ids, "length": torch.tensor(lengths)}

    def _prepared(self, text: str) -> str:
        """A text as it was written in the model's training (first SigLIP: big_vision's canonicalize_text)."""
        if self._first:
            return re.sub(r"\s+", " ", text.lower().translate(_PUNCTUATION)).strip()
        return text.lower() if self._siglip else text


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
