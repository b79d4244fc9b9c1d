"""ALBEF (Li et al. 2021), native: an image tower of timm and text layers of transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field
from torch import Tensor

from rationale_cli.contracts import Checkpoint, PluginOptions
from rationale_cli.toolkit.weights import locate

from . import _fusion_checkpoints as checkpoints
from ._dimensions import Dimensions
from ._fusion_model import RECOMMENDED, FusionModel
from ._wordpiece import bert_pieces

_STORE = "https://storage.googleapis.com/sfr-pcl-data-research/ALBEF"


class Albef(FusionModel):
    """An ALBEF of any size: the first text layers read a text alone, the others read the picture with it.

    ``pieces``: the WordPiece vocabulary in the order of its numbers. ``token_types``: whether BERT's token
    type 0 is added to each word as in the original code; LAVIS leaves it out of the same weights, which
    gives other text features.
    """

    def __init__(self, dimensions: Dimensions, pieces: Sequence[str], *, token_types: bool = True) -> None:
        super().__init__(dimensions, pieces, token_types=token_types)
        self.reader = checkpoints.ALBEF if token_types else checkpoints.ALBEF_WITHOUT_TOKEN_TYPES

    @property
    def own_layers(self) -> slice:
        """Those before the fusion."""
        return slice(self.dimensions.fusion_layer)

    def fuse(self, image_tokens: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """P×T×W and ``ids``, ``mask`` P×L → P×L×W: the text's states go on through the fusion layers."""
        fusion = slice(self.dimensions.fusion_layer, None)
        return self.text_encoder.run(self.text_states(tokens), tokens["mask"], fusion, image_tokens)


class AlbefOptions(PluginOptions):
    """Options of ALBEF."""

    weights: str = "14m"
    """``14m`` or ``4m`` (the original checkpoints by their number of training pictures), ``none`` (random,
    from the run's seed), or a file or folder with a checkpoint of pre-training or retrieval."""
    image_size: int = Field(default=224, ge=32, multiple_of=16)
    """Side of the input in pixels: 224 as in the paper; ALBEF was trained at 256, for retrieval at 384.
    Position embeddings are interpolated."""
    token_type: bool = True
    """Whether words get BERT's token type 0 as in the original code; False gives LAVIS's text features."""


class AlbefViTB16(Albef):
    """ALBEF with ViT-B/16 and BERT-base, half of whose layers read the picture."""

    Options = AlbefOptions
    recommended = RECOMMENDED

    def __init__(self, options: AlbefOptions) -> None:
        dimensions = Dimensions(image_size=options.image_size)
        super().__init__(dimensions, bert_pieces(), token_types=options.token_type)
        self.read(locate(options.weights, self.published(options), "albef"))

    @classmethod
    def published(cls, options: AlbefOptions) -> Mapping[str, Checkpoint]:
        """The original checkpoints of pre-training."""
        return PUBLISHED


PUBLISHED: Mapping[str, Checkpoint] = {
    "14m": Checkpoint(f"{_STORE}/ALBEF.pth", note="some 2 GB; pre-trained on 14 M pictures; the paper's"),
    "4m": Checkpoint(f"{_STORE}/ALBEF_4M.pth", note="some 2 GB; pre-trained on 4 M pictures"),
}
"""Their exact sizes and hashes are not published."""
