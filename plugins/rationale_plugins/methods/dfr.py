"""DFR: fine-tuning, then a last layer that held-out pictures of every group make anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from pydantic import Field

from rationale_cli.contracts import Fitted, Support
from rationale_cli.toolkit.encoding import encoded
from rationale_cli.toolkit.heads import LinearClassifier

from ._balancing import balanced_regression
from .fine_tuning import FineTuning


class Dfr(FineTuning):
    """Fine-tuning, whose head is then replaced by regressions on the tuned features of held-out pictures.

    Kirichenko, Izmailov and Wilson 2023, "Last Layer Re-Training is Sufficient for Robustness to Spurious
    Correlations" (deep feature reweighting): the encoder has learned what tells classes apart beside what
    goes with them, and a head that sees every group equally often reads the former. The head is the mean of
    regressions on balanced subsets. Groups are those of the data (class and what it stands on), or the
    classes where the data know none. Pictures are those of ``train.validation``, in which rare groups should
    not be rare, or some that are held out of the training split. The penalty is on squared weights; the
    paper's is on absolute ones.
    """

    class Options(FineTuning.Options):
        """Options of DFR; those of fine-tuning hold for the first stage."""

        subsets: int = Field(default=20, ge=1)
        """Balanced subsets whose regressions are averaged: as many as in the paper."""
        strengths: int = Field(default=10, ge=1)
        """Strengths of the regression that are tried: C from 1e-7 to 1e2, evenly on a logarithmic scale."""

    validates: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._subsets, self._strengths = options.subsets, options.strengths

    def finish(self, fitted: Fitted, support: Support) -> Mapping[str, float]:
        """Fit the head anew; returns what was chosen, and on how much. Raises as ``Support.batches`` does."""
        classifier = cast(LinearClassifier, fitted.classifier)
        features, labels = encoded(classifier, support, "validation")
        known = support.groups("validation")
        groups = labels.cpu() if known is None else known
        found = balanced_regression(
            (features, labels), groups, support.classes, self._strengths, self._subsets
        )
        classifier.head.weight.copy_(found.weight)
        classifier.head.bias.copy_(found.bias)
        return {
            "strength": found.strength,
            "worst_group_validation_accuracy": found.worst,
            "groups": float(len(groups.unique())),
            "pictures_of_each_group": float(found.of_each),
        }
