"""Attention attribution, exact and batched: one forward for all specifications, one backward a scalar.

For the self-attention maps A of the image tower and a class score y, with ∇A = ∂y/∂A::

    GAA (Chefer, Gur, Wolf 2021; protocol Eq. 2)   Ā = E_heads[(∇A ⊙ A)⁺]
    gradient of attention (protocol §2)            Ā = E_heads[(∇A)⁺]
    R ← R + Ā·R over the explained layers, starting from the identity

Only the CLS row of R is read, so it is built from the last explained layer to the first as a row vector,
r ← r + r·Ā, starting from e_CLS. A tower whose last attention layer is a pool (one learned query over the
tokens: SigLIP) starts from the pool's own row, r = Ā_pool: its query is no token, so there is no identity
to add. Pictures are independent: one backward of the sum serves the whole batch.

Shapes: B pictures, F features, H heads, T tokens, h×w patch grid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contracts import Classifier, Explanation, Scalar, Specification
from ..errors import InputError, WorkError
from .attention import AttentionLayer, Tower, frozen, record, tower_of
from .layers import resolve

Objective = Callable[[Tensor, Scalar], Tensor]
"""features B×F, scalar → B: the score of each picture that is explained."""

_FIRST = slice(0, 1)
"""The row of the CLS token, or of an attention pool's query."""
_CHUNK = 2**24
"""Elements of attention maps that are handled at once."""


@dataclass(frozen=True)
class Rule:
    """How attention maps and their gradients become relevance."""

    weight: Literal["gradient-attention", "gradient"] = "gradient-attention"
    """What is averaged over heads: ∇A ⊙ A or ∇A."""
    negative: Literal["drop", "keep"] = "drop"
    """Whether negative values are set to 0 before the mean over heads. Where they are kept, the smallest
    value of each map is subtracted at the end, for relevance is never negative."""
    combine: Literal["rollout", "sum"] = "rollout"
    """R ← R + Ā·R over the layers, or the plain sum of their Ā (towers with a CLS token)."""

    def weigh(self, layer: AttentionLayer, gradient: Tensor, rows: slice) -> Tensor:
        """Ā before the mean over heads, for these query rows: B×H×R×T."""
        weighted = layer.gradient(gradient, rows)
        if self.weight == "gradient-attention":
            weighted.mul_(layer.probabilities(rows))
        return weighted.clamp_(min=0) if self.negative == "drop" else weighted

    def lift(self, relevance: Tensor) -> Tensor:
        """B×h×w, ≥ 0: shifted where negative values were kept."""
        return relevance - relevance.amin(dim=(1, 2), keepdim=True) if self.negative == "keep" else relevance


class Blocks(NamedTuple):
    """Explained layers, counted from 0, both included."""

    first: int
    last: int

    @property
    def layers(self) -> range:
        """All of them."""
        return range(self.first, self.last + 1)


def explain(
    classifier: Classifier,
    images: Tensor,
    specifications: Sequence[Specification],
    objective: Objective,
    rule: Rule,
) -> Explanation:
    """images B×3×S×S → logits B×C and for each specification relevance B×h×w, float32, ≥ 0.

    Parameters are frozen and the classifier is in evaluation mode meanwhile; both are restored. Raises
    ``InputError`` for layers that the model does not have, a model without ``scaled_dot_product_attention``
    or whose features come neither from a CLS token before the patch tokens nor from an attention pool with
    one query; ``WorkError`` where the relevance is not finite.
    """
    tower = tower_of(classifier, images)
    blocks = [blocks_of(one, tower, classifier) for one in specifications]
    with torch.inference_mode(False), torch.enable_grad(), frozen(cast(nn.Module, classifier)):
        with record(union(blocks)) as recording:
            features = classifier.features(images.detach())
        if recording.depth != tower.depth:
            raise WorkError(
                f"Expected {tower.depth} attention layers in every forward but saw {recording.depth}."
            )
        seen = features.detach()
        logits = classifier.logits(seen).detach()
        passes = directions(seen, specifications, objective)
        with torch.autocast(images.device.type, enabled=False):
            rows: dict[tuple[Scalar, Blocks], Tensor] = {}
            for number, (direction, scalars) in enumerate(passes, start=1):
                gradients = _backward(features, direction, recording.layers, keep=number < len(passes))
                wanted = {
                    one for one, spec in zip(blocks, specifications, strict=True) if spec.scalar in scalars
                }
                found = walk(recording.layers, gradients, wanted, rule, tower)
                rows |= {(scalar, one): row for scalar in scalars for one, row in found.items()}
    grid = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
    relevance = (rows[spec.scalar, one] for one, spec in zip(blocks, specifications, strict=True))
    return Explanation(
        logits, tuple(rule.lift(on_grid(row, grid, cls=not tower.pooled)) for row in relevance), seen
    )


