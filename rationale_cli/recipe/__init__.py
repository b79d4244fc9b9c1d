"""What is to be done, in data: sections, layers of settings with their origins, recipe files and grids."""

from .corruptions import Corruption, corruptions
from .files import Recipe, cells, load_recipe, shipped_recipes
from .layers import (
    DEFAULTS,
    NOUNS,
    PLUGINS,
    SECTIONS,
    SHIFT,
    Draft,
    Given,
    Layer,
    from_mapping,
    from_sets,
    merged,
    recorded,
    same_plugin,
)
from .sections import ExplainOptions, TrainOptions, ViewOptions
from .text import problems_of, validated

__all__ = [
    "DEFAULTS",
    "NOUNS",
    "PLUGINS",
    "SECTIONS",
    "SHIFT",
    "Corruption",
    "Draft",
    "ExplainOptions",
    "Given",
    "Layer",
    "Recipe",
    "TrainOptions",
    "ViewOptions",
    "cells",
    "corruptions",
    "from_mapping",
    "from_sets",
    "load_recipe",
    "merged",
    "problems_of",
    "recorded",
    "same_plugin",
    "shipped_recipes",
    "validated",
]
