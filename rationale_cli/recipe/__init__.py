"""What is to be done, in data: sections, layers of settings with their origins, recipe files and grids."""

from .files import Recipe, cells, load_recipe, shipped_recipes
from .layers import NOUNS, SECTIONS, Draft, Given, Layer, from_mapping, from_sets, merged, recorded
from .sections import ExplainOptions, TrainOptions
from .text import problems_of, validated

__all__ = [
    "NOUNS",
    "SECTIONS",
    "Draft",
    "ExplainOptions",
    "Given",
    "Layer",
    "Recipe",
    "TrainOptions",
    "cells",
    "from_mapping",
    "from_sets",
    "load_recipe",
    "merged",
    "problems_of",
    "recorded",
    "shipped_recipes",
    "validated",
]
