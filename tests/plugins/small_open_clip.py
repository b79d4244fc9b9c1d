"""Small random models of open_clip's own class, for the tests of its adapter."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from rationale_plugins.models.open_clip import ClipViTB32

VOCABULARY = 49408


def tiny(seed=0, quick_gelu=True, vocabulary=VOCABULARY, context_length=12, **vision):
    torch.manual_seed(seed)
    image = CLIPVisionCfg(
        **{"layers": 3, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 32, **vision}
    )
    text = CLIPTextCfg(context_length=context_length, vocab_size=vocabulary, width=8, heads=2, layers=1)
    return CLIP(8, image, text, quick_gelu=quick_gelu).eval()


def shallow(blocks):
    """CLIP ViT-B/32 with so few of its twelve blocks: layout and code are the same, the time is less."""
    model = ClipViTB32(ClipViTB32.Options(weights="none"))
    transformer = model.clip.visual.transformer
    transformer.resblocks = transformer.resblocks[:blocks]
    return model


def same(one, other):
    return all(torch.equal(one.state_dict()[name], tensor) for name, tensor in other.state_dict().items())


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give open_clip's own architectures, under their names, towers of a few numbers."""
    known = open_clip.get_model_config

    def shrunk(name):
        configuration = known(name)
        if configuration and "timm_model_name" not in configuration["vision_cfg"]:
            configuration["vision_cfg"] |= {"width": 64, "layers": 1, "patch_size": 32, "head_width": 32}
        if configuration:
            configuration["text_cfg"] |= {"width": 16, "heads": 2, "layers": 1}
        return configuration

    monkeypatch.setattr(open_clip, "get_model_config", shrunk)
