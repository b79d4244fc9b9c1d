"""The open_clip adapter: the same function as open_clip's, and weights from anywhere that is safe."""

from __future__ import annotations

import pickle

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from rationale_plugins.models import _open_clip_weights as weights
from rationale_plugins.models._open_clip_build import parse, preprocessing_of
from rationale_plugins.models._open_clip_text import tokenizer_of
from rationale_plugins.models.open_clip import AnyOpenClip, ClipViTB32, OpenClip
from safetensors.torch import save_file
from torch import nn

from rationale_cli.contracts import Checkpoint, Specification
from rationale_cli.errors import InputError
from rationale_cli.testing import check_model
from rationale_cli.toolkit.attention import tower_of
from rationale_cli.toolkit.heads import TextClassifier
from rationale_cli.toolkit.relevance import Rule, class_score, explain
from rationale_cli.toolkit.weights import place

VOCABULARY = 49408


def tiny(seed=0, quick_gelu=True, vocabulary=VOCABULARY, context_length=12, **vision):
    torch.manual_seed(seed)
    image = CLIPVisionCfg(
        **{"layers": 3, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 32, **vision}
    )
    text = CLIPTextCfg(context_length=context_length, vocab_size=vocabulary, width=8, heads=2, layers=1)
    return CLIP(8, image, text, quick_gelu=quick_gelu).eval()


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(2, 3, 32, 32)


@pytest.mark.parametrize(
    "vision",
    [
        {},
        {"ls_init_value": 0.1},
        {"no_ln_pre": True},
        {"final_ln_after_pool": True},
        {"pool_type": "avg"},
        {"attentional_pool": True, "attn_pooler_queries": 3, "attn_pooler_heads": 2},
        {"block_type": "custom", "qk_norm": True},
    ],
    ids=lambda vision: ",".join(vision) or "plain",
)
def test_features_and_their_gradients_are_those_of_open_clip(vision, images):
    clip = tiny(**vision)
    model = OpenClip(clip)
    found, wanted = model.image_features(images), clip.encode_image(images)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    parameters = list(model.parameters_of("image_features"))
    ours = torch.autograd.grad(found.sin().sum(), parameters, allow_unused=True)
    theirs = torch.autograd.grad(wanted.sin().sum(), parameters, allow_unused=True)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_geometry_and_scale():
    clip = tiny(image_size=48)
    model = OpenClip(clip)
    assert model.preprocessing.size == 48
    assert model.preprocessing.interpolation == "bicubic"
    assert model.preprocessing.mean == (0.48145466, 0.4578275, 0.40821073)
    assert model.patch_grid(48, 48) == (6, 6)
    assert model.logit_scale.shape == ()
    assert model.logit_scale.item() == pytest.approx(1 / 0.07)


def test_every_parameter_belongs_to_one_tower_or_is_the_scale():
    model = OpenClip(tiny())
    image, text = (list(model.parameters_of(part)) for part in ("embed_images", "embed_texts"))
    known = {id(one) for one in (*image, *text)}
    assert len(known) == len(image) + len(text)
    rest = [name for name, one in model.named_parameters() if id(one) not in known]
    assert rest == ["clip.logit_scale"]
    model.embed_texts(model.tokenize(["a cat"])).sum().backward()
    assert all(one.grad is not None for one in text)
    assert all(one.grad is None for one in image)


def test_a_tower_of_another_kind_is_refused():
    clip = tiny()
    clip.visual = nn.Identity()
    with pytest.raises(InputError, match="Identity"):
        OpenClip(clip)


# -- text -------------------------------------------------------------------------------------------


def test_tokens_are_those_of_open_clip():
    texts = ["a photo of a cat", "Ein Äpfel, bitte!"]
    ids = OpenClip(tiny()).tokenize(texts)["ids"]
    assert torch.equal(ids, open_clip.get_tokenizer("ViT-B-32")(texts, context_length=12))


def test_a_text_that_open_clip_would_cut_is_refused():
    model = OpenClip(tiny())
    assert model.tokenize(["a " * 10])["ids"].shape == (1, 12)
    with pytest.raises(InputError, match=r"at most 12 tokens.* but got 13"):
        model.tokenize(["a cat", "a " * 11])


