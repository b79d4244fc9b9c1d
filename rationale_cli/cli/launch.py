"""One command in several processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from .options import HOW

Processes = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Processes (GPUs) of this machine to share the work; for several machines use `accelerate launch`.",
        rich_help_panel=HOW,
    ),
]


def relaunched(processes: int) -> bool:
    """Run this very command line in ``processes`` processes and wait; False where that is not needed.

    Raises ``typer.Exit`` with the processes' exit code where it is not 0.
    """
    if processes == 1 or "WORLD_SIZE" in os.environ:
        return False
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
    ]
    environment = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // processes, 1)), **os.environ}
    # torchrun reports a failed rank by a long table; ranks tell their own errors.
    finished = subprocess.run([*launcher, "-m", "rationale_cli", *sys.argv[1:]], env=environment, check=False)
    if finished.returncode:
        raise typer.Exit(_meaning(finished.returncode))
    return True


def _meaning(code: int) -> int:
    return 130 if code in {-2, 130} else 1
