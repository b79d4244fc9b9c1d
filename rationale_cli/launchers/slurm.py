"""Tasks as jobs on SLURM through submitit, or as processes of this machine by submitit's local executor."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..recipe.launching import SlurmOptions
from . import Ended, Task

try:
    import submitit
    from submitit.core.utils import DelayedSubmission, FailedJobError
except ImportError as error:
    raise InputError(
        "Expected the package submitit but it is not installed.", next_step="pip install 'rationale[slurm]'"
    ) from error

_PATIENCE = {"local": 2.0, "slurm": 30.0}
"""Seconds after a job's end until its result must be there: shared file systems tell late."""


@contextmanager
def _interruptible() -> Iterator[None]:
    """Processes that are started within heed SIGINT, by which local jobs are cancelled.

    They inherit that it is ignored, as it is in what a shell runs in the background.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass
class _Job:
    """A task's job at hand."""

    task: Task
    job: submitit.Job[Any]
    tries: int
    """Which one this is, from 1."""
    over: float | None = None
    """Since when it is known to be over without a result."""


@dataclass(frozen=True)
class _Resumable:
    """A task that submitit queues again where its time is up or it is preempted."""

    task: Task

    def __call__(self) -> Any:
        return self.task()

    def checkpoint(self) -> DelayedSubmission:
        """The same once more: it goes on where it stopped."""
        return DelayedSubmission(self)


class SlurmLauncher:
    """See ``rationale_cli.launchers.Launcher``."""

    def __init__(self, options: SlurmOptions, folder: Path, name: str, note: Callable[[str], None]) -> None:
        self._options = options
        self._cluster = _cluster(options)
        if self._cluster == "local" and options.cluster is None:
            note("There is no SLURM here: its jobs are processes of this machine (launcher.cluster local).")
        self._executor = submitit.AutoExecutor(folder / "%j", cluster=self._cluster)
        self._executor.update_parameters(**self._parameters(name))
        here = max((os.cpu_count() or 1) // options.cpus, 1) if self._cluster == "local" else sys.maxsize
        self.at_once = options.workers or here
        self._open: list[_Job] = []

    def submit(self, tasks: Sequence[Task]) -> None:
        """See ``Launcher``."""
        self._submit([(task, 1) for task in tasks])

    def ended(self, seconds: float) -> Iterator[Ended]:
        """See ``Launcher``."""
        deadline = time.monotonic() + seconds
        while True:
            found = [one for one in map(self._ended, list(self._open)) if one is not None]
            if found or time.monotonic() > deadline:
                yield from found
                return
            time.sleep(0.1)

    def close(self) -> None:
        """See ``Launcher``."""
        for one in self._open:
            one.job.cancel(check=False)

    def _submit(self, tasks: Sequence[tuple[Task, int]]) -> None:
        try:
            with _interruptible():
                jobs = self._executor.submit_array([_Resumable(task) for task, _ in tasks])
        except FailedJobError as error:
            raise InputError(
                f"Expected SLURM to take the jobs but it refused them: {error}",
                where="launcher",
                next_step="check launcher.partition, launcher.account and launcher.sbatch",
            ) from error
        self._open += [_Job(task, job, tries) for (task, tries), job in zip(tasks, jobs, strict=True)]

    def _ended(self, one: _Job) -> Ended | None:
        """The end of a job's task; None where it goes on, perhaps as another job."""
        if one.job.paths.result_pickle.exists():
            self._open.remove(one)
            try:
                return Ended(one.task, one.job.result())
            except FailedJobError as error:
                return Ended(one.task, lost=str(error))
        if not one.job.done():
            return None
        one.over = one.over or time.monotonic()
        if time.monotonic() - one.over < _PATIENCE[self._cluster]:
            return None
        self._open.remove(one)
        state = one.job.state
        # Who cancels a job means it.
        if one.tries <= self._options.retries and not state.startswith("CANCELLED"):
            self._submit([(one.task, one.tries + 1)])
            return None
        return Ended(
            one.task, lost=f"job {one.job.job_id} ended without a result ({state}); {one.job.paths.stderr}"
        )

    def _parameters(self, name: str) -> dict[str, Any]:
        options = self._options
        gpus = options.gpus
        if gpus is None and self._cluster == "local":
            import torch

            gpus = min(torch.accelerator.device_count(), 1)
        return {
            "name": name,
            "timeout_min": options.time,
            "cpus_per_task": options.cpus,
            "gpus_per_node": gpus or None,
            "mem_gb": options.memory,
            "slurm_partition": options.partition,
            "slurm_account": options.account,
            "slurm_additional_parameters": options.sbatch or None,
        }


def _cluster(options: SlurmOptions) -> str:
    """Raises ``InputError`` where SLURM is asked for and not there."""
    found = submitit.AutoExecutor.which()
    if options.cluster == "slurm" and found != "slurm":
        raise InputError(
            "Expected SLURM's commands (srun, sbatch) but they are not here.",
            where="launcher.cluster",
            next_step="run this on a machine of the cluster, or `--set launcher.cluster=local` here",
        )
    return options.cluster or ("slurm" if found == "slurm" else "local")
