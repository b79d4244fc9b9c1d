"""Differences in calibration between a run and its baseline, on the same pictures.

They are a family of their own: adjusted together, apart from the measures of answers and evidence, whose p
values stay what they are without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .bootstrap import Resampling
from .calibration_bootstrap import ERRORS, paired_error, paired_mean
from .calibration_results import COMPARED
from .comparing import draft
from .comparison_results import Comparison, Difference
from .estimates import defined
from .measured import Measured
from .multiple import holm
from .verdict import ALPHA, plain

REPLICATES = 2_000
"""At most, of each difference of two errors."""


def compare_calibration(
    run: Measured, baseline: Measured, bins: int, how: Resampling
) -> dict[str, Difference]:
    """Differences run − baseline of probabilities as predicted; none where one of the two has none."""
    if not run.predictions or not baseline.predictions:
        return {}
    first, second = (next(iter(one.predictions.values())).predicted for one in (run, baseline))
    fewer = replace(how, replicates=min(how.replicates, REPLICATES))
    found = {
        "overconfidence": paired_mean(first.confidence - first.right, second.confidence - second.right),
        "NLL": paired_mean(-first.log_true, -second.log_true),
        "Brier": paired_mean(first.brier, second.brier),
    }
    found |= {
        kind.name: paired_error(first, second, kind, bins, fewer) for kind in ERRORS if kind.name in COMPARED
    }
    return {metric: draft(metric, found[metric]) for metric in COMPARED}


def settle_calibration(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Adjust all differences in calibration of one table by Holm's method."""
    family = [one for comparison in comparisons for one in comparison.calibration.values()]
    adjusted = iter(holm([np.nan if one.p is None else one.p for one in family]).tolist())
    return tuple(
        replace(
            comparison,
            calibration={
                metric: _settled(one, next(adjusted)) for metric, one in comparison.calibration.items()
            },
        )
        for comparison in comparisons
    )


def _settled(one: Difference, p_holm: float) -> Difference:
    return replace(one, p_holm=defined(p_holm), significant=p_holm < ALPHA, verdict=plain(p_holm))
