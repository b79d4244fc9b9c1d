"""rationale: is a fine-tuned vision-language model right for the right reasons?

``finetune``, ``explain``, ``score``, ``calibrate``, ``report`` and ``load_run`` are the library's doors; they
are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stages.verbs import calibrate, explain, finetune, load_run, report, score

__version__ = "0.1.0"

__all__ = ["__version__", "calibrate", "explain", "finetune", "load_run", "report", "score"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from .stages import verbs

        return getattr(verbs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
