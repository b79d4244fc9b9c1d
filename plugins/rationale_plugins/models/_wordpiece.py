"""BERT's WordPiece tokens (Devlin et al. 2019, lower case) of any vocabulary, without a hub."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from tokenizers.implementations import BertWordPieceTokenizer
from torch import Tensor

from rationale_cli.errors import InputError
from rationale_cli.toolkit.texts import refuse_longer

BERT_VOCABULARY = Path(__file__).with_name("bert_vocab.txt.gz")
"""The 30,522 pieces of bert-base-uncased (see the notice beside it)."""
_PAD, _CLS, _SEP, _UNKNOWN = "[PAD]", "[CLS]", "[SEP]", "[UNK]"


@cache
def bert_pieces() -> tuple[str, ...]:
    """The pieces of bert-base-uncased in the order of their numbers."""
    return tuple(gzip.decompress(BERT_VOCABULARY.read_bytes()).decode().splitlines())


class WordPiece:
    """Texts → numbers of pieces, ``[CLS]`` first and ``[SEP]`` last.

    ``pieces`` in the order of their numbers, among them ``[PAD]``, ``[UNK]``, ``[CLS]`` and ``[SEP]``;
    ``longest`` counts the two ends. Raises ``InputError`` for a vocabulary without those four.
    """

    def __init__(self, pieces: Sequence[str], longest: int) -> None:
        numbers = {piece: number for number, piece in enumerate(pieces)}
        lacking = [piece for piece in (_PAD, _UNKNOWN, _CLS, _SEP) if piece not in numbers]
        if lacking:
            raise InputError(f"Expected a BERT vocabulary but it lacks {', '.join(lacking)}.")
        self.longest = longest
        self.padding = numbers[_PAD]
        self._tokenizer = BertWordPieceTokenizer(vocab=numbers, lowercase=True)

    def __call__(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """N texts → ``ids`` N×L and ``mask`` N×L (1 for a piece, 0 for padding), L the longest of them.

        Raises ``InputError`` for a text of more than ``longest`` pieces.
        """
        rows = [row.ids for row in self._tokenizer.encode_batch(list(texts))]
        refuse_longer(texts, map(len, rows), self.longest)
        width = max((len(row) for row in rows), default=2)
        ids = [row + [self.padding] * (width - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
        shape = (len(rows), width)
        return {
            "ids": torch.tensor(ids, dtype=torch.long).view(shape),
            "mask": torch.tensor(mask).view(shape),
        }
