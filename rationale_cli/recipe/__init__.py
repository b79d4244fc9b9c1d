"""What is to be done, in data: sections, layers of settings with their origins, recipe files and grids."""

from ..hooks import same_plugin
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
)
from .regularizers import REGULARIZER, names_of, of_each
from .sections import ExplainOptions, TrainOptions, ViewOptions
from .text import problems_of, validated

__all__ = [
    "DEFAULTS",
    "NOUNS",
    "PLUGINS",
    "REGULARIZER",
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
    "names_of",
    "of_each",
    "problems_of",
    "recorded",
    "same_plugin",
    "shipped_recipes",
    "validated",
]