def test_prompts_of_embeddings_are_read_without_what_follows_the_longest():
    clip = tiny(context_length=77)
    model, seen = OpenClip(clip), []
    clip.transformer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    tokens = model.tokenize(["a cat", "a photo of a cat"])
    found = model.embed_prompts(model.token_embeddings(tokens), tokens)
    assert seen == [7]
    torch.testing.assert_close(found, clip.encode_text(tokens["ids"]), rtol=1e-5, atol=1e-6)


def test_a_text_tower_of_another_library_learns_no_prompts():
    class Hub(nn.Module):
        pass

    clip = tiny()
    clip.text = Hub()
    model = OpenClip(clip)
    for ask in (model.token_embeddings, model.token_counts):
        with pytest.raises(InputError, match=r"open_clip's own, whose prompts can be learned.* Hub"):
            ask({"ids": torch.zeros(1, 3, dtype=torch.long), "length": torch.tensor([3])})


def test_a_model_of_another_vocabulary_is_told():
    with pytest.raises(InputError, match="vocabulary of 49408 tokens but this one has 128"):
        OpenClip(tiny(vocabulary=128)).tokenize(["a cat"])


# -- weights ----------------------------------------------------------------------------------------


def same(one, other):
    return all(torch.equal(one.state_dict()[name], tensor) for name, tensor in other.state_dict().items())


def saved_safetensors(clip, path):
    save_file(clip.state_dict(), path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def saved_state(clip, path):
    torch.save(clip.state_dict(), path)
    return path


def saved_openai(clip, path):
    numbers = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(12), "vocab_size": 49408}
    torch.save({**clip.state_dict(), **numbers}, path)
    return path


def saved_checkpoint(clip, path):
    state = {f"module.{name}": tensor for name, tensor in clip.state_dict().items()}
    state["module.logit_scale"] = state["module.logit_scale"].reshape(1)
    torch.save({"epoch": 3, "name": "run", "state_dict": state}, path)
    return path


@pytest.mark.parametrize("save", [saved_safetensors, saved_state, saved_openai, saved_checkpoint])
def test_weights_of_every_kind_of_file(tmp_path, save):
    trained, fresh = tiny(seed=1), tiny(seed=2)
    assert not same(fresh, trained)
    weights.load(fresh, weights.read(save(trained, tmp_path / "weights.pt")), where="file")
    assert same(fresh, trained)


def test_half_precision_is_loaded_into_single(tmp_path):
    trained, fresh = tiny(seed=1), tiny(seed=2)
    half = {name: tensor.half() for name, tensor in trained.state_dict().items()}
    torch.save(half, tmp_path / "half.pt")
    weights.load(fresh, weights.read(tmp_path / "half.pt"), where="file")
    assert fresh.visual.proj.dtype == torch.float32
    torch.testing.assert_close(fresh.visual.proj, half["visual.proj"].float())


def test_misfits_are_listed_in_a_table_and_nothing_is_loaded():
    fresh, before = tiny(seed=2), tiny(seed=2)
    tensors = dict(tiny(seed=1).state_dict())
    del tensors["visual.proj"]
    tensors["visual.extra"] = torch.zeros(3)
    tensors["text_projection"] = torch.zeros(8, 9)
    with pytest.raises(InputError) as caught:
        weights.load(fresh, tensors, where="some.pt")
    lines = str(caught.value).splitlines()
    assert "3 of" in lines[0]
    rows = [line.split() for line in lines]
    assert ["text_projection", "8×8", "8×9"] in rows
    assert ["visual.extra", "–", "3"] in rows
    assert ["visual.proj", "16×8", "–"] in rows
    assert caught.value.where == "some.pt"
    assert same(fresh, before)


def test_weights_of_another_architecture_are_cut_short():
    with pytest.raises(InputError, match=r"… and \d+ more"):
        weights.load(tiny(), tiny(width=32).state_dict(), where="some.pt")


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def write_trap(path):
    torch.save({"state_dict": tiny().state_dict(), "trap": Trap()}, path)


