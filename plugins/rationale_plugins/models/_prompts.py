"""Text towers of other libraries that are given the embeddings of their tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def embedded_as(embedding: nn.Module, embeddings: Tensor) -> Iterator[None]:
    """Let the table of a tower's token embeddings give these N×L×W, whatever it is asked for.

    Towers read a text by its token numbers and look for its end in them; so they get the true numbers.
    """
    handle = embedding.register_forward_hook(lambda *_: embeddings)
    try:
        yield
    finally:
        handle.remove()
