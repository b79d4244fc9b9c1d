"""Base and new classes side by side: what tuning on one half of the classes did to the other.

Accuracies are joined by their harmonic mean H = 2ab/(a + b), as in CoCoOp. Calibration errors are shown apart
and by their arithmetic mean, which is what published "HM" columns of ECE hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .base_new_results import BaseNew
from .estimates import Estimate, defined
from .results import ScoreTable
from .run_results import RunScore

Floats = npt.NDArray[np.float64]

BASE, NEW = "-base", "-new"
_REPLICATES = 10_000
_SHARES = (0.025, 0.975)


def base_new(tables: Sequence[ScoreTable]) -> tuple[BaseNew, ...]:
    """Every run that stands in the tables of both halves of a split (first threshold of each)."""
    rows: dict[tuple[str, str, str], RunScore] = {}
    for table in tables:
        for row in table.rows:
            rows.setdefault((table.dataset, table.split, row.run), row)
    pairs = [
        (dataset, split.removesuffix(BASE), row, rows.get((dataset, split.removesuffix(BASE) + NEW, run)))
        for (dataset, split, run), row in rows.items()
        if split.endswith(BASE)
    ]
    return tuple(_joined(dataset, split, base, new) for dataset, split, base, new in pairs if new is not None)


def harmonic(base: Estimate, new: Estimate, seed: int = 0) -> Estimate:
    """2ab/(a + b) of two accuracies with a bootstrap interval; 0 where one of them is, None where unknown."""
    if base.value is None or new.value is None:
        return Estimate(None, None, None, base.n + new.n)
    rng = np.random.default_rng(seed)
    first, second = (rng.binomial(one.n, one.value or 0.0, size=_REPLICATES) / one.n for one in (base, new))
    low, high = np.quantile(_mean(first, second), _SHARES)
    value = _mean(np.array([base.value]), np.array([new.value]))[0]
    return Estimate(float(value), float(low), float(high), base.n + new.n)


def _mean(first: Floats, second: Floats) -> Floats:
    total = first + second
    return np.asarray(np.divide(2 * first * second, total, out=np.zeros_like(total), where=total > 0))


def _joined(dataset: str, split: str, base: RunScore, new: RunScore) -> BaseNew:
    both = _measures(base), _measures(new)
    errors = [one["ECE"].value for one in both if "ECE" in one]
    known = [one for one in errors if one is not None]
    return BaseNew(
        run=base.run,
        dataset=dataset,
        split=split,
        base=both[0],
        new=both[1],
        H=harmonic(both[0]["accuracy"], both[1]["accuracy"]),
        ECE=defined(sum(known) / 2) if len(known) == 2 else None,
    )


def _measures(row: RunScore) -> dict[str, Estimate]:
    found = {name: row.metrics[name] for name in ("accuracy", "V", "PT", "IR")}
    if row.calibration is not None:
        told = row.calibration.predictions[0].metrics
        found |= {name: told[name] for name in ("overconfidence", "ECE", "PIECE") if name in told}
    return found