def write_plain_pickle(path):
    path.write_bytes(pickle.dumps({"a": Trap()}))


def write_half_a_file(path):
    saved_state(tiny(), path)
    path.write_bytes(path.read_bytes()[:2000])


def write_list(path):
    torch.save([torch.zeros(2)], path)


def write_number(path):
    torch.save({"a": torch.zeros(2), "b": 3.5}, path)


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (write_trap, "asks for code to be run"),
        (write_plain_pickle, "asks for code to be run"),
        (write_half_a_file, "could not read it"),
        (lambda path: path.write_bytes(b""), "could not read it"),
        (lambda path: path.mkdir(), "there is none"),
        (lambda path: None, "there is none"),
        (write_list, "a mapping of names to tensors but got list"),
        (write_number, "'b' is float"),
    ],
)
def test_files_that_are_no_weights_are_refused(tmp_path, write, told):
    path = tmp_path / "weights.pt"
    write(path)
    with pytest.raises(InputError, match=told) as caught:
        weights.read(path)
    assert caught.value.where == str(path)


# -- by name ----------------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and empty caches."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("RATIONALE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def small(monkeypatch):
    """open_clip's own architectures, with towers of a few numbers under their names."""
    known = open_clip.get_model_config

    def shrunk(name):
        configuration = known(name)
        if configuration and "timm_model_name" not in configuration["vision_cfg"]:
            configuration["vision_cfg"] |= {"width": 64, "layers": 1, "patch_size": 32, "head_width": 32}
        if configuration:
            configuration["text_cfg"] |= {"width": 16, "heads": 2, "layers": 1}
        return configuration

    monkeypatch.setattr(open_clip, "get_model_config", shrunk)


def named(name, weights="tag"):
    return AnyOpenClip(AnyOpenClip.Options(architecture=name, weights=weights))


def test_without_a_network_the_file_is_named(offline, small):
    for build, owner in (
        (lambda: ClipViTB32(ClipViTB32.Options()), "vit_base_patch32_clip_224.openai"),
        (lambda: named("ViT-B-16@openai"), "vit_base_patch16_clip_224.openai"),
    ):
        with pytest.raises(InputError, match="'openai'") as caught:
            build()
        assert f"https://huggingface.co/timm/{owner}/resolve/main/open_clip_model" in caught.value.where
        assert "--weights FILE" in caught.value.next_step


def test_published_weights_are_all_of_open_clips_tags():
    found = ClipViTB32.published(ClipViTB32.Options())
    assert found["openai"].url == "hf://timm/vit_base_patch32_clip_224.openai/open_clip_model.safetensors"
    assert found["laion2b_s34b_b79k"].url.startswith("hf://laion/CLIP-ViT-B-32-laion2B-s34B-b79K/")
    assert set(found) == set(open_clip.list_pretrained_tags_by_model("ViT-B-32"))
    options = AnyOpenClip.Options(architecture="ViTamin-S@datacomp1b")
    found = AnyOpenClip.published(options)
    assert found["datacomp1b"].url == "hf://jienengchen/ViTamin-S/pytorch_model.safetensors"
    assert found["tag"] == found["datacomp1b"]


@pytest.mark.parametrize("architecture", open_clip.list_models())
def test_every_tag_of_every_architecture_has_an_address_and_a_preparation(architecture):
    for tag, checkpoint in AnyOpenClip.published(AnyOpenClip.Options(architecture=architecture)).items():
        assert checkpoint.url.startswith(("hf://", "https://"))
        preprocessing = preprocessing_of(architecture, tag, 64)
        wanted = open_clip.pretrained.get_pretrained_cfg(architecture, tag)
        assert preprocessing.mean == tuple(wanted["mean"])
        assert preprocessing.squash == (wanted["resize_mode"] == "squash")
        assert preprocessing.interpolation == wanted["interpolation"]


def test_hashes_are_read_from_addresses():
    openai = {"hf_hub": "", "url": "https://openaipublic.azureedge.net/clip/models/40d3657/ViT-B-32.pt"}
    github = {"hf_hub": "", "url": "https://github.com/mlfoundations/open_clip/x/vit-laion-46683a32.pt"}
    assert weights._alternatives(openai)[0].sha256 == "40d3657"
    assert weights._alternatives(github)[0].sha256 == "46683a32"


