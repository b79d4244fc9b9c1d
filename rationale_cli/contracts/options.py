"""Options of plugins: a typed, closed set of keys that recipes, flags and ``--set`` fill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

Protocols = Mapping[str, Mapping[str, Any]]
"""What named protocols (``paper``, ``reference``, ``corrected``) mean for a plugin, as an optional class
attribute ``protocols``: name → dotted keys → values, of the plugin's own section (``dataset.mask``) or of
``view``, ``train`` and ``explain``."""


class PluginOptions(BaseModel):
    """Base of every plugin's nested ``Options``: unknown keys are refused, values are frozen.

    Document each field with a docstring under it: ``rationale info`` prints them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
