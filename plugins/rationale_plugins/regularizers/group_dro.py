"""The groups that do worst weigh most: robust optimisation over groups.

Shapes: B pictures, G groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rationale_cli.contracts import GROUPS, Outputs, RegularizerOptions, Setting


class GroupDro:
    """Σ_g q_g · loss of group g, in place of the mean loss over pictures.

    Sagawa, Koh, Hashimoto and Liang 2020, "Distributionally Robust Neural Networks for Group Shifts". At each
    step q_g ← q_g · exp(η · loss of g), and q is brought to a sum of 1. The paper draws groups evenly;
    batches here are drawn as ever, and a picture of a group with N_g of all N counts N/N_g times, which is
    the same in expectation. The term is the cross-entropy weighted so less the plain one: with a weight of 1
    and a method whose loss is the cross-entropy (ft, lp) the loss is the paper's. Of a big network the paper
    asks for a strong penalty besides (``train.weight_decay``), else each group's loss goes to 0.
    """

    class Options(RegularizerOptions):
        """Options of robust optimisation over groups."""

        step_size: float = Field(default=0.01, gt=0)
        """η, by which the groups' weights change: the paper's."""
        adjustment: float = Field(default=0.0, ge=0)
        """C of C/√N_g, which is added to the loss of a group before q is changed: small groups generalise
        worse."""

    needs: ClassVar[tuple[str, ...]] = ("logits", GROUPS)

    def __init__(self, options: Options) -> None:
        self.options = options

    def build(self, setting: Setting) -> WorstGroups:
        """Every group weighs the same at first."""
        return WorstGroups(list(setting.groups.values()), self.options)


class WorstGroups(nn.Module):
    """The cross-entropy by groups' weights less the plain one; ``sizes``: pictures of each of G groups."""

    log_weights: Tensor
    sizes: Tensor

    def __init__(self, sizes: Sequence[int], options: GroupDro.Options) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.tensor(sizes, dtype=torch.float32))
        self.register_buffer("log_weights", torch.zeros(len(sizes)))
        self._options = options

    def kept(self) -> Mapping[str, Tensor]:
        """ln q, but for a constant."""
        return {"log_weights": self.log_weights}

    def forward(self, inputs: Tensor, labels: Tensor, outputs: Outputs, groups: Tensor) -> Tensor:
        """Logits B×C, labels B, groups B → scalar."""
        assert outputs.logits is not None
        losses = F.cross_entropy(outputs.logits, labels, reduction="none")
        # How often a picture would be drawn if groups were drawn evenly, against how often it is.
        rarity = (self.sizes.sum() / self.sizes)[groups]
        self._learn(losses.detach(), rarity, groups)
        weights = self.log_weights.softmax(dim=0)[groups] * rarity
        return ((weights - 1).to(losses.dtype) * losses).mean()

    def _learn(self, losses: Tensor, rarity: Tensor, groups: Tensor) -> None:
        """q ← q · exp(η · losses of the groups), by the batch of all processes."""
        found = torch.zeros_like(self.log_weights).index_add_(0, groups, rarity * losses.float())
        found /= len(losses)
        if dist.is_initialized():
            dist.all_reduce(found)
            found /= dist.get_world_size()
        self.log_weights += self._options.step_size * (found + self._options.adjustment / self.sizes.sqrt())