def put(offline, checkpoint, clip):
    """Lay a file where one fetched by hand is looked for."""
    path = place(checkpoint)
    path.parent.mkdir(parents=True)
    assert offline in path.parents
    save_file(clip.state_dict(), path)
    return path


def activation_of(model):
    return type(model.clip.visual.transformer.resblocks[0].mlp.gelu).__name__


@pytest.mark.parametrize(
    ("name", "tag", "activation", "mean"),
    [
        ("ViT-B-32", "openai", "QuickGELU", 0.48145466),
        ("ViT-B-32", "laion2b_s34b_b79k", "GELU", 0.48145466),
        ("ViT-L-14", "laion2b_s32b_b82k", "GELU", 0.5),
        ("ViT-L-14", "dfn2b", "QuickGELU", 0.48145466),
        ("ViT-L-14-quickgelu", "dfn2b", "QuickGELU", 0.48145466),
    ],
)
def test_activation_and_normalisation_are_those_of_the_tag(offline, small, name, tag, activation, mean):
    torch.manual_seed(4)
    trained = named(name, "none").clip
    path = put(offline, AnyOpenClip.published(AnyOpenClip.Options(architecture=name))[tag], trained)
    models = [named(f"{name}@{tag}"), named(name, tag)]
    if name == "ViT-B-32":
        models.append(ClipViTB32(ClipViTB32.Options(weights=tag)))
    for model in models:
        assert model.weights_files == (path,)
        assert activation_of(model) == activation
        assert model.preprocessing.mean[0] == mean
        assert same(model.clip, trained)


def test_a_file_takes_the_activation_that_is_said(small, tmp_path):
    torch.manual_seed(4)
    path = saved_safetensors(ClipViTB32(ClipViTB32.Options(weights="none")).clip, tmp_path / "own")
    assert activation_of(ClipViTB32(ClipViTB32.Options(weights=str(path)))) == "QuickGELU"
    gelu = ClipViTB32(ClipViTB32.Options(weights=str(path), activation="gelu"))
    assert activation_of(gelu) == "GELU"
    assert gelu.weights_files == (path,)
    assert activation_of(named("ViT-B-32", str(path))) == "GELU"
    assert activation_of(named("ViT-B-32-quickgelu", str(path))) == "QuickGELU"
    assert activation_of(named("ViT-B-32@openai", str(path))) == "QuickGELU"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vit-l14", r"'vit-l14'\. Did you mean .*'ViT-L-14'"),
        ("ViT-B-32@laion2b_s34b", "Did you mean 'laion2b_s34b_b79k'"),
        ("ViT-B-32", r"ViT-B-32@TAG\. Known: .*openai"),
    ],
)
def test_names_that_open_clip_does_not_know_are_told(name, told):
    with pytest.raises(InputError, match=told):
        named(name)


def test_a_name_as_openai_writes_it_is_understood():
    assert parse("ViT-B/32@openai") == ("ViT-B-32", "openai")


def test_a_tokenizer_that_must_be_fetched_is_named(offline):
    with pytest.raises(InputError, match="tokenizer timm/ViT-B-16-SigLIP of ViT-B-16-SigLIP") as caught:
        tokenizer_of("ViT-B-16-SigLIP")
    assert "timm/ViT-B-16-SigLIP/resolve/main/tokenizer_config.json" in caught.value.where
    assert "hf download timm/ViT-B-16-SigLIP" in caught.value.next_step


def test_a_text_tower_that_must_be_fetched_is_named(offline):
    with pytest.raises(InputError, match="text tower roberta-base") as caught:
        named("roberta-ViT-B-32", "none")
    assert caught.value.where.endswith("roberta-base/resolve/main/config.json")


