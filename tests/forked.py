"""A process that has imported what takes commands seconds, and forks once for each command.

The child is a process like any other: its folder, environment and streams are the request's, it imports
every module of the project anew, and it ends with an exit code after its exit functions. What it saves are
the imports of libraries, and taking them down. Run as a script, with one request a line on standard input
and one exit code a line in answer.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import traceback
from typing import Any

SLOW = ("accelerate", "matplotlib.pyplot", "pyarrow.parquet", "scipy.stats", "torch", "torch._dynamo")
SECONDS = 800


def serve() -> dict[str, Any]:
    """Answer requests; what returns is a child, with the request that it shall carry out."""
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            return json.loads(line)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    os._exit(0)


def become(request: dict[str, Any]) -> None:
    """Take the request's folder, environment, streams and words."""
    signal.alarm(SECONDS)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for descriptor, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        opened = os.open(path, os.O_RDWR)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = ["rationale_cli", *request["words"]]
    sys.path[0] = request["cwd"]


def carry_out() -> int:
    """Run the command, and tell its exit code as an interpreter does."""
    try:
        runpy.run_module("rationale_cli", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    for name in SLOW:
        importlib.import_module(name)
    gc.freeze()  # so that what is shared with the children stays shared
    become(serve())
    code = carry_out()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
