"""Models of transformers from folders made here: the same numbers as transformers' own, and clear errors."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from rationale_plugins.models.huggingface import HuggingFace

from rationale_cli.contracts import Preprocessing, Specification
from rationale_cli.errors import InputError
from rationale_cli.testing import check_model
from rationale_cli.toolkit.attention import tower_of
from rationale_cli.toolkit.heads import TextClassifier
from rationale_cli.toolkit.relevance import Rule, class_score, explain

from ..repositories import FAMILIES, WORDS, byte_pairs, clip, letters, siglip, words

TEXTS = ["a photo of a cat", "dog"]


def built(folder, **options):
    return HuggingFace(HuggingFace.Options(repository=str(folder), **options)).eval()


@pytest.fixture(params=FAMILIES)
def pair(request, tmp_path):
    """transformers' own model and this project's, from one folder."""
    reference = FAMILIES[request.param](tmp_path)
    return reference, built(tmp_path), tmp_path


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(3, 3, 32, 32)


def test_the_contract_holds(pair):
    check_model(pair[1])


def inputs(reference, folder, images):
    """What transformers' own processors make of texts and (prepared) pictures."""
    kind = reference.config.model_type
    tokenizer = {"clip": byte_pairs, "siglip": words, "siglip2": letters}[kind]()
    if kind == "clip":
        return {**tokenizer(TEXTS, padding=True, return_tensors="pt"), "pixel_values": images}
    length = reference.config.text_config.max_position_embeddings
    ids = tokenizer(TEXTS, padding="max_length", max_length=length, return_tensors="pt")["input_ids"]
    if kind == "siglip":
        return {"input_ids": ids, "pixel_values": images}
    from transformers.models.siglip2.image_processing_pil_siglip2 import convert_image_to_patches

    patches = [torch.as_tensor(convert_image_to_patches(one.numpy(), 8)) for one in images]
    return {
        "input_ids": ids,
        "pixel_values": torch.stack(patches),
        "pixel_attention_mask": torch.ones(len(images), 16, dtype=torch.long),
        "spatial_shapes": torch.tensor([[4, 4]] * len(images)),
    }


def test_features_and_logits_are_those_of_transformers(pair, images):
    reference, model, folder = pair
    with torch.no_grad():
        wanted = reference(**inputs(reference, folder, images))
        vectors = model.embed_texts(model.tokenize(TEXTS))
        classifier = TextClassifier(model, vectors)
        features = classifier.features(images)
        logits = classifier.logits(features)
    close = {"rtol": 1e-5, "atol": 1e-6}
    unit = torch.nn.functional.normalize
    torch.testing.assert_close(unit(features, dim=-1), wanted.image_embeds, **close)
    torch.testing.assert_close(unit(vectors, dim=-1), wanted.text_embeds, **close)
    bias = getattr(reference, "logit_bias", torch.zeros(1))
    torch.testing.assert_close(logits + bias, wanted.logits_per_image, rtol=1e-5, atol=1e-5)


def test_image_features_are_the_projection_or_the_pool(pair, images):
    reference, model, folder = pair
    given = {name: one for name, one in inputs(reference, folder, images).items() if "pixel" in name}
    given |= {name: one for name, one in inputs(reference, folder, images).items() if "spatial" in name}
    wanted = reference.get_image_features(**given).pooler_output
    torch.testing.assert_close(model.image_features(images), wanted, rtol=1e-5, atol=1e-6)


def test_heatmaps_come_from_the_cls_token_or_from_the_pool(pair, images):
    _, model, _ = pair
    classifier = TextClassifier(model, model.embed_texts(model.tokenize(TEXTS)).detach()).eval()
    pooled = model.model.config.model_type != "clip"
    tower = tower_of(classifier, images)
    assert (tower.depth, tower.pooled) == (3 if pooled else 2, pooled)
    objective = class_score(classifier, torch.tensor([0, 1, 1]))
    specifications = [Specification("last", "dot"), Specification("all", "native")]
    for relevance in explain(classifier, images, specifications, objective, Rule()).relevance:
        assert relevance.shape == (3, 4, 4)
        assert bool((relevance.flatten(1).amax(1) > 0).all())