def class_score(classifier: Classifier, targets: Tensor) -> Objective:
    """The objective of an explanation: each picture's score of its target class (targets B)."""

    def objective(features: Tensor, scalar: Scalar) -> Tensor:
        return of_class(classifier.score(features, scalar), targets)

    return objective


def of_class(scores: Tensor, targets: Tensor) -> Tensor:
    """scores B×C, targets B → B. Raises ``InputError`` for a target that is no class."""
    classes = scores.shape[-1]
    if targets.numel() and (int(targets.min()) < 0 or int(targets.max()) >= classes):
        raise InputError(f"Expected targets within 0..{classes - 1} but got {targets.tolist()}.")
    return scores.gather(-1, targets.to(scores.device).long().unsqueeze(-1)).squeeze(-1)


def blocks_of(specification: Specification, tower: Tower, classifier: Classifier) -> Blocks:
    """The layers that a specification covers.

    Raises ``InputError`` for layers that the model does not have, features that come from several tokens, and
    layers that end before an attention pool.
    """
    first, last = resolve(specification.layers, tower.depth, classifier.family)
    if not tower.one_row:
        raise InputError(
            "Expected image features from a CLS token or from an attention pool with one query, but the "
            "model's come from several tokens of its last attention layer (mean pooling or several queries).",
            where=type(classifier.model).__name__,
            next_step="prediction works, and so do attributions that need no attention",
        )
    if tower.pooled and last != tower.depth:
        raise InputError(
            f"Expected layers that end at the attention pool, which is layer {tower.depth}, but got "
            f"{specification.layers!r}.",
            next_step=f"no token stands for the picture before the pool: choose for example "
            f"--layers {first}..{tower.depth}",
        )
    return Blocks(first - 1, last - 1)


def union(blocks: Collection[Blocks]) -> range:
    """From the first to the last layer of any of them."""
    return range(min(one.first for one in blocks), max(one.last for one in blocks) + 1)


def directions(
    features: Tensor, specifications: Sequence[Specification], objective: Objective
) -> list[tuple[Tensor, set[Scalar]]]:
    """∂y/∂features of each scalar, B×F; scalars whose gradients are equal share one.

    (The dot product and the native logit of a linear head do: they differ by the bias alone.)
    """
    passes: list[tuple[Tensor, set[Scalar]]] = []
    for scalar in dict.fromkeys(one.scalar for one in specifications):
        leaf = features.detach().requires_grad_()
        (direction,) = torch.autograd.grad(objective(leaf, scalar).sum(), leaf)
        same = next((scalars for known, scalars in passes if torch.equal(known, direction)), None)
        if same is None:
            passes.append((direction, {scalar}))
        else:
            same.add(scalar)
    return passes


def _backward(
    features: Tensor, direction: Tensor, layers: Mapping[int, AttentionLayer], *, keep: bool
) -> dict[int, Tensor]:
    """∂y/∂o of every recorded layer in one backward."""
    outputs = [layer.output for layer in layers.values()]
    gradients = torch.autograd.grad(features, outputs, direction, retain_graph=keep, materialize_grads=True)
    return dict(zip(layers, gradients, strict=True))


