"""A format: what somebody else saved, read as the classifier of a method here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from rationale_cli.contracts import Fitted, ForeignCheckpoint, Restored, Task
from rationale_cli.errors import InputError


class ClassMeans:
    """The mean feature of each class, ``means`` C×F: a picture belongs to the nearest of them."""

    # By what it is known, for messages and `rationale info`.
    expects: ClassVar[str] = "class means (means C×F and nothing else)"
    # Methods whose classifier it is, the usual one first.
    methods: ClassVar[tuple[str, ...]] = ("rationale:lp",)

    def knows(self, names: Collection[str]) -> bool:
        """By its names alone; of all formats at most one should know a file."""
        return set(names) == {"means"}

    def options(self, checkpoint: ForeignCheckpoint, method: str) -> Mapping[str, Any]:
        """Options of the method that the tensors decide, such as the length of a context; none here."""
        return {}

    def restore(self, checkpoint: ForeignCheckpoint, fitted: Fitted, task: Task) -> Restored:
        """‖f − μ‖² is smallest where f·μ − ½‖μ‖² is largest, and that is a linear head."""
        means = checkpoint.tensors["means"].float()
        wanted = fitted.classifier.delta()["head.weight"].shape
        if means.shape != wanted:
            raise InputError(
                f"Expected means {wanted[0]}×{wanted[1]}, classes by features, but got {tuple(means.shape)}.",
                where=str(checkpoint.path),
                next_step="choose the data (--dataset, --data) and the model that they were computed for",
            )
        return Restored({"head.weight": means, "head.bias": -means.square().sum(dim=1) / 2})
