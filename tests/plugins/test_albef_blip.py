"""ALBEF and BLIP, native: the model contract, texts, matching, and what each part depends on."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.models._dimensions import Dimensions
from rationale_plugins.models._wordpiece import BERT_VOCABULARY, WordPiece, bert_pieces
from rationale_plugins.models.albef import Albef, AlbefOptions, AlbefViTB16
from rationale_plugins.models.blip import Blip, BlipOptions, BlipViTB16
from transformers import BertTokenizer

from rationale_cli.contracts import PluginOptions
from rationale_cli.errors import InputError
from rationale_cli.testing import check_model

WORDS = ("a", "photo", "of", "cat", "dog", "red", "car", "small", "very", "in", "the", "rain", "##s", "bird")
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS)
SIZE, DEPTH = 32, 3
SMALL = Dimensions(
    image_size=SIZE,
    patch=8,
    width=32,
    depth=DEPTH,
    heads=4,
    embedding=16,
    text_layers=3,
    fusion_layer=1,
    text_heads=2,
    positions=40,
)


class NoOptions(PluginOptions):
    """None."""


class SmallAlbef(Albef):
    """ALBEF of a few thousand numbers."""

    Options = NoOptions

    def __init__(self, **kinds):
        torch.manual_seed(0)
        super().__init__(SMALL, PIECES, **kinds)


class SmallBlip(Blip):
    """BLIP of a few thousand numbers."""

    Options = NoOptions

    def __init__(self):
        torch.manual_seed(0)
        super().__init__(replace(SMALL, fusion_layer=0, longest_text=35), PIECES)


KINDS = {
    "albef": SmallAlbef,
    "albef as in LAVIS": lambda: SmallAlbef(token_types=False),
    "blip": SmallBlip,
}


@pytest.fixture(params=KINDS)
def model(request):
    return KINDS[request.param]().eval()


@pytest.fixture
def images():
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def test_the_contract_of_models(model):
    check_model(model)


def test_preprocessing_is_the_evaluation_view_of_the_paper():
    model = Albef(replace(SMALL, image_size=224, patch=16), PIECES)
    assert model.preprocessing.size == 224
    assert model.preprocessing.resize == 256
    assert model.preprocessing.interpolation == "bicubic"
    assert model.preprocessing.mean == (0.48145466, 0.4578275, 0.40821073)
    assert model.patch_grid(224, 224) == (14, 14)
    larger = Albef(replace(SMALL, image_size=384, patch=16), PIECES)
    assert larger.preprocessing.resize == 439


def test_sizes_that_do_not_divide_are_refused():
    for change in ({"patch": 7}, {"heads": 5}, {"text_heads": 3}, {"fusion_layer": 3}, {"longest_text": 41}):
        with pytest.raises(InputError, match="Expected"):
            replace(SMALL, **change)


# -- pictures ----------------------------------------------------------------------------------------


def test_cls_alone_is_computed_as_with_all_tokens(model, images):
    alone, every = model.image_features(images), model.image_tokens(images)
    torch.testing.assert_close(alone, every[:, 0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model.embed_images(images), model.pool_images(every), rtol=1e-5, atol=1e-6)
    parameters = list(model.parameters_of("image_features"))
    ours = torch.autograd.grad(alone.sin().sum(), parameters)
    theirs = torch.autograd.grad(every[:, 0].sin().sum(), parameters)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_attention_is_computed_by_the_public_function(model, images, monkeypatch):
    seen = []
    original = F.scaled_dot_product_attention

    def record(query, key, value, *arguments, **keywords):
        seen.append((tuple(query.shape), tuple(key.shape)))
        return original(query, key, value, *arguments, **keywords)

    monkeypatch.setattr(F, "scaled_dot_product_attention", record)
    every, cls = (2, 4, 17, 8), (2, 4, 1, 8)
    model.image_features(images)
    assert seen == [(every, every)] * (DEPTH - 1) + [(cls, every)]
    seen.clear()
    model.image_tokens(images)
    assert seen == [(every, every)] * DEPTH
    seen.clear()
    model.embed_texts(model.tokenize(["a cat"]))
    assert {len(query) for query, _ in seen} == {4}


# -- texts -------------------------------------------------------------------------------------------


def test_the_shipped_vocabulary_is_that_of_bert():
    pieces = bert_pieces()
    text = "".join(f"{piece}\n" for piece in pieces).encode()
    assert (
        hashlib.sha256(text).hexdigest() == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    )
    assert len(pieces) == 30522
    assert BERT_VOCABULARY.stat().st_size < 120_000
    assert "Apache License" in BERT_VOCABULARY.with_name("bert_vocab.NOTICE").read_text()


def test_tokens_are_those_of_transformers_bert(tmp_path):
    file = tmp_path / "vocab.txt"
    file.write_text("".join(f"{piece}\n" for piece in bert_pieces()))
    texts = ["a photo of a Cardigan Welsh Corgi", "Ein Äpfel, bitte! 犬", "naïve co-op’s #3 ☃", ""]
    wanted = BertTokenizer(str(file))(texts, padding="longest", return_tensors="pt")
    found = WordPiece(bert_pieces(), 30)(texts)
    assert len(found["ids"][0].unique()) > 5
    assert torch.equal(found["ids"], wanted["input_ids"])
    assert torch.equal(found["mask"], wanted["attention_mask"])


def test_a_text_may_have_30_tokens_in_albef_and_35_in_blip():
    for model, longest in ((SmallAlbef(), 30), (SmallBlip(), 35)):
        assert model.tokenize(["cat " * (longest - 2)])["ids"].shape == (1, longest)
        with pytest.raises(InputError, match=rf"at most {longest} tokens.* got {longest + 1}: 'dog cat"):
            model.tokenize(["a cat", "dog " + "cat " * (longest - 2)])


def test_a_vocabulary_without_the_marks_is_refused():
    with pytest.raises(InputError, match=r"lacks \[CLS\], \[SEP\]"):
        WordPiece(("[PAD]", "[UNK]", "cat"), 30)


def test_no_texts_are_no_rows(model):
    assert len(model.tokenize([])["ids"]) == 0


def longer(tokens):
    """The same texts with more padding."""
    return {name: F.pad(one, (0, 5)) for name, one in tokens.items()}


def test_padding_changes_nothing(model, images):
    tokens = model.tokenize(["a cat", "a photo of a very small red car"])
    torch.testing.assert_close(
        model.embed_texts(tokens), model.embed_texts(longer(tokens)), rtol=1e-4, atol=1e-5
    )
    states = model.image_tokens(images)
    torch.testing.assert_close(
        model.match(states, tokens), model.match(states, longer(tokens)), rtol=1e-4, atol=1e-5
    )


def test_texts_are_read_in_both_directions(model):
    one, other = (model.tokenize([text]) for text in ("a red cat", "a red dog"))
    first = [model.text_states(tokens)[0, 1] for tokens in (one, other)]
    assert not torch.allclose(*first, atol=1e-4)


# -- both together -----------------------------------------------------------------------------------


def test_matching_reads_picture_and_text(model, images):
    tokens = model.tokenize(["a cat", "a red car"])
    states = model.image_tokens(images)
    logits = model.match(states, tokens)
    assert logits.shape == (2, 2)
    assert not torch.allclose(model.match(states.flip(0), tokens), logits, atol=1e-4)
    assert not torch.allclose(model.match(states, model.tokenize(["the dog", "rain"])), logits, atol=1e-4)
    before = tokens["ids"].clone()
    torch.testing.assert_close(model.match(states[1:], {k: v[1:] for k, v in tokens.items()}), logits[1:])
    assert torch.equal(tokens["ids"], before)


def test_matching_parameters_are_those_that_nothing_else_uses(model, images):
    tokens = model.tokenize(["a cat", "a red car"])
    every = dict(model.named_parameters())

    def behind(result):
        gradients = torch.autograd.grad(result.square().sum(), every.values(), allow_unused=True)
        return {name for name, gradient in zip(every, gradients, strict=True) if gradient is not None}

    alone = behind(model.embed_images(images)) | behind(model.embed_texts(tokens))
    own = behind(model.match(model.image_tokens(images), tokens)) - alone
    named = {id(one): name for name, one in every.items()}
    said = [named[id(one)] for one in model.matching_parameters()]
    assert len(said) == len(set(said))
    assert set(said) == own
    assert "itm_head.weight" in own
    assert alone | own | {"temp"} == every.keys()


@pytest.mark.parametrize(
    ("temperature", "counted"), [(0.07, 0.07), (0.0002, 0.001), (-1.0, 0.001), (3.0, 0.5)]
)
def test_the_temperature_counts_within_its_range_and_always_learns(model, temperature, counted):
    torch.nn.init.constant_(model.temp, temperature)
    scale = model.logit_scale
    assert scale.item() == pytest.approx(1 / counted, rel=1e-4)
    assert model.temp.item() == pytest.approx(temperature)
    scale.backward()
    assert model.temp.grad.item() == pytest.approx(-1 / counted**2, rel=1e-3)


def test_dropout_is_for_training_and_for_texts_alone(model, images):
    tokens = model.tokenize(["a cat"])
    model.train()
    assert torch.equal(model.embed_images(images), model.embed_images(images))
    assert not torch.equal(model.embed_texts(tokens), model.embed_texts(tokens))


def test_token_types_are_a_choice_of_albef():
    with_types, without = SmallAlbef(), SmallAlbef(token_types=False)
    name = "text_encoder.embeddings.token_type_embeddings.weight"
    assert with_types.state_dict().keys() - without.state_dict().keys() == {name}


# -- the plugins -------------------------------------------------------------------------------------


def test_published_weights_and_recommended_settings():
    albef, blip = AlbefViTB16.published(AlbefOptions()), BlipViTB16.published(BlipOptions())
    assert AlbefOptions().weights == "14m"
    assert albef["14m"].url.endswith("/ALBEF/ALBEF.pth")
    assert albef["4m"].url.endswith("/ALBEF/ALBEF_4M.pth")
    assert BlipOptions().weights == "129m"
    assert blip["129m"].url.endswith("/BLIP/models/model_base.pth")
    assert blip["129m-capfilt"].url.endswith("/model_base_capfilt_large.pth")
    assert blip["itm-coco"].url.startswith("hf://Salesforce/blip-itm-base-coco/")
    for plugin in (AlbefViTB16, BlipViTB16):
        assert plugin.recommended["ft"] == {"method.lr": 3e-5}
        assert plugin.recommended["flcp"] == {"method.lr": 3e-5, "method.temperature": "learned"}


@pytest.mark.parametrize("options", [AlbefOptions, BlipOptions])
def test_a_picture_size_is_a_multiple_of_the_patch(options):
    with pytest.raises(ValueError, match="multiple of 16"):
        options(image_size=230)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "options", "millions", "longest"),
    [(AlbefViTB16, AlbefOptions, 209.3, 30), (BlipViTB16, BlipOptions, 223.5, 35)],
)
def test_full_size(plugin, options, millions, longest):
    torch.manual_seed(0)
    model = plugin(options(weights="none", image_size=256)).eval()
    assert sum(one.numel() for one in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert model.weights_files == ()
    assert model.dimensions.longest_text == longest
    assert model.logit_scale.item() == pytest.approx(1 / 0.07)
    assert model.patch_grid(256, 256) == (16, 16)
    with torch.no_grad():
        features = model.image_features(torch.zeros(1, 3, 256, 256))
        vectors = model.embed_texts(model.tokenize(["a photo of a Cardigan Welsh corgi"]))
    assert features.shape == (1, 768)
    assert vectors.shape == (1, 256)
    assert math.isfinite(float(vectors.sum()))
