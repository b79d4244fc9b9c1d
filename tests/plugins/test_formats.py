"""Checkpoints in the layouts in which others save them become runs whose logits are those of the source."""

from __future__ import annotations

import json

import open_clip
import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.datasets.scenes import Scenes
from rationale_plugins.methods.cocoop import CoCoOp
from rationale_plugins.methods.coprompt import CoPrompt
from rationale_plugins.methods.flcp import Flcp
from rationale_plugins.methods.maple import MaPLe
from rationale_plugins.methods.promptsrc import PromptSRC
from rationale_plugins.models._clip_names import as_open_clip, as_transformers
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

from rationale_cli.contracts import Silent, Task
from rationale_cli.engine.build import build, restore_checkpoint
from rationale_cli.engine.request import requested
from rationale_cli.errors import InputError
from rationale_cli.recipe import Draft, from_mapping
from rationale_cli.registry import Registry
from rationale_cli.stages.importing import ImportRequest
from rationale_cli.stages.importing import run as import_run
from rationale_cli.testing import FakeModel
from rationale_cli.toolkit.weights import tuned_weights

from .small_open_clip import shrink

CLIP = {"model": "clip-vit-b-32", "model.weights": "none", "model.activation": "gelu", "dataset": "scenes"}
TINY = {"model": "tiny-clip", "dataset": "scenes"}
TASK = Scenes(Scenes.Options()).task
NAMES = TASK.classnames


@pytest.fixture(scope="module")
def registry():
    return Registry.discover()


@pytest.fixture
def imported(tmp_path, registry, monkeypatch):
    """Import a file and build the run's classifier as explaining does."""
    shrink(monkeypatch)

    def restored(path, settings=CLIP, progress=None, **named):
        draft = Draft(from_mapping(settings, "test"))
        run = import_run(ImportRequest(path, draft, registry, root=tmp_path / "runs", **named), progress)
        built = build(requested(run, registry).configuration)
        restore_checkpoint(run, built.classifier)
        return run, built.classifier.eval()

    return restored


@pytest.fixture
def source(monkeypatch):
    """A CLIP of open_clip with weights of its own, which nobody here made."""
    shrink(monkeypatch)
    torch.manual_seed(7)
    model = open_clip.CLIP(**{**open_clip.get_model_config("ViT-B-32"), "quick_gelu": False}).eval()
    model.logit_scale.data.fill_(3.0)
    return model


@pytest.fixture
def images():
    return torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))


def zero_shot(source, images):
    """By open_clip itself: mean of normalised prompts."""
    tokens = open_clip.get_tokenizer("ViT-B-32")([TASK.templates[0].format(name) for name in NAMES])
    with torch.no_grad():
        texts = F.normalize(source.encode_text(tokens), dim=-1)
        return source.logit_scale.exp() * F.normalize(source.encode_image(images), dim=-1) @ texts.T


def training_checkpoint(model, path):
    state = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"epoch": 10, "name": "mine", "state_dict": state, "optimizer": {}}, path)
    return path