# -- pictures and texts -----------------------------------------------------------------------------


def test_pictures_are_prepared_as_the_folder_tells(tmp_path):
    clip(tmp_path)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    assert built(tmp_path).preprocessing == Preprocessing(32, mean, std, "bicubic", resize=36)
    shutil.rmtree(tmp_path)
    siglip(tmp_path)
    wanted = Preprocessing(32, mean, std, "bilinear", squash=True)
    assert built(tmp_path).preprocessing == wanted
    inner = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").unlink()
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": inner}))
    assert built(tmp_path).preprocessing == wanted
    (tmp_path / "processor_config.json").unlink()
    with pytest.raises(InputError, match=r"preprocessor_config\.json"):
        built(tmp_path)


@pytest.mark.parametrize("change", [{"resample": 1}, {"size": {"height": 64, "width": 64}}])
def test_pictures_that_do_not_fit_the_model_are_told(tmp_path, change):
    siglip(tmp_path)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match="pictures of 32 pixels, resized bilinearly or bicubically"):
        built(tmp_path)


def test_siglip_reads_lower_case_and_fills_up(tmp_path):
    siglip(tmp_path)
    ids = built(tmp_path).tokenize(["A Photo", "dog"])["ids"]
    assert ids.shape == (2, 16)
    assert ids[0, :3].tolist() == [WORDS.index("a"), WORDS.index("photo"), 1]
    assert ids[1, 2:].tolist() == [0] * 14


def test_the_first_siglip_reads_no_punctuation(tmp_path):
    siglip(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": "SiglipTokenizer"}))
    model = built(tmp_path)
    assert torch.equal(
        model.tokenize(["A  photo, of a (cat)."])["ids"], model.tokenize(["a photo of a cat"])["ids"]
    )
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "spiece.model").write_bytes(b"")
    with pytest.raises(InputError, match="transformers could not read it") as caught:
        built(tmp_path).tokenize(["a cat"])
    assert "sentencepiece" in caught.value.next_step


def test_a_text_that_is_too_long_is_refused(pair):
    _, model, _ = pair
    limit = {"clip": 20, "siglip": 16, "siglip2": 64}[model.model.config.model_type]
    with pytest.raises(InputError, match=f"at most {limit} tokens") as caught:
        model.tokenize(["dog", "a " * 70])
    assert "a a a" in caught.value.what


