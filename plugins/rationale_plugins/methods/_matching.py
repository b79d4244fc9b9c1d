"""The image–text-matching loss of ALBEF and BLIP.

Shapes: B pictures, K classes in the batch, T tokens, W width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from rationale_cli.contracts import Matching


def matching_loss(
    model: Matching, image_tokens: Tensor, texts: Mapping[str, Tensor], similarity: Tensor, labels: Tensor
) -> Tensor:
    """Cross-entropy of "match" for each picture with its text, and "no match" for hard negatives → scalar.

    image_tokens B×T×W, texts K rows, similarity B×K scaled cosines without a graph, labels B in 0..K−1.
    Each picture gets one wrong text and each text of the batch one wrong picture, drawn in proportion to
    the softmax of their similarity (Li et al. 2021, "Align before Fuse", §3.2; as in its retrieval
    version, pairs of the same class are no negatives). A batch of one class has positives only.
    """
    pictures = torch.arange(len(labels), device=labels.device)
    pairs = [(pictures, labels)]
    if similarity.shape[1] > 1:
        wrong_texts = _drawn(similarity, labels[:, None] == torch.arange(similarity.shape[1]).to(labels))
        wrong_pictures = _drawn(similarity.T[labels], labels[:, None] == labels[None, :])
        pairs += [(pictures, wrong_texts), (wrong_pictures, labels)]
    of_pictures, of_texts = (torch.cat(part) for part in zip(*pairs, strict=True))
    logits = model.match(image_tokens[of_pictures], {name: rows[of_texts] for name, rows in texts.items()})
    truth = torch.zeros(len(logits), dtype=torch.long, device=labels.device)
    truth[: len(labels)] = 1
    return F.cross_entropy(logits, truth)


def _drawn(scores: Tensor, right: Tensor) -> Tensor:
    """One column a row among those that are not right, in proportion to the softmax of the scores."""
    chances = scores.float().masked_fill(right, -torch.inf).softmax(dim=-1)
    return torch.multinomial(chances, 1).squeeze(-1)
