"""What every plugin class must have, whatever its kind."""

from __future__ import annotations

import inspect

from ..contracts import PluginOptions
from ..registry import contract_faults
from .demands import demand


def check_plugin(kind: str, plugin: type) -> None:
    """Check a class: the contract's members, and options that can be documented and recorded.

    ``kind``: ``model``, ``method``, ``attribution``, ``dataset``, ``regularizer`` or ``format``, which has no
    options.
    """
    faults = contract_faults(kind, plugin)
    demand(not faults, f"{plugin.__name__} is no {kind}: {'; '.join(faults)}")
    demand(bool(inspect.getdoc(plugin)), f"{plugin.__name__} needs a docstring: `rationale info` prints it")
    needs = getattr(plugin, "needs", ())
    demand(
        isinstance(needs, tuple) and all(isinstance(one, str) for one in needs),
        f"{plugin.__name__}.needs must be a tuple of names but is {needs!r}",
    )
    options = getattr(plugin, "Options", None)
    if options is not None:
        _check_options(options)


def _check_options(options: type[PluginOptions]) -> None:
    name = options.__qualname__
    for key, field in options.model_fields.items():
        demand(
            bool(field.description),
            f"option {key!r} of {name} needs a docstring under it: `rationale info` prints it",
        )
    demand(options.model_config.get("extra") == "forbid", f"{name} must refuse unknown keys (extra='forbid')")
    if not any(field.is_required() for field in options.model_fields.values()):
        first = options()
        again = options.model_validate(first.model_dump(mode="json"))
        demand(again == first, f"{name} must survive being written to JSON and read again: run.yaml holds it")
