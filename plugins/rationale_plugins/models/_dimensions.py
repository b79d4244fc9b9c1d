"""Sizes of ALBEF and BLIP: the same classes serve ViT-B/16 and models of a few megabytes."""

from __future__ import annotations

from dataclasses import dataclass

from rationale_cli.errors import InputError


@dataclass(frozen=True)
class Dimensions:
    """Everything that shapes an ALBEF or a BLIP but its vocabulary; the defaults are those of ViT-B/16.

    Raises ``InputError`` for sizes that do not divide.
    """

    image_size: int = 224
    """Side of the square input in pixels."""
    patch: int = 16
    width: int = 768
    """Width of both towers: the text layers read the picture without a projection."""
    depth: int = 12
    """Layers of the image tower."""
    heads: int = 12
    """Attention heads of the image tower."""
    embedding: int = 256
    """Width of the joint space."""
    text_layers: int = 12
    fusion_layer: int = 6
    """First text layer that reads the picture (ALBEF: 6 of 12; BLIP: 0, all of them can)."""
    text_heads: int = 12
    positions: int = 512
    """Rows of the table of text positions."""
    longest_text: int = 30
    """Tokens of the longest text, start and end included."""
    dropout: float = 0.1
    """BERT's, in training."""
    vision_eps: float = 1e-6
    text_eps: float = 1e-12

    def __post_init__(self) -> None:
        for name, whole, part in (
            ("image_size by patch", self.image_size, self.patch),
            ("width by heads", self.width, self.heads),
            ("width by text_heads", self.width, self.text_heads),
        ):
            if part < 1 or whole < part or whole % part:
                raise InputError(f"Expected {name} to divide without a rest but got {whole} and {part}.")
        if not 0 <= self.fusion_layer < self.text_layers:
            raise InputError(
                f"Expected a fusion layer within 0..{self.text_layers - 1} but got {self.fusion_layer}."
            )
        if not 2 <= self.longest_text <= self.positions:
            raise InputError(
                f"Expected texts of 2 to {self.positions} tokens at most but got {self.longest_text}."
            )
