"""The tool as a library: the verbs as functions of plain arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import Progress
from ..runs.folder import Run

if TYPE_CHECKING:
    from ..measures.results import ScoreResult
    from .calibrate import CalibrateResult, Method

Reference = Run | str | Path
"""A run, its name below the runs folder, or its path."""


def load_run(run: Reference, root: str | Path = "runs") -> Run:
    """Open a run folder. Raises ``InputError`` where there is none."""
    return run if isinstance(run, Run) else Run.open(run, Path(root))


def finetune(
    settings: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    root: str | Path = "runs",
    progress: Progress | None = None,
) -> Run:
    """Tune a model and return its run.

    ``settings`` are sections or dotted keys as in a recipe: ``{"model": "tiny-clip", "method": "ft",
    "train.epochs": 1}``. Raises what ``stages.finetune.run`` does.
    """
    from ..engine.configure import configure
    from ..recipe import Draft, from_mapping
    from ..registry import Registry
    from .finetune import FinetuneRequest, run

    configuration = configure(Draft(from_mapping(settings or {}, "settings")), Registry.discover())
    return run(FinetuneRequest(configuration, Path(root), name), progress).run


def explain(
    run: Reference,
    settings: Mapping[str, Any] | None = None,
    *,
    attribution: str | None = None,
    root: str | Path = "runs",
    progress: Progress | None = None,
) -> Run:
    """Write the evidence of a run and return the run.

    ``settings`` are keys of ``explain`` and ``attribution``: ``{"explain.layers": ["last", "all"]}``.
    Raises what ``stages.explain.run`` does.
    """
    from ..engine.request import requested
    from ..recipe import from_mapping
    from ..registry import Registry
    from .explain import run as stage

    layer = from_mapping(settings or {}, "settings")
    request = requested(load_run(run, root), Registry.discover(), layer, attribution)
    return stage(request, progress).run


def score(
    runs: Sequence[Reference],
    *,
    thresholds: Sequence[float] = (0.5,),
    baseline: str | None = None,
    root: str | Path = "runs",
    progress: Progress | None = None,
) -> ScoreResult:
    """Score runs and compare them with the baseline. Raises what ``stages.score.run`` does."""
    from .score import ScoreRequest, run

    opened = tuple(load_run(one, root) for one in runs)
    return run(ScoreRequest(opened, thresholds=tuple(thresholds), baseline=baseline), progress)


def calibrate(
    run: Reference,
    fit: str,
    method: Method = "temperature",
    *,
    root: str | Path = "runs",
    progress: Progress | None = None,
) -> CalibrateResult:
    """Fit a post-hoc method on the split ``fit`` and write the other splits' confidences anew, beside.

    Raises what ``stages.calibrate.run`` does.
    """
    from ..registry import Registry
    from .calibrate import CalibrateRequest
    from .calibrate import run as stage

    return stage(CalibrateRequest(load_run(run, root), method, fit, Registry.discover()), progress)


def report(
    runs: Sequence[Reference],
    output: str | Path,
    *,
    root: str | Path = "runs",
    progress: Progress | None = None,
) -> Path:
    """Write the HTML report of runs and return its path. Raises what ``stages.report.run`` does."""
    from .report import ReportRequest, run

    opened = tuple(load_run(one, root) for one in runs)
    return run(ReportRequest(opened, Path(output)), progress).path
