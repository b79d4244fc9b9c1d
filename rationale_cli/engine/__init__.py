"""Turns a recipe into objects, trains them in one loop and explains them in one pass."""
