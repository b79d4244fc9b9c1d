"""Attribution from attention alone: one forward, no gradient, so neither class nor scalar plays a part.

Shapes: B pictures, T tokens, h×w patch grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..contracts import Classifier, Explanation, Specification
from ..errors import InputError, WorkError
from .attention import AttentionLayer, Recording, Tower, frozen, record, tower_of
from .projections import Projections, projections
from .relevance import Blocks, Rule, blocks_of, on_grid, union, walk

Reader = Callable[[Projections, set[Blocks], Tower], dict[Blocks, Tensor]]
"""What was recorded → relevance of all tokens, B×T, for each range of layers."""


class Attended(Rule):
    """The walk of GAA over the attention maps as they are: A in the place of Ā."""

    def weigh(self, layer: AttentionLayer, gradient: Tensor, rows: slice) -> Tensor:
        """A of these query rows, B×H×R×T."""
        return layer.probabilities(rows)


def attended(
    classifier: Classifier, images: Tensor, specifications: Sequence[Specification], read: Reader
) -> Explanation:
    """images B×3×S×S → logits B×C and for each specification relevance B×h×w, float32, ≥ 0.

    Raises as ``rationale_cli.toolkit.relevance.explain`` does, and what ``read`` raises.
    """
    tower = tower_of(classifier, images)
    blocks = [blocks_of(one, tower, classifier) for one in specifications]
    layers = union(blocks)
    with torch.inference_mode(False), torch.no_grad(), frozen(cast(nn.Module, classifier)):
        with record(layers) as recording, projections(recording, layers) as found:
            features = classifier.features(images.detach())
        complete(recording, tower)
        logits = classifier.logits(features)
        with torch.autocast(images.device.type, enabled=False):
            rows = read(found, set(blocks), tower)
    grid = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
    maps = {one: on_grid(row, grid, cls=not tower.pooled) for one, row in rows.items()}
    return Explanation(logits, tuple(maps[one] for one in blocks), features)


def walked(found: Projections, wanted: set[Blocks], tower: Tower, rule: Rule) -> dict[Blocks, Tensor]:
    """Rows B×T of a rule that weighs without gradients."""
    layers = found.recording.layers
    return walk(layers, {index: one.output for index, one in layers.items()}, wanted, rule, tower)


def averaged(
    found: Projections, wanted: set[Blocks], tower: Tower, row: Callable[[int, AttentionLayer], Tensor]
) -> dict[Blocks, Tensor]:
    """The mean over the layers of a range of what ``row`` tells of each, B×T.

    Raises ``InputError`` for several layers of a tower that has an attention pool instead of a CLS token.
    """
    if tower.pooled and any(one.first != one.last for one in wanted):
        raise InputError(
            "Expected a tower with a CLS token for the mean of its layers' rows but this one has an "
            "attention pool.",
            next_step="choose --layers last",
        )
    rows = {index: row(index, layer) for index, layer in found.recording.layers.items()}
    return {one: torch.stack([rows[index] for index in one.layers]).mean(dim=0) for one in wanted}


def complete(recording: Recording, tower: Tower) -> None:
    """Raises ``WorkError`` where a forward ran other attention layers than the tower has."""
    if recording.depth != tower.depth:
        raise WorkError(
            f"Expected {tower.depth} attention layers in every forward but saw {recording.depth}."
        )
