"""Layouts in which others save what they tuned."""
