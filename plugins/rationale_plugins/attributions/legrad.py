"""LeGrad: how sensitive the score of each layer's own features is to that layer's attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import Classifier, Explanation, PluginOptions, Scalar, Specification
from rationale_cli.toolkit.attended import complete
from rationale_cli.toolkit.attention import AttentionLayer, Recording, Tower, frozen, record, tower_of
from rationale_cli.toolkit.exits import Exits, ending_of, exits
from rationale_cli.toolkit.layers import parse
from rationale_cli.toolkit.relevance import Blocks, blocks_of, class_score, directions, on_grid, union

_FIRST = slice(0, 1)
"""The row of the CLS token, or of an attention pool's query."""


class LeGradOptions(PluginOptions):
    """Options of ``legrad``."""

    last: int = Field(default=2, ge=1)
    """How many layers ``--layers last`` covers; the authors' code explains the last two."""


class LeGrad:
    """LeGrad (Bousselham et al. 2024): E_heads[(∂s_l/∂A_l)⁺] in the CLS row, averaged over the layers l.

    s_l is the score of the features that the model would have if layer l were its last one: the layer's CLS
    token through the model's own last norm and projection. In a tower with an attention pool the tokens that
    enter layer l go through the pool, and A is the pool's.
    """

    Options = LeGradOptions
    needs: ClassVar[tuple[str, ...]] = ()
    specified: ClassVar[bool] = True

    def __init__(self, options: LeGradOptions) -> None:
        self._last = options.last

    def explain(
        self,
        classifier: Classifier,
        images: Tensor,
        targets: Tensor,
        specifications: Sequence[Specification],
    ) -> Explanation:
        """See ``Attribution.explain``.

        Raises as ``rationale_cli.toolkit.relevance.explain`` does, and ``InputError`` for a tower without a
        layer norm at its end or before its layers.
        """
        tower = tower_of(classifier, images)
        ending = ending_of(classifier, images, tower)
        blocks = [self._blocks(one, tower, classifier) for one in specifications]
        layers = union(blocks)
        # The tokens that leave a block enter the next layer; those that the pool is to read enter this one.
        ahead = 0 if tower.pooled else 1
        with torch.inference_mode(False), torch.enable_grad(), frozen(cast(nn.Module, classifier)):
            recorded = range(tower.depth - 1, tower.depth) if tower.pooled else layers
            wanted = range(layers.start + ahead, layers.stop + ahead)
            with record(recorded) as recording, exits(recording, ending, wanted) as found:
                features = classifier.features(images.detach())
            complete(recording, tower)
            places = found.rows(features)
            seen = features.detach()
            whole = seen[places[ending.layer]]
            logits = classifier.logits(whole).detach()
            objective = class_score(classifier, targets.repeat(len(places)))
            rows: dict[tuple[Scalar, int], Tensor] = {}
            for direction, scalars in directions(seen, specifications, objective):
                rows |= {
                    (scalar, layer): row
                    for layer, row in _rows(_Forward(recording, found, features, tower), direction, layers)
                    for scalar in scalars
                }
        grid = classifier.model.patch_grid(images.shape[-2], images.shape[-1])
        relevance = (
            torch.stack([rows[spec.scalar, index] for index in one.layers]).mean(dim=0)
            for one, spec in zip(blocks, specifications, strict=True)
        )
        cls = not tower.pooled
        return Explanation(logits, tuple(on_grid(row, grid, cls=cls) for row in relevance), whole)

    def _blocks(self, specification: Specification, tower: Tower, classifier: Classifier) -> Blocks:
        """As asked for; a single last layer that was asked for by a word becomes the last ones."""
        first, last = blocks_of(specification, tower, classifier)
        if parse(specification.layers) is None and first == last:
            first = max(0, last + 1 - self._last)
        return Blocks(first, last)


class _Forward(NamedTuple):
    """What one forward with exits left."""

    recording: Recording
    exits: Exits
    features: Tensor
    tower: Tower


def _rows(forward: _Forward, direction: Tensor, layers: range) -> Iterator[tuple[int, Tensor]]:
    """Each layer's row, B×T; ``direction`` is ∂y/∂features of all exits."""
    recording, found, features, tower = forward
    if tower.pooled:
        pool = recording.layers[tower.depth - 1]
        (towards,) = torch.autograd.grad(features, pool.output, direction, retain_graph=True)
        row = _row(pool, towards)
        yield from ((layer, row[found.rows(features)[layer]]) for layer in layers)
        return
    leaves = list(found.leaves.values())
    at_ends = torch.autograd.grad(features, leaves, direction, retain_graph=True, materialize_grads=True)
    towards_end = dict(zip(found.leaves, at_ends, strict=True))
    for layer in layers:
        # From the end of a block to its own attention: no other layer lies between.
        attention, end = recording.layers[layer], layer + 1
        (towards,) = torch.autograd.grad(
            found.ends[end], attention.output, towards_end[end], retain_graph=True
        )
        yield layer, _row(attention, towards)


def _row(layer: AttentionLayer, towards_output: Tensor) -> Tensor:
    """The mean over heads of the CLS row of (∂s/∂A)⁺, B×T."""
    with torch.autocast(towards_output.device.type, enabled=False):
        return layer.gradient(towards_output, _FIRST).clamp_(min=0).mean(dim=1)[:, 0]
