"""Checkpoints of ALBEF and BLIP in the formats in which they are published, fabricated name by name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.models._dimensions import Dimensions
from rationale_plugins.models.albef import Albef, AlbefOptions, AlbefViTB16
from rationale_plugins.models.blip import Blip, BlipOptions, BlipViTB16
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import BlipConfig, BlipForImageTextRetrieval

from rationale_cli.errors import InputError

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "red", "photo", "of")
SMALL = Dimensions(
    image_size=32,
    patch=8,
    width=32,
    depth=2,
    heads=2,
    embedding=16,
    text_layers=4,
    fusion_layer=2,
    text_heads=2,
    positions=40,
)
SMALL_BLIP = replace(SMALL, fusion_layer=0, longest_text=35)


# -- the layouts: name → shape ----------------------------------------------------------------------


def affine(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def vision_layout(d):
    width, found = d.width, {}
    found |= {"cls_token": (1, 1, width), "pos_embed": (1, 1 + (d.image_size // d.patch) ** 2, width)}
    found |= affine("patch_embed.proj", width, 3, d.patch, d.patch) | affine("norm", width)
    for index in range(d.depth):
        block = f"blocks.{index}."
        found |= affine(block + "norm1", width) | affine(block + "norm2", width)
        found |= affine(block + "attn.qkv", 3 * width, width) | affine(block + "attn.proj", width, width)
        found |= affine(block + "mlp.fc1", 4 * width, width) | affine(block + "mlp.fc2", width, 4 * width)
    return found


def bert_layout(d, vocabulary, types, crossing):
    width = d.width
    found = {
        "embeddings.position_ids": (1, d.positions),
        "embeddings.word_embeddings.weight": (vocabulary, width),
        "embeddings.position_embeddings.weight": (d.positions, width),
        **affine("embeddings.LayerNorm", width),
    }
    if types:
        found["embeddings.token_type_embeddings.weight"] = (2, width)
    for index in range(d.text_layers):
        layer = f"encoder.layer.{index}."
        attentions = ["attention", "crossattention"] if index >= crossing else ["attention"]
        for attention in (layer + name for name in attentions):
            for part in ("self.query", "self.key", "self.value", "output.dense"):
                found |= affine(f"{attention}.{part}", width, width)
            found |= affine(f"{attention}.output.LayerNorm", width)
        found |= affine(layer + "intermediate.dense", 4 * width, width)
        found |= affine(layer + "output.dense", width, 4 * width) | affine(layer + "output.LayerNorm", width)
    return found


def words_back_layout(d, vocabulary):
    return {
        "cls.predictions.bias": (vocabulary,),
        **affine("cls.predictions.decoder", vocabulary, d.width),
        **affine("cls.predictions.transform.dense", d.width, d.width),
        **affine("cls.predictions.transform.LayerNorm", d.width),
    }


def under(prefix, layout):
    return {f"{prefix}.{name}": shape for name, shape in layout.items()}


def with_momentum(d, towers, queue):
    """Towers and projections, their momentum copies, queues, head and temperature."""
    width = d.width
    towers |= {"vision_proj": affine("", d.embedding, width), "text_proj": affine("", d.embedding, width)}
    towers = {
        name: {key.removeprefix("."): shape for key, shape in one.items()} for name, one in towers.items()
    }
    found = {}
    for name, layout in towers.items():
        found |= under(name, layout) | under(f"{name}_m", layout)
    found |= affine("itm_head", 2, width) | {"temp": ()}
    return found | {
        "image_queue": (d.embedding, queue),
        "text_queue": (d.embedding, queue),
        "queue_ptr": (1,),
    }


def albef_pretrained(d, vocabulary, queue=8):
    """``ALBEF.pth``."""
    text = under("bert", bert_layout(d, vocabulary, True, d.fusion_layer)) | words_back_layout(d, vocabulary)
    return with_momentum(d, {"visual_encoder": vision_layout(d), "text_encoder": text}, queue)


def albef_retrieval(d, vocabulary, queue=8):
    """``flickr30k.pth`` and the like."""
    text = bert_layout(d, vocabulary, True, d.fusion_layer)
    towers = {"visual_encoder": vision_layout(d), "text_encoder": text}
    return with_momentum(d, towers, queue) | {"idx_queue": (1, queue)}


def blip_pretrained(d, vocabulary, queue=8):
    """``model_base.pth`` and ``model_base_capfilt_large.pth``."""
    text = bert_layout(d, vocabulary, False, 0)
    found = with_momentum(d, {"visual_encoder": vision_layout(d), "text_encoder": text}, queue)
    return found | under("text_decoder", under("bert", text) | words_back_layout(d, vocabulary))


def blip_retrieval(d, vocabulary, queue=8):
    """``model_base_retrieval_coco.pth`` and the like."""
    text = bert_layout(d, vocabulary, False, 0)
    found = with_momentum(d, {"visual_encoder": vision_layout(d), "text_encoder": text}, queue)
    del found["queue_ptr"]
    return found | {"idx_queue": (1, queue), "ptr_queue": (1,)}


def filled(layout, dtype=torch.float32):
    """Random values; whole numbers where the real ones are."""
    generator = torch.Generator().manual_seed(0)

    def tensor(name, shape):
        if name.endswith(("position_ids", "_ptr", "ptr_queue", "idx_queue")):
            return torch.zeros(shape, dtype=torch.long)
        return torch.empty(shape, dtype=dtype).uniform_(-0.1, 0.1, generator=generator)

    found = {name: tensor(name, shape) for name, shape in layout.items()}
    found["temp"] = torch.tensor(0.05, dtype=dtype)
    return found


# -- building and reading ---------------------------------------------------------------------------


def albef(d=SMALL, **kinds):
    return Albef(d, PIECES, **kinds).eval()


def blip(d=SMALL_BLIP):
    return Blip(d, PIECES).eval()


FORMATS = {
    "albef pretrained": (albef, albef_pretrained, SMALL, 0),
    "albef retrieval": (albef, albef_retrieval, SMALL, 0),
    "albef pretrained for LAVIS": (lambda d: albef(d, token_types=False), albef_pretrained, SMALL, 0),
    "blip pretrained": (blip, blip_pretrained, SMALL_BLIP, 2),
    "blip retrieval": (blip, blip_retrieval, SMALL_BLIP, 2),
}


@pytest.fixture(params=FORMATS)
def published(request, tmp_path):
    """How to build the model, its sizes, the tensors of a checkpoint, and the file with them."""
    build, layout, dimensions, extra = FORMATS[request.param]
    tensors = filled(layout(dimensions, len(PIECES) + extra))
    file = tmp_path / "checkpoint.pth"
    torch.save({"model": tensors, "optimizer": {"state": {}}, "config": {"lr": 1e-4}, "epoch": 29}, file)
    return build, dimensions, tensors, file


@pytest.mark.parametrize("name", ["albef", "blip"])
def test_the_fabricated_names_and_shapes_are_those_of_the_reference(shared, name):
    facts = json.loads((shared / "golden" / f"{name}_tiny.json").read_text())
    width, layers = facts["config"]["width"], facts["config"]["depth"]
    d = Dimensions(
        image_size=64,
        width=width,
        depth=layers,
        heads=4,
        embedding=32,
        text_layers=layers,
        fusion_layer=facts.get("fusion_layer", 0),
        text_heads=4,
        positions=40,
    )
    layout = albef_pretrained(d, 200) if name == "albef" else blip_pretrained(d, 202)
    with safe_open(shared / "golden" / f"{name}_tiny.safetensors", "pt") as file:
        real = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    assert real.items() <= layout.items()
    # The reference's file holds but samples of these.
    rest = {key for key in layout.keys() - real.keys() if "_m." not in key}
    assert all(key.startswith("text_decoder.") for key in rest)


def test_a_published_format_is_read_without_a_missing_name(published):
    build, dimensions, tensors, file = published
    model = build(dimensions)
    model.read([file])
    for name, tensor in model.state_dict().items():
        original = tensors.get(name)
        if original is None:
            original = tensors[name.replace("text_encoder.", "text_encoder.bert.")]
        assert torch.equal(tensor, original), name
    assert model.weights_files == (file,)
    assert model.logit_scale.item() == pytest.approx(20)


def test_half_precision_and_shards(published, tmp_path):
    build, dimensions, tensors, _ = published
    names = sorted(tensors)
    files = []
    for index in range(2):
        part = {name: tensors[name].half() for name in names[index::2]}
        files.append(tmp_path / f"model-{index}.safetensors")
        save_file(part, files[-1])
    model = build(dimensions)
    model.read(files)
    assert model.temp.dtype == torch.float32
    assert torch.equal(model.visual_encoder.cls_token, tensors["visual_encoder.cls_token"].half().float())


def test_positions_are_interpolated_to_the_model(published):
    build, dimensions, tensors, file = published
    model = build(replace(dimensions, image_size=48))
    model.read([file])
    positions, given = model.visual_encoder.pos_embed, tensors["visual_encoder.pos_embed"]
    assert positions.shape == (1, 1 + 6 * 6, 32)
    assert torch.equal(positions[:, :1], given[:, :1])
    planes = given[:, 1:].reshape(1, 4, 4, 32).permute(0, 3, 1, 2)
    wanted = F.interpolate(planes, size=(6, 6), mode="bicubic", align_corners=False)
    torch.testing.assert_close(positions[0, 1 + 6 * 2 + 4], wanted[0, :, 2, 4])


# -- wrong files ------------------------------------------------------------------------------------


def refused(model, tensors, tmp_path):
    file = tmp_path / "wrong.pth"
    torch.save({"model": tensors}, file)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError) as caught:
        model.read([file])
    assert caught.value.where == str(file)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.weights_files == ()
    return [line.split() for line in str(caught.value).splitlines()]


def test_one_missing_name_one_wrong_shape_and_one_unknown_are_told(published, tmp_path):
    build, dimensions, tensors, _ = published
    del tensors["itm_head.bias"]
    tensors["vision_proj.weight"] = torch.zeros(15, 32)
    tensors["visual_encoder.blocks.0.attn.bias"] = torch.zeros(3)
    rows = refused(build(dimensions), tensors, tmp_path)
    assert rows[2:5] == [
        ["itm_head.bias", "2", "–"],
        ["vision_proj.weight", "16×32", "15×32"],
        ["visual_encoder.blocks.0.attn.bias", "–", "3"],
    ]


def test_a_temperature_is_missed_in_an_original_file(published, tmp_path):
    build, dimensions, tensors, _ = published
    del tensors["temp"]
    assert ["temp", "scalar", "–"] in refused(build(dimensions), tensors, tmp_path)


def test_blip_is_no_albef_and_albef_no_blip(tmp_path):
    rows = refused(albef(), filled(blip_pretrained(SMALL_BLIP, len(PIECES))), tmp_path)
    assert any(row[0].startswith("text_decoder.") for row in rows)
    rows = refused(blip(), filled(albef_pretrained(SMALL, len(PIECES) + 2)), tmp_path)
    assert any("cls.predictions" in row[0] for row in rows)


def test_another_grid_that_is_no_square_is_refused(tmp_path):
    tensors = filled(albef_pretrained(SMALL, len(PIECES)))
    tensors["visual_encoder.pos_embed"] = torch.zeros(1, 1 + 12, 32)
    rows = refused(albef(), tensors, tmp_path)
    assert ["visual_encoder.pos_embed", "1×17×32", "1×13×32"] in rows


# -- transformers -----------------------------------------------------------------------------------


@pytest.fixture
def hub_blip():
    """transformers' BLIP for retrieval at small size, attention by hand, random weights."""
    torch.manual_seed(0)
    text = {
        "vocab_size": len(PIECES) + 2,
        "hidden_size": 32,
        "encoder_hidden_size": 32,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "max_position_embeddings": 40,
        **{"pad_token_id": 0, "bos_token_id": 10, "sep_token_id": 3},
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
        "layer_norm_eps": 1e-6,
        "hidden_act": "gelu",
    }
    configuration = BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=16)
    model = BlipForImageTextRetrieval(configuration).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


