"""BLIP (Li et al. 2022), native: an image tower of timm and text layers of transformers."""

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

_STORE = "https://storage.googleapis.com/sfr-vision-language-research/BLIP/models"
_HUB = "hf://Salesforce"
_ENCODE = 1
"""``[ENC]`` is the second token after the vocabulary; ``[DEC]``, the captioner's, is the first."""


class Blip(FusionModel):
    """A BLIP of any size: all its text layers read a text alone, or the picture with it.

    ``dimensions`` with ``fusion_layer=0``. ``pieces``: the WordPiece vocabulary in the order of its numbers,
    without BLIP's own two tokens, which follow it. There are no token types.
    """

    extra_pieces = 2
    reader = checkpoints.BLIP

    def __init__(self, dimensions: Dimensions, pieces: Sequence[str]) -> None:
        super().__init__(dimensions, pieces, token_types=False)
        self._encode_id = len(pieces) + _ENCODE

    @property
    def own_layers(self) -> slice:
        """All of them."""
        return slice(None)

    def fuse(self, image_tokens: Tensor, tokens: Mapping[str, Tensor]) -> Tensor:
        """P×T×W and ``ids``, ``mask`` P×L → P×L×W: read anew, with ``[ENC]`` in the place of ``[CLS]``."""
        ids = tokens["ids"].clone()
        ids[:, 0] = self._encode_id
        states = self.text_encoder.embed(ids)
        return self.text_encoder.run(states, tokens["mask"], slice(None), image_tokens)


class BlipOptions(PluginOptions):
    """Options of BLIP."""

    weights: str = "129m"
    """``129m`` (the paper's), ``129m-capfilt`` (trained on cleaned captions), ``itm-coco`` or ``itm-flickr``
    (fine-tuned for retrieval, transformers' layout), ``none`` (random, from the run's seed), or a file or
    folder with a checkpoint of the original code or of transformers' ``BlipForImageTextRetrieval``."""
    image_size: int = Field(default=224, ge=32, multiple_of=16)
    """Side of the input in pixels: 224 as in pre-training and in the paper; 384 in retrieval. Position
    embeddings are interpolated."""


class BlipViTB16(Blip):
    """BLIP with ViT-B/16 and BERT-base."""

    Options = BlipOptions
    recommended = RECOMMENDED

    def __init__(self, options: BlipOptions) -> None:
        dimensions = Dimensions(image_size=options.image_size, fusion_layer=0, longest_text=35)
        super().__init__(dimensions, bert_pieces())
        self.read(locate(options.weights, self.published(options), "blip"))

    @classmethod
    def published(cls, options: BlipOptions) -> Mapping[str, Checkpoint]:
        """The original checkpoints of pre-training, and those for retrieval on the hub."""
        return PUBLISHED


PUBLISHED: Mapping[str, Checkpoint] = {
    "129m": Checkpoint(
        f"{_STORE}/model_base.pth", note="some 2 GB; pre-trained on 129 M pictures; the paper's"
    ),
    "129m-capfilt": Checkpoint(
        f"{_STORE}/model_base_capfilt_large.pth",
        note="some 2 GB; pre-trained on 129 M pictures, captions by CapFilt-L",
    ),
    "itm-coco": Checkpoint(
        f"{_HUB}/blip-itm-base-coco/pytorch_model.bin",
        note="0.9 GB; tuned for retrieval on COCO at 384 pixels; lacks the temperature: 0.07 is taken",
    ),
    "itm-flickr": Checkpoint(
        f"{_HUB}/blip-itm-base-flickr/pytorch_model.bin",
        note="0.9 GB; tuned for retrieval on Flickr30k at 384 pixels; lacks the temperature: 0.07 is taken",
    ),
}
"""Their exact sizes and hashes are not published."""