def plain(model, path):
    save_file(model.state_dict(), path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def of_flyp(model, path):
    torch.save({f"model.{name}": tensor for name, tensor in model.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("save", [training_checkpoint, plain, of_flyp])
def test_all_weights_of_open_clip(source, images, imported, tmp_path, save):
    run, classifier = imported(save(source, tmp_path / "epoch_10.pt"))
    assert run.configuration["imported"]["format"] == "open_clip"
    assert run.done
    with torch.no_grad():
        torch.testing.assert_close(classifier(images), zero_shot(source, images))


def test_a_linear_head_on_the_frozen_encoder(images, imported, tmp_path):
    head = torch.nn.Linear(512, 12)
    torch.save({f"module.fc.{name}": one for name, one in head.state_dict().items()}, tmp_path / "head.pt")
    run, classifier = imported(tmp_path / "head.pt")
    assert run.configuration["method"]["use"] == "rationale:lp"
    assert run.manifest["label"] == "method=lp, checkpoint=head.pt"
    with torch.no_grad():
        wanted = head(classifier.model.image_features(images))
        torch.testing.assert_close(classifier(images), wanted)


@pytest.mark.parametrize("prefix", ["clip_feature_extractor.", "module.clip_feature_extractor.", "encoder."])
def test_encoder_and_head(source, images, imported, tmp_path, prefix):
    head = torch.nn.Linear(512, 12)
    tower = source if "clip" in prefix else source.visual
    outer = "module." if prefix.startswith("module.") else ""
    state = {f"{prefix}{name}": one for name, one in tower.state_dict().items()}
    state |= {f"{outer}classifier.{name}": one for name, one in head.state_dict().items()}
    torch.save(state, tmp_path / "ft.pt")
    run, classifier = imported(tmp_path / "ft.pt")
    assert run.configuration["method"]["use"] == "rationale:ft"
    with torch.no_grad():
        torch.testing.assert_close(classifier(images), head(source.encode_image(images)))


def test_wise_ft_reads_features_of_unit_length(source, images, imported, tmp_path):
    head = torch.nn.Linear(512, 12)
    state = {f"image_encoder.model.{name}": one for name, one in source.state_dict().items()}
    state |= {f"classification_head.{name}": one for name, one in head.state_dict().items()}
    torch.save(state, tmp_path / "wise.pt")
    run, classifier = imported(tmp_path / "wise.pt")
    assert run.configuration["method"]["use"] == "rationale:wise-ft"
    with torch.no_grad():
        wanted = head(F.normalize(source.encode_image(images), dim=-1))
        torch.testing.assert_close(classifier(images), wanted)


def dassl(tensors, path):
    """As Dassl's trainer saves: its schedule of warm-up holds another schedule, and that the optimiser."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)
    after = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 50.0)
    optimiser.param_groups[0]["params"][0].sum().backward()
    optimiser.step()
    schedule = {"successor": after, "warmup_epoch": 1, "cons_lr": 1e-5, "last_epoch": 50}
    beside = {"epoch": 50, "optimizer": optimiser.state_dict(), "scheduler": schedule, "val_result": None}
    torch.save({"state_dict": tensors, **beside}, path)
    return path


def surroundings(source, names, lead, start):
    """What the prompt learners keep beside their context."""
    tokens = open_clip.get_tokenizer("ViT-B-32")([f"{lead} {name}." for name in names])
    embedded = source.token_embedding(tokens).detach()
    return tokens, embedded, {"token_prefix": embedded[:, :1], "token_suffix": embedded[:, start:]}


@pytest.mark.parametrize("specific", [False, True])
@pytest.mark.parametrize("prefix", ["", "prompt_learner."])
def test_a_context_of_coop(images, imported, tmp_path, prefix, specific):
    torch.manual_seed(3)
    _, zero = imported(saved_head(tmp_path))
    clip = zero.model.clip
    context = 0.3 * torch.randn(*([len(NAMES)] if specific else []), 4, 16)
    tokens, embedded, beside = surroundings(clip, NAMES, "X X X X", 5)
    path = tmp_path / "model.pth.tar-50"
    dassl({f"{prefix}{name}": one for name, one in {"ctx": context, **beside}.items()}, path)
    run, classifier = imported(path)
    assert run.configuration["method"]["use"] == "rationale:coop"
    with torch.no_grad():
        middle = context if specific else context.expand(len(NAMES), -1, -1)
        texts = torch.cat([embedded[:, :1], middle, embedded[:, 5:]], dim=1) + clip.positional_embedding
        states = clip.ln_final(clip.transformer(texts, attn_mask=clip.attn_mask))
        ends = states[torch.arange(len(NAMES)), tokens.argmax(dim=-1)] @ clip.text_projection
        seen = F.normalize(clip.encode_image(images), dim=-1)
        wanted = clip.logit_scale.exp() * seen @ F.normalize(ends, dim=-1).T
        torch.testing.assert_close(classifier(images), wanted)


def saved_head(folder):
    torch.save(torch.nn.Linear(512, 12).state_dict(), folder / "any-head.pt")
    return folder / "any-head.pt"


def test_a_context_of_other_classes_is_refused_or_told(imported, tmp_path):
    _, zero = imported(saved_head(tmp_path))
    *_, beside = surroundings(zero.model.clip, NAMES[::-1], "X X X X", 5)
    told = Noting()
    imported(dassl({"ctx": torch.randn(4, 16), **beside}, tmp_path / "reversed"), progress=told)
    assert "trained with other names of 12 of 12 classes" in told.warnings[0]
    fewer = {name: one[:5] for name, one in beside.items()}
    with pytest.raises(InputError, match="12 classes but it was trained with 5"):
        imported(dassl({"ctx": torch.randn(4, 16), **fewer}, tmp_path / "fewer"))


class Noting(Silent):
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


def by_hand(method, model, numbers):
    """A classifier of a method here that is given numbers by its own names."""
    fitted = method.build(model, Task(NAMES))
    own = dict(fitted.classifier.named_parameters())
    with torch.no_grad():
        for name, one in numbers.items():
            own[name].copy_(one)
        if hasattr(method, "finish"):
            method.finish(fitted, None)
    return fitted.classifier.eval()


def same_as(imported, path, images, method, numbers):
    """Whether the imported run, of that method, answers as the classifier that was given the numbers."""
    run, classifier = imported(path, TINY)
    assert run.configuration["method"]["use"] == f"rationale:{type(method).__name__.lower()}"
    pictures = images[..., :64, :64]
    with torch.no_grad():
        wanted = by_hand(method, classifier.model, numbers)(pictures)
        torch.testing.assert_close(classifier(pictures), wanted)


def coupled():
    """MaPLe's prompts in two blocks: by the names there, and by those here."""
    torch.manual_seed(3)
    there = {
        "ctx": (0.3 * torch.randn(2, 128), "texts.0"),
        "proj.weight": (0.1 * torch.randn(128, 128), "maps.0.weight"),
        "proj.bias": (torch.randn(128), "maps.0.bias"),
        "compound_prompts_text.0": (torch.randn(2, 128), "texts.1"),
        "compound_prompt_projections.0.weight": (0.1 * torch.randn(128, 128), "maps.1.weight"),
        "compound_prompt_projections.0.bias": (torch.randn(128), "maps.1.bias"),
    }
    saved = {f"prompt_learner.{name}": one for name, (one, _) in there.items()}
    return saved, {f"learned.{name}": one for one, name in there.values()}


def test_prompts_of_maple(images, imported, tmp_path):
    saved, numbers = coupled()
    method = MaPLe(MaPLe.Options(context=2, depth=2))
    same_as(imported, dassl(saved, tmp_path / "model.pth.tar-5"), images, method, numbers)


def test_prompts_and_adapters_of_coprompt(images, imported, tmp_path):
    saved, numbers = coupled()
    for tower in ("image", "text"):
        for layer, shape in ((0, (32, 128)), (2, (128, 32))):
            weight = 0.3 * torch.randn(shape)
            saved[f"adapter_{tower}.fc.{layer}.weight"] = weight
            numbers[f"learned.{tower}_adapter.{layer}.weight"] = weight
    method = CoPrompt(CoPrompt.Options(context=2, depth=2))
    same_as(imported, dassl(saved, tmp_path / "model.pth.tar-8"), images, method, numbers)


def independent(blocks=2, tokens=5):
    """PromptSRC's prompts, beside weights of the towers that nothing reads."""
    torch.manual_seed(4)
    names = {"prompt_learner.ctx": "texts.0", "image_encoder.VPT": "images.0"}
    for tower, own in (("text", "texts"), ("image", "images")):
        for block in range(1, blocks):
            names[f"{tower}_encoder.transformer.resblocks.{block}.VPT_shallow"] = f"{own}.{block}"
    numbers = {name: 0.3 * torch.randn(tokens, 128) for name in names}
    beside = {"prompt_learner.ZS_image_encoder.proj": torch.ones(2, 2), "logit_scale": torch.ones(())}
    return {**numbers, **beside}, {f"learned.{own}": numbers[name] for name, own in names.items()}


def test_prompts_of_promptsrc(images, imported, tmp_path):
    """Longer than the words that they may begin with, so that none of these stays."""
    saved, numbers = independent()
    method = PromptSRC(PromptSRC.Options(context=5, depth=2, words=""))
    same_as(imported, dassl(saved, tmp_path / "model.pth.tar-20"), images, method, numbers)


def test_towers_with_unlike_prompts_are_refused(imported, tmp_path):
    saved, _ = independent(blocks=3)
    del saved["image_encoder.transformer.resblocks.2.VPT_shallow"]
    with pytest.raises(InputError, match=r"\[5, 5, 5\] and \[5, 5\] tokens"):
        imported(dassl(saved, tmp_path / "model.pth.tar-20"), TINY)


def test_a_context_of_cocoop(images, imported, tmp_path):
    torch.manual_seed(5)
    layers = {"linear1": (0, torch.nn.Linear(128, 8)), "linear2": (2, torch.nn.Linear(8, 128))}
    saved, numbers = {"ctx": 0.3 * torch.randn(4, 128)}, {}
    for name, (place, layer) in layers.items():
        for kind, one in layer.state_dict().items():
            saved[f"meta_net.{name}.{kind}"] = numbers[f"meta_net.{place}.{kind}"] = one
    method = CoCoOp(CoCoOp.Options(context=4, words=""))
    numbers["context"] = saved["ctx"]
    same_as(imported, dassl(saved, tmp_path / "model.pth.tar-10"), images, method, numbers)


@pytest.fixture
def of_transformers():
    """A CLIPModel of the same size."""
    torch.manual_seed(8)
    sizes = {"num_attention_heads": 2, "num_hidden_layers": 1, "hidden_act": "gelu"}
    vision = {**sizes, "hidden_size": 64, "intermediate_size": 256, "patch_size": 32, "image_size": 224}
    text = {**sizes, "hidden_size": 16, "intermediate_size": 64, "vocab_size": 49408, "eos_token_id": 49407}
    model = CLIPModel(CLIPConfig(projection_dim=512, vision_config=vision, text_config=text)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def test_a_folder_of_transformers_on_a_model_of_open_clip(of_transformers, images, imported, tmp_path):
    of_transformers.save_pretrained(tmp_path / "folder")
    run, classifier = imported(tmp_path / "folder")
    assert run.configuration["imported"]["format"] == "transformers"
    tokens = open_clip.get_tokenizer("ViT-B-32")([TASK.templates[0].format(name) for name in NAMES])
    with torch.no_grad():
        wanted = of_transformers(input_ids=tokens, pixel_values=images).logits_per_image
        torch.testing.assert_close(classifier(images), wanted, rtol=1e-4, atol=1e-4)


def test_names_there_and_back(source):
    tensors = source.state_dict()
    back = as_open_clip(as_transformers({f"module.{name}": one for name, one in tensors.items()}))
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], one) for name, one in tensors.items())
    assert as_open_clip(tensors) is tensors


def adapter(folder, **settings):
    folder.mkdir(parents=True)
    torch.manual_seed(9)
    tensors = {}
    for letter in "qv":
        block = f"base_model.model.vision_model.encoder.layers.0.self_attn.{letter}_proj"
        tensors[f"{block}.lora_A.weight"] = torch.randn(4, 64)
        tensors[f"{block}.lora_B.weight"] = torch.randn(64, 4)
    save_file(tensors, folder / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 2, "base_model_name_or_path": "some/clip", **settings}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    return list(tensors.values())


@pytest.mark.parametrize(("settings", "scale"), [({}, 0.5), ({"use_rslora": True}, 1.0)])
def test_an_adapter_of_peft_is_merged(images, imported, tmp_path, settings, scale):
    down_q, up_q, down_v, up_v = adapter(tmp_path / "adapter", **settings)
    _, plain = imported(saved_head(tmp_path))
    clip = plain.model.clip
    run, classifier = imported(tmp_path / "adapter")
    assert run.configuration["imported"]["format"] == "peft"
    with torch.no_grad():
        packed = clip.visual.transformer.resblocks[0].attn.in_proj_weight
        packed[:64] += scale * up_q @ down_q
        packed[128:] += scale * up_v @ down_v
        torch.testing.assert_close(classifier(images), zero_shot(clip, images))


def test_adapters_that_are_no_plain_lora_or_of_another_model_are_refused(imported, tmp_path):
    adapter(tmp_path / "dora", use_dora=True)
    with pytest.raises(InputError, match=r"plain LoRA.*use_dora"):
        imported(tmp_path / "dora")
    adapter(tmp_path / "lora")
    with pytest.raises(InputError, match="belong to none of them"):
        imported(tmp_path / "lora", TINY)


def test_what_is_no_known_format_is_told_with_all_that_are(imported, tmp_path):
    torch.save({"conv.weight": torch.ones(3, 4), "conv.extra": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError) as told:
        imported(tmp_path / "other.pt")
    for part in ("conv.weight 3×4", "conv.extra 2", "open_clip: ", "linear: ", "encoder-head: ", "wise-ft: "):
        assert part in told.value.what
    with pytest.raises(InputError, match=r"(?s)conv.weight 3×4.*Expected:\n  linear: a linear head alone"):
        imported(tmp_path / "other.pt", format="linear")


def test_heads_of_other_classes_and_towers_of_other_models_are_refused(source, imported, tmp_path):
    torch.save(torch.nn.Linear(512, 5).state_dict(), tmp_path / "head.pt")
    with pytest.raises(InputError, match=r"head of 12×512.* is 5×512"):
        imported(tmp_path / "head.pt")
    with pytest.raises(InputError, match="tensors of the model's towers but"):
        imported(plain(source, tmp_path / "clip.pt"), TINY)


class Normed(FakeModel):
    """With statistics that no method tunes."""

    def __init__(self):
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(3))


def test_statistics_that_no_method_tunes_are_not_lost_silently():
    model = Normed()
    fitted = Flcp(Flcp.Options()).build(model, Task(("cat", "dog")))
    same = {f"module.{name}": one for name, one in model.state_dict().items()}
    assert tuned_weights(fitted.classifier, same, ("embed_images", "embed_texts"))
    other = {**same, "module.running_mean": torch.ones(3)}
    with pytest.raises(InputError, match="Expected running_mean as the model has them") as told:
        tuned_weights(fitted.classifier, other, ("embed_images", "embed_texts"))
    assert "--method zs --weights FILE" in str(told.value)


def test_a_method_that_does_not_fit_is_refused(imported, tmp_path):
    torch.save(torch.nn.Linear(512, 12).state_dict(), tmp_path / "head.pt")
    with pytest.raises(InputError, match="classifier a checkpoint of format linear is but got 'coop'"):
        imported(tmp_path / "head.pt", {**CLIP, "method": "coop"})


def test_a_pickled_network_is_not_run(imported, tmp_path):
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), tmp_path / "network.pt")
    with pytest.raises(InputError, match="asks for code to be run") as told:
        imported(tmp_path / "network.pt")
    assert "torch.save(model.state_dict(), FILE)" in str(told.value)


def test_the_same_file_again_is_the_same_run(imported, tmp_path):
    torch.save(torch.nn.Linear(512, 12).state_dict(), tmp_path / "head.pt")
    first, _ = imported(tmp_path / "head.pt")
    again, _ = imported(tmp_path / "head.pt")
    assert first.manifest["created"] == again.manifest["created"]
    torch.save(torch.nn.Linear(512, 12).state_dict(), tmp_path / "head.pt")
    assert imported(tmp_path / "head.pt")[0].path != first.path
