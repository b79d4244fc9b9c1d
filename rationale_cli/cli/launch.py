"""One command in several processes of this machine."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from ..errors import WorkError
from .options import HOW

Processes = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Processes (GPUs) of this machine that share the work; several machines: `accelerate launch`.",
        rich_help_panel=HOW,
    ),
]


def relaunched(processes: int) -> bool:
    """Run this very command line in ``processes`` processes and wait; False where that is not needed.

    Raises ``typer.Exit`` with the failed process's exit code, and ``WorkError`` where one was killed.
    """
    if processes == 1 or "WORLD_SIZE" in os.environ:
        return False
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // processes, 1)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(os.getpid()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "rationale_cli", *sys.argv[1:])
    except ChildFailedError as error:
        codes = [failure.exitcode for failure in error.failures.values()]
        # The others are ended by SIGTERM, or by an error that the lost one brought about.
        killed = [-code for code in codes if code < 0 and -code != signal.SIGTERM]
        if not killed:
            # The process that failed has told its error itself.
            raise typer.Exit(next((code for code in codes if code > 0), 1)) from None
        name = signal.Signals(killed[0]).name
        raise WorkError(
            f"One of {processes} processes was killed by {name}, and the others were stopped.",
            next_step="give the same command again: it goes on where it stopped. Where memory ran out, use a "
            "smaller --batch-size or fewer --processes",
        ) from None
    return True