def test_a_tokenizer_of_the_hub_is_read_and_never_cuts(offline):
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "a": 2, "cat": 3}, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = place(Checkpoint("hf://timm/ViT-B-16-SigLIP/tokenizer.json")).parent
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>").save_pretrained(
        folder
    )
    tokenizer = tokenizer_of("ViT-B-16-SigLIP")
    tokens = tokenizer(["A cat!"], 4)
    assert tokens["ids"].shape == (1, 64)
    assert tokens["ids"][0, :3].tolist() == [2, 3, 0]
    assert tokens["length"].tolist() == [2]
    with pytest.raises(InputError, match="at most 64 tokens"):
        tokenizer(["a " * 65], 4)
    with pytest.raises(InputError, match="number 3"):
        tokenizer(["a cat"], 3)


# -- other towers -----------------------------------------------------------------------------------

TEXT = {"context_length": 24, "vocab_size": VOCABULARY, "width": 16, "heads": 2, "layers": 1}


@pytest.fixture(scope="module")
def timm_towers():
    """Small towers in timm's register: one read from its CLS token, one with SigLIP's attention pool."""
    from timm.models import register_model
    from timm.models.vision_transformer import VisionTransformer

    def tower(**keywords):
        for unwanted in ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
            keywords.pop(unwanted, None)
        sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
        model = VisionTransformer(**sizes, **keywords)
        model.default_cfg = {}
        return model

    def rationale_test_token(**keywords):
        return tower(**{"global_pool": "token", **keywords})

    def rationale_test_map(**keywords):
        return tower(**{**keywords, "class_token": False, "global_pool": "map"})

    def rationale_test_mean(**keywords):
        return tower(**{**keywords, "class_token": False, "global_pool": "avg"})

    for function in (rationale_test_token, rationale_test_map, rationale_test_mean):
        function.__module__ = __name__
        register_model(function)


def custom(name, width, **more):
    torch.manual_seed(0)
    vision = {"image_size": 32, "timm_model_name": name, **more.pop("vision", {})}
    model = open_clip.CustomTextCLIP(width, vision, {**TEXT, **more.pop("text", {})}, **more).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def token_tower():
    return custom("rationale_test_token", 8, vision={"timm_pool": "token", "timm_proj": "linear"})


def siglip():
    vision = {"timm_pool": "map", "timm_proj": "none"}
    text = {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
    return custom("rationale_test_map", 32, vision=vision, text=text, init_logit_bias=-10.0)


def coca():
    from open_clip.coca_model import CoCa, MultimodalCfg

    torch.manual_seed(0)
    vision = {"layers": 2, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 32}
    pool = {"attentional_pool": True, "attn_pooler_queries": 5, "attn_pooler_heads": 2, "output_tokens": True}
    text = {**TEXT, "embed_cls": True, "output_tokens": True}
    decoder = MultimodalCfg(context_length=24, vocab_size=VOCABULARY, width=16, heads=2, layers=1)
    return CoCa(16, decoder, text, {**vision, **pool}).eval()


class ByHand(OpenClip):
    """A plugin around a model that is given."""

    Options = AnyOpenClip.Options


@pytest.mark.parametrize("clip", [tiny, token_tower, siglip, coca], ids=lambda one: one.__name__)
def test_the_contract_holds(clip, timm_towers):
    built = clip(context_length=24) if clip is tiny else clip()
    check_model(ByHand(built))


@pytest.mark.parametrize(
    ("clip", "depth", "pooled"), [(token_tower, 2, False), (siglip, 3, True), (coca, 3, True)]
)
def test_towers_are_explained_through_their_cls_token_or_pool(clip, depth, pooled, timm_towers, images):
    model = OpenClip(clip()).eval()
    vectors = model.embed_texts(model.tokenize(["a cat", "a dog"])).detach()
    classifier = TextClassifier(model, vectors)
    tower = tower_of(classifier, images)
    assert (tower.depth, tower.pooled, tower.one_row) == (depth, pooled, True)
    objective = class_score(classifier, torch.tensor([0, 1]))
    specifications = [Specification(layers, "dot") for layers in ("last", "all")]
    for relevance in explain(classifier, images, specifications, objective, Rule()).relevance:
        assert relevance.shape == (2, 4, 4)
        assert bool((relevance.flatten(1).amax(1) > 0).all())


def test_siglips_logits_are_open_clips_without_the_bias(timm_towers, images):
    clip = siglip()
    model = OpenClip(clip)
    tokens = model.tokenize(["a cat", "a dog"])
    classifier = TextClassifier(model, model.embed_texts(tokens).detach())
    wanted, _ = clip.get_logits(images, tokens["ids"])
    torch.testing.assert_close(classifier(images) + clip.logit_bias, wanted, rtol=1e-5, atol=1e-4)


def test_a_resnet_is_explained_through_its_mean_token():
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=(1, 1, 1, 1), width=8, head_width=8, image_size=96)
    model = OpenClip(CLIP(8, vision, CLIPTextCfg(**TEXT))).eval()
    pictures = torch.randn(2, 3, 96, 96)
    assert model.preprocessing.size == 96
    assert model.patch_grid(96, 96) == (3, 3)
    classifier = TextClassifier(model, torch.randn(2, 8))
    objective = class_score(classifier, torch.tensor([0, 1]))
    (relevance,) = explain(classifier, pictures, [Specification("all", "dot")], objective, Rule()).relevance
    assert relevance.shape == (2, 3, 3)
    assert float(relevance.max()) > 0


