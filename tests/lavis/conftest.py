"""LAVIS's models at small size, with the weights of the golden files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch


@dataclass(frozen=True)
class Golden:
    """What LAVIS computed in the environment that it pins."""

    name: str
    file: Path
    """Checkpoint in the layout of pre-training."""
    about: Mapping[str, Any]
    arrays: Mapping[str, torch.Tensor]
    words: tuple[str, ...]

    def shape(self, image: int | None = None):
        """The size of these models."""
        from rationale_lavis.building import Shape

        sizes = self.about["config"]
        text = {
            "hidden_size": sizes["width"],
            "encoder_width": sizes["width"],
            "num_hidden_layers": sizes["text_layers"],
            "num_attention_heads": sizes["heads"],
            "intermediate_size": 4 * sizes["width"],
            "max_position_embeddings": sizes["max_pos"],
            "vocab_size": len(self.words) + 2 * (self.name == "blip"),
        }
        if self.name == "albef":
            text["fusion_layer"] = self.about["fusion_layer"]
        return Shape(
            image or sizes["image"],
            sizes["patch"],
            sizes["width"],
            sizes["depth"],
            sizes["heads"],
            sizes["embed_dim"],
            text,
            self.words,
        )

    def model(self, weights: str | Path | None = None, image: int | None = None):
        """The plugin's model with these weights, ``none`` or another file, in evaluation mode."""
        from rationale_lavis.models import LavisAlbef, LavisBlip

        kind = {"albef": LavisAlbef, "blip": LavisBlip}[self.name]
        return kind(kind.Options(weights=str(weights or self.file)), self.shape(image)).eval()


@pytest.fixture(autouse=True)
def _installed():
    for distribution in ("rationale-lavis", "salesforce-lavis"):
        try:
            version(distribution)
        except PackageNotFoundError:
            pytest.skip(f"{distribution} is not installed (see plugins/lavis/README.md)")


@pytest.fixture(params=["albef", "blip"])
def golden(request, shared) -> Golden:
    folder = shared / "golden"
    stem = f"{request.param}_tiny"
    with np.load(folder / f"{stem}.npz") as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    return Golden(
        request.param,
        folder / f"{stem}.safetensors",
        json.loads((folder / f"{stem}.json").read_text()),
        arrays,
        tuple((folder / "tiny_vocab.txt").read_text().splitlines()),
    )