def test_a_folder_without_tokenizer_is_told_when_texts_are_read(tmp_path):
    clip(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    (tmp_path / "vocab.json").unlink(missing_ok=True)
    model = built(tmp_path)
    with pytest.raises(InputError, match="Expected a tokenizer"):
        model.tokenize(["a cat"])


def test_a_tokenizer_of_another_model_is_told(tmp_path):
    clip(tmp_path, vocab_size=128, bos_token_id=1, eos_token_id=2)
    with pytest.raises(InputError, match="tokenizer of the model's 128 tokens"):
        built(tmp_path).tokenize(["a cat"])


def test_a_damaged_tokenizer_is_told(tmp_path):
    siglip(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="transformers could not read it"):
        built(tmp_path).tokenize(["a cat"])


# -- weights ----------------------------------------------------------------------------------------


def test_weights_of_the_folder_are_recorded(pair):
    _, model, folder = pair
    assert model.weights_files == (folder / "model.safetensors",)


def test_random_weights_follow_the_seed(tmp_path):
    clip(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.manual_seed(5)
    one = built(tmp_path, weights="none")
    torch.manual_seed(5)
    other = built(tmp_path, weights="none")
    assert one.weights_files == ()
    assert torch.equal(one.model.visual_projection.weight, other.model.visual_projection.weight)


def test_an_old_file_with_positions_and_half_precision(tmp_path, images):
    reference = clip(tmp_path)
    state = {name: one.half() for name, one in reference.state_dict().items()}
    state["text_model.embeddings.position_ids"] = torch.arange(20)[None]
    state["logit_scale"] = state["logit_scale"].reshape(1)
    torch.save(state, tmp_path / "old.bin")
    model = built(tmp_path, weights=str(tmp_path / "old.bin"))
    assert model.model.logit_scale.dtype == torch.float32
    torch.testing.assert_close(
        model.image_features(images),
        reference.get_image_features(pixel_values=images).pooler_output,
        rtol=1e-2,
        atol=1e-2,
    )


def test_weights_of_another_model_are_refused(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    clip(tmp_path / "one")
    siglip(tmp_path / "two")
    with pytest.raises(InputError, match="text_projection"):
        built(tmp_path / "one", weights=str(tmp_path / "two"))


# -- repositories -----------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub's cache, and no network."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(cache), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("RATIONALE_CACHE", str(tmp_path / "cache"))
    commit = "0123456789012345678901234567890123456789"
    repository = cache / "models--owner--tiny"
    folder = repository / "snapshots" / commit
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cached_repository_needs_no_network(family, hub, images):
    reference = FAMILIES[family](hub)
    model = HuggingFace(HuggingFace.Options(repository="owner/tiny")).eval()
    assert [path.name for path in model.weights_files] == ["model.safetensors"]
    assert torch.equal(model.image_features(images), built(hub).image_features(images))
    assert len(model.tokenize(TEXTS)["ids"]) == 2
    assert torch.equal(model.model.logit_scale, reference.logit_scale)
    published = HuggingFace.published(HuggingFace.Options(repository="owner/tiny"))
    assert published["own"].url == "hf://owner/tiny/model.safetensors"


def test_shards_of_a_cached_repository(hub, images):
    reference = clip(hub)
    (hub / "model.safetensors").unlink()
    reference.save_pretrained(hub, max_shard_size="1MB")
    assert not (hub / "model.safetensors").exists()
    model = HuggingFace(HuggingFace.Options(repository="owner/tiny")).eval()
    assert len(model.weights_files) > 1
    wanted = reference.get_image_features(pixel_values=images).pooler_output
    torch.testing.assert_close(model.image_features(images), wanted, rtol=1e-5, atol=1e-6)


def test_a_repository_without_safetensors(hub, images):
    reference = clip(hub)
    (hub / "model.safetensors").unlink()
    torch.save(reference.state_dict(), hub / "pytorch_model.bin")
    model = HuggingFace(HuggingFace.Options(repository="owner/tiny")).eval()
    assert [path.name for path in model.weights_files] == ["pytorch_model.bin"]


def test_a_repository_that_cannot_be_had_is_told_in_one_message(hub):
    with pytest.raises(InputError, match="'owner/other'") as caught:
        HuggingFace(HuggingFace.Options(repository="owner/other"))
    assert "huggingface.co/owner/other" in caught.value.where
    assert "hf download owner/other" in caught.value.next_step


def test_missing_weights_of_a_cached_repository_are_told(hub):
    clip(hub)
    (hub / "model.safetensors").unlink()
    with pytest.raises(InputError, match="the weights of owner/tiny") as caught:
        HuggingFace(HuggingFace.Options(repository="owner/tiny"))
    assert "model.safetensors" in caught.value.where


@pytest.mark.parametrize("name", ["nowhere", "a/b/c", "/no/such/folder"])
def test_what_is_neither_folder_nor_repository_is_told(name):
    with pytest.raises(InputError, match="a folder or a repository as owner/name"):
        HuggingFace(HuggingFace.Options(repository=name))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "config.json but there is none"),
        ("{", "could not read it"),
        ("[]", "a JSON object but got list"),
        ('{"model_type": "bert"}', r"known family \(clip, siglip, siglip2\) but got 'bert'"),
    ],
)
def test_configurations_that_are_none_are_refused(tmp_path, content, told):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=told):
        built(tmp_path)