def test_a_tower_that_averages_predicts_and_its_heatmap_is_refused(timm_towers, images):
    model = OpenClip(custom("rationale_test_mean", 32, vision={"timm_pool": "avg", "timm_proj": "none"}))
    classifier = TextClassifier(model.eval(), torch.randn(3, 32))
    assert classifier(images).shape == (2, 3)
    objective = class_score(classifier, torch.tensor([0, 1]))
    with pytest.raises(InputError, match="mean pooling"):
        explain(classifier, images, [Specification("last", "dot")], objective, Rule())


@pytest.mark.parametrize("clip", [token_tower, siglip], ids=lambda one: one.__name__)
def test_weights_of_custom_towers_are_loaded(clip, timm_towers, tmp_path):
    trained = clip()
    state = {name: one for name, one in trained.state_dict().items() if name != "logit_bias"}
    torch.save({"state_dict": {f"module.{name}": one for name, one in state.items()}}, tmp_path / "file.pt")
    fresh = clip()
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    weights.load(fresh, weights.read(tmp_path / "file.pt"), where="file")
    for name, one in state.items():
        assert torch.equal(fresh.state_dict()[name], one)


def test_a_file_of_one_clip_is_read_by_a_model_of_two_towers(timm_towers):
    plain = tiny(seed=1, context_length=24)
    vision = {"layers": 3, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 32}
    two = open_clip.CustomTextCLIP(8, vision, {**TEXT, "width": 8}, quick_gelu=True).eval()
    weights.load(two, plain.state_dict(), where="file")
    assert torch.equal(two.text.token_embedding.weight, plain.token_embedding.weight)
    assert torch.equal(two.visual.proj, plain.visual.proj)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit", "ignore::torch.jit.TracerWarning")
def test_openais_own_archive_in_full(tmp_path):
    """The form of ViT-B-32.pt: a traced module in half precision, with three numbers among its tensors."""
    torch.manual_seed(0)
    clip = CLIP(**open_clip.get_model_config("ViT-B-32"), quick_gelu=True).eval()
    for name, number in (("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408)):
        if hasattr(clip, name):
            delattr(clip, name)
        clip.register_buffer(name, torch.tensor(number))
    del clip.attn_mask  # OpenAI's code keeps it outside the module's tensors
    traced = torch.jit.trace_module(clip, {"encode_image": torch.zeros(1, 3, 224, 224)}, check_trace=False)
    torch.jit.save(traced.half(), tmp_path / "ViT-B-32.pt")
    model = ClipViTB32(ClipViTB32.Options(weights=str(tmp_path / "ViT-B-32.pt")))
    assert model.weights_files == (tmp_path / "ViT-B-32.pt",)
    published = {
        name: one
        for name, one in clip.state_dict().items()
        if name not in {"input_resolution", "context_length", "vocab_size"}
    }
    own = model.clip.state_dict()
    assert published.keys() == own.keys()
    for name, one in published.items():
        assert own[name].dtype == torch.float32
        torch.testing.assert_close(own[name], one.half().float(), rtol=0, atol=0)
