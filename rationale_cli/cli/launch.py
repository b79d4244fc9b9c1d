"""One command in several processes of this machine."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

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

    Raises ``typer.Exit`` with the failed process's exit code.
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
        # The process that failed has told its error itself.
        codes = [failure.exitcode for failure in error.failures.values()]
        raise typer.Exit(codes[0] if codes and codes[0] > 0 else 1) from None
    return True
