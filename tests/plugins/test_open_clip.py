"""The open_clip adapter: the same function as open_clip's, and weights from anywhere that is safe."""

from __future__ import annotations

import pickle

import open_clip
import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from rationale_plugins.models import _open_clip_weights as weights
from rationale_plugins.models.open_clip import ClipViTB16, ClipViTB32, OpenClip
from safetensors.torch import save_file
from torch import nn

from rationale_cli.errors import InputError

VOCABULARY = 49408


def tiny(seed=0, quick_gelu=True, vocabulary=VOCABULARY, **vision):
    torch.manual_seed(seed)
    image = CLIPVisionCfg(
        **{"layers": 3, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 32, **vision}
    )
    text = CLIPTextCfg(context_length=12, vocab_size=vocabulary, width=8, heads=2, layers=1)
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


def write_script(path):
    torch.jit.script(nn.Linear(2, 2)).save(path)


def write_half_a_file(path):
    saved_state(tiny(), path)
    path.write_bytes(path.read_bytes()[:2000])


def write_list(path):
    torch.save([torch.zeros(2)], path)


def write_number(path):
    torch.save({"a": torch.zeros(2), "b": 3.5}, path)


@pytest.mark.filterwarnings("ignore:.torch.jit")
@pytest.mark.parametrize(
    ("write", "told"),
    [
        (write_trap, "asks for code to be run"),
        (write_plain_pickle, "asks for code to be run"),
        (write_script, "TorchScript"),
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


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_a_script_archive_tells_how_its_weights_can_be_had(tmp_path):
    write_script(tmp_path / "ViT-B-32.pt")
    with pytest.raises(InputError) as caught:
        weights.read(tmp_path / "ViT-B-32.pt")
    assert "--weights openai" in caught.value.next_step


@pytest.fixture
def hub(monkeypatch):
    """The hub's cache as a dictionary, and no network."""
    cache = {}

    def download(repository, name, local_files_only=False):
        assert local_files_only, "nothing may be fetched without a network"
        if (repository, name) not in cache:
            raise FileNotFoundError(name)
        return cache[repository, name]

    def unreachable(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(weights, "hf_hub_download", download)
    monkeypatch.setattr(weights, "getproxies", dict)
    monkeypatch.setattr("socket.create_connection", unreachable)
    return cache


@pytest.mark.parametrize("model", [ClipViTB32, ClipViTB16])
def test_without_a_network_the_file_is_named(model, hub):
    with pytest.raises(InputError, match="Name or service not known") as caught:
        model(model.Options())
    patch = model.architecture[-2:]
    assert f"vit_base_patch{patch}_clip_224.openai" in caught.value.where
    assert "open_clip_model.safetensors (0.6 GB)" in caught.value.where
    assert "--weights FILE" in caught.value.next_step


def test_cached_weights_need_no_network(hub, tmp_path):
    file = saved_safetensors(tiny(), tmp_path / "weights")
    hub["timm/vit_base_patch32_clip_224.openai", "open_clip_model.safetensors"] = str(file)
    assert weights.fetch_openai("ViT-B-32", tiny()) == file
