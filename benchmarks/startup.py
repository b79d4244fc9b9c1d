"""How long a command takes before it works: ``python benchmarks/startup.py``.

Seconds, the smallest of several processes each, beside those of an interpreter that does nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time

REPEATS = 7
COMMANDS: dict[str, list[str]] = {
    "nothing": ["-c", "pass"],
    "--help": ["-m", "rationale_cli", "--help"],
    "finetune --help": ["-m", "rationale_cli", "finetune", "--help"],
    "list": ["-m", "rationale_cli", "list"],
}


def seconds(words: list[str]) -> float:
    """The smallest of several runs."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return min(taken)


if __name__ == "__main__":
    for name, words in COMMANDS.items():
        print(f"{name:16} {seconds(words):.2f} s")