@torch.no_grad()
def test_the_layout_of_transformers_is_read_and_gives_the_same(hub_blip, tmp_path):
    save_file(hub_blip.state_dict(), tmp_path / "model.safetensors")
    model = blip()
    model.read([tmp_path / "model.safetensors"])
    assert model.logit_scale.item() == pytest.approx(1 / 0.07)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    tokens = model.tokenize(["a red cat", "dog", "a photo of a cat"])
    call = {"attention_mask": tokens["mask"], "pixel_values": images}
    cosine = hub_blip(input_ids=tokens["ids"], use_itm_head=False, **call).itm_score
    found = F.normalize(model.embed_images(images), dim=-1) @ F.normalize(model.embed_texts(tokens), dim=-1).T
    torch.testing.assert_close(found, cosine, rtol=1e-5, atol=1e-5)
    # transformers leaves [CLS] where BLIP was trained with [ENC].
    marked = tokens["ids"].clone()
    marked[:, 0] = len(PIECES) + 1
    wanted = hub_blip(input_ids=marked, **call).itm_score
    matched = model.match(model.image_tokens(images), tokens)
    torch.testing.assert_close(matched, wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(hub_blip(input_ids=tokens["ids"], **call).itm_score, wanted, atol=1e-2)


# -- full size --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["albef", "blip"])
def test_a_checkpoint_of_full_size(name, tmp_path):
    """All names and shapes of the original file; its values are one number each, to spare the disk."""
    d = Dimensions(image_size=256 if name == "albef" else 224, fusion_layer=6 if name == "albef" else 0)
    layout = albef_pretrained(d, 30522, 65536) if name == "albef" else blip_pretrained(d, 30524, 57600)
    file = tmp_path / "full.pth"
    tensors = {key: torch.zeros((), dtype=torch.half).expand(shape) for key, shape in layout.items()}
    tensors["visual_encoder.norm.weight"] = torch.full((d.width,), 2.0, dtype=torch.half)
    tensors["temp"] = torch.tensor(0.05)
    torch.save({"model": tensors}, file)
    plugin, options = (AlbefViTB16, AlbefOptions) if name == "albef" else (BlipViTB16, BlipOptions)
    model = plugin(options(weights=str(file)))
    assert model.weights_files == (file,)
    assert model.logit_scale.item() == pytest.approx(20)
    assert model.visual_encoder.pos_embed.shape == (1, 197, 768)
    assert (model.visual_encoder.norm.weight == 2).all()
    assert not model.text_encoder.embeddings.word_embeddings.weight.any()