def walk(
    layers: Mapping[int, AttentionLayer],
    gradients: Mapping[int, Tensor],
    wanted: set[Blocks],
    rule: Rule,
    tower: Tower,
) -> dict[Blocks, Tensor]:
    """Rows B×T of the CLS token or the pool; ranges that end at the same layer share their way down."""
    found: dict[Blocks, Tensor] = {}
    for last in {one.last for one in wanted}:
        firsts = {one.first for one in wanted if one.last == last}
        row = _start(layers[last], gradients[last], rule, tower)
        for index in range(last, min(firsts) - 1, -1):
            if index < last:
                row = _step(layers[index], gradients[index], row, rule, tower)
            if index in firsts:
                found[Blocks(index, last)] = row
    return found


def _start(layer: AttentionLayer, gradient: Tensor, rule: Rule, tower: Tower) -> Tensor:
    """e_CLS + e_CLS·Ā, which reads the CLS row of Ā alone, or the pool's row; B×T."""
    row = rule.weigh(layer, gradient, _FIRST).mean(dim=1)[:, 0]
    if not tower.pooled:
        row[:, 0] += 1
    return row


def _step(layer: AttentionLayer, gradient: Tensor, row: Tensor, rule: Rule, tower: Tower) -> Tensor:
    """r + r·Ā, B×T."""
    queries, keys = layer.query.shape[-2], layer.key.shape[-2]
    if rule.combine == "sum":
        if tower.pooled:
            raise InputError(
                "Expected a tower with a CLS token for the sum of its layers' maps but this one has an "
                "attention pool.",
                next_step="choose --layers last, or combine=rollout where the attribution has it",
            )
        return row + rule.weigh(layer, gradient, _FIRST).mean(dim=1)[:, 0]
    if queries != keys or row.shape[-1] > keys:
        raise InputError(
            f"Expected self-attention in every explained layer but one maps {keys} tokens "
            f"to {queries} and the next reads {row.shape[-1]}.",
            next_step="choose layers before or after it, for example --layers last",
        )
    # A pool over the patch tokens alone leaves out what stands before them.
    row = F.pad(row, (keys - row.shape[-1], 0))
    parts = [
        _through(rule.weigh(layer.of_pictures(part), gradient[part], slice(None)), row[part])
        for part in _parts(layer)
    ]
    return row + torch.cat(parts)


def over_heads(layer: AttentionLayer, gradient: Tensor, rule: Rule) -> Tensor:
    """Ā of all query rows of a layer from ∂y/∂o (B×H×Q×d), B×Q×T."""
    parts = [
        rule.weigh(layer.of_pictures(part), gradient[part], slice(None)).mean(dim=1) for part in _parts(layer)
    ]
    return torch.cat(parts)


def _through(weighted: Tensor, row: Tensor) -> Tensor:
    """r·E_heads[weighted], B×T; the mean over heads is taken of the product, which is smaller."""
    return (row[:, None, None, :] @ weighted).mean(dim=1)[:, 0]


def _parts(layer: AttentionLayer) -> Iterator[slice]:
    """Parts of the batch whose attention maps are small enough to hold at once."""
    pictures, heads, queries, _ = layer.query.shape
    size = max(1, _CHUNK // (heads * queries * layer.key.shape[-2]))
    return (slice(start, start + size) for start in range(0, pictures, size))


def on_grid(row: Tensor, grid: tuple[int, int], *, cls: bool) -> Tensor:
    """Relevance of tokens B×T → B×h×w, that of the patches, which come last, after a CLS token or not.

    Raises ``InputError`` where there are fewer tokens, ``WorkError`` where the relevance is not finite.
    """
    height, width = grid
    if row.shape[-1] < height * width + cls:
        raise InputError(
            f"Expected {'a CLS token and ' if cls else ''}{height}×{width} patch tokens but got "
            f"{row.shape[-1]} tokens.",
            next_step="the model's patch_grid and its tokens do not fit, or it has no CLS token",
        )
    relevance = row[:, -height * width :].reshape(-1, height, width)
    if not bool(relevance.isfinite().all()):
        raise WorkError(
            "Expected finite relevance but got infinite values or NaN.",
            next_step="explain without mixed precision, and check the run's loss for NaN",
        )
    return relevance
