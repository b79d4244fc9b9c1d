"""Which modules a command loads, in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from .conftest import ENVIRONMENT

_PROBE = """
import json, sys
sys.argv = ["rationale", *sys.argv[1:]]
from rationale_cli.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(*words: str, heavy: Collection[str], cwd: Path | None = None) -> set[str]:
    """Those of ``heavy`` that the command loads; it must say something and end well."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *words],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=cwd,
        check=True,
    )
    assert done.stdout
    return {*heavy} & {*json.loads(done.stderr.splitlines()[-1])}
