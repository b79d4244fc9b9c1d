"""Options of plugins: a typed, closed set of keys that recipes, flags and ``--set`` fill."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PluginOptions(BaseModel):
    """Base of every plugin's nested ``Options``: unknown keys are refused, values are frozen.

    Document each field with a docstring under it: ``rationale info`` prints them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
