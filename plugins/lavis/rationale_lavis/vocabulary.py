"""BERT's tokeniser without a hub: its vocabulary comes with rationale."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from transformers import BertTokenizer

DECODE, ENCODE = "[DEC]", "[ENC]"
"""The two tokens that BLIP adds; the second takes CLS's place where a text is matched with a picture."""


@cache
def bert_words() -> tuple[str, ...]:
    """The 30,522 words of bert-base-uncased, in order of their numbers."""
    packed = files("rationale_plugins.models").joinpath("bert_vocab.txt.gz").read_bytes()
    return tuple(gzip.decompress(packed).decode().splitlines())


def albef_tokenizer(words: Sequence[str]) -> Any:
    """WordPiece of lower-cased text over these words, as LAVIS's ``AlbefBase.init_tokenizer``."""
    # By position: transformers ignores a keyword that it does not know, and takes a vocabulary of five words.
    return BertTokenizer({word: number for number, word in enumerate(words)})


def blip_tokenizer(words: Sequence[str]) -> Any:
    """The same with two more tokens at the end, as LAVIS's ``BlipBase.init_tokenizer``."""
    tokenizer: Any = albef_tokenizer(words)
    tokenizer.add_special_tokens({"bos_token": DECODE})
    tokenizer.add_tokens([ENCODE], special_tokens=True)
    tokenizer.enc_token_id = tokenizer.convert_tokens_to_ids(ENCODE)
    return tokenizer
