"""The plugin's models under the contract: suites, training, checkpoints, and what is missing."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest
import torch
from rationale_plugins.methods.coop import CoOp
from rationale_plugins.methods.fine_tuning import FineTuning
from rationale_plugins.methods.flcp import Flcp
from safetensors.torch import load_file, save_file

from rationale_cli.contracts import Task
from rationale_cli.errors import InputError, PluginError
from rationale_cli.testing import check_method, check_model

TASK = Task(("bird", "red car", "cat"))
METHODS = {"ft": FineTuning, "flcp": Flcp, "coop": CoOp}


def test_contract(golden):
    check_model(golden.model())


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ft", {}),
        ("flcp", {}),
        ("flcp", {"temperature": "learned", "objective": "itc+itm"}),
        ("coop", {"context": 4}),
    ],
)
def test_methods_keep_their_discipline(golden, method, options):
    kind = METHODS[method]
    check_method(kind(kind.Options(**options)), golden.model(), TASK)


@pytest.mark.parametrize("method", ["ft", "flcp"])
def test_training_lowers_the_loss(golden, method):
    lowers_the_loss(golden, METHODS[method], {})


def test_training_with_the_models_own_objective(golden):
    """Learned temperature, and the matching loss beside the contrastive one."""
    lowers_the_loss(golden, Flcp, {"temperature": "learned", "objective": "itc+itm"})


def lowers_the_loss(golden, kind, options):
    torch.manual_seed(0)
    fitted = kind(kind.Options(**options)).build(golden.model(), TASK)
    step = fitted.step.train()
    trained = [one for one in step.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    images, labels = golden.arrays["image"], torch.arange(3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = step(images, labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert all(torch.isfinite(torch.tensor(losses)))
    assert losses[-1] < 0.7 * losses[0], losses


def test_matching_has_parameters_of_its_own(golden):
    model = golden.model()
    own = {id(one) for one in model.matching_parameters()}
    others = {id(one) for part in ("embed_images", "embed_texts") for one in model.parameters_of(part)}
    assert not own & others
    tokens = model.tokenize(["bird"])
    logits = model.match(model.image_tokens(golden.arrays["image"][:1]), tokens)
    model.zero_grad()
    logits.square().sum().backward()
    without = [name for name, one in model.named_parameters() if id(one) in own and one.grad is None]
    assert not without


def test_random_weights_follow_the_seed(golden):
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        models.append(golden.model(weights="none"))
    one, same, other = (model.image_features(golden.arrays["image"]) for model in models)
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)
    words = models[0].lavis.text_encoder.get_input_embeddings().weight
    assert 0.01 < float(words.detach().std()) < 0.03
    assert models[0].weights_files == ()


def test_files_that_were_read_are_told(golden):
    assert golden.model().weights_files == (golden.file,)


def test_a_fine_tuned_checkpoint_of_lavis_is_read(golden, tmp_path):
    """ALBEF's retrieval models name the text encoder without ``bert.``; no such file has token types."""
    kept = {
        name.replace("text_encoder.bert.", "text_encoder."): tensor
        for name, tensor in load_file(golden.file).items()
        if ".cls." not in name and "text_decoder" not in name and "token_type" not in name
    }
    save_file(kept, tmp_path / "tuned.safetensors")
    images = golden.arrays["image"]
    tuned, own = golden.model(tmp_path / "tuned.safetensors"), golden.model()
    assert torch.equal(tuned.image_features(images), own.image_features(images))
    tokens = own.tokenize(["a photo of a bird"])
    assert torch.equal(tuned.embed_texts(tokens), own.embed_texts(tokens))


@pytest.mark.parametrize("fault", ["missing", "unexpected", "misshapen"])
def test_a_wrong_checkpoint_is_refused(golden, tmp_path, fault):
    tensors = load_file(golden.file)
    name = "visual_encoder.blocks.0.attn.qkv.weight"
    if fault == "unexpected":
        name = "visual_encoder.blocks.9.attn.qkv.weight"
        tensors[name] = torch.zeros(1)
    elif fault == "missing":
        del tensors[name]
    else:
        tensors[name] = tensors[name][:-1].clone()
    save_file(tensors, tmp_path / "wrong.safetensors")
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        golden.model(tmp_path / "wrong.safetensors")


def test_a_text_that_is_too_long_is_refused(golden):
    model = golden.model()
    longest = {"albef": 30, "blip": 35}[golden.name]
    assert model.tokenize(["a " * (longest - 2)])["input_ids"].shape == (1, longest)
    with pytest.raises(InputError, match=f"at most {longest} tokens"):
        model.tokenize(["cat", "a " * (longest - 1)])


def test_pictures_may_be_prepared_as_lavis_does():
    from rationale_lavis.models import LavisBlip

    from rationale_cli.registry import Registry

    assert Registry.discover().load("model", "lavis-blip") is LavisBlip
    assert not LavisBlip.Options().squash
    with pytest.raises(ValueError, match="multiple of 16"):
        LavisBlip.Options(image_size=225)


def test_squash(golden):
    kind = type(golden.model())
    squashed = kind(kind.Options(weights="none", squash=True), golden.shape()).preprocessing
    assert (squashed.size, squashed.resize, squashed.squash) == (64, None, True)
    plain = kind(kind.Options(weights="none"), golden.shape()).preprocessing
    assert (plain.size, plain.resize, plain.squash) == (64, 73, False)


def test_lavis_leaves_no_trace(golden):
    """Neither half a package nor names in transformers stay behind, so that others find both as they are."""
    from transformers import modeling_utils
    from transformers.utils import logging

    logging.set_verbosity_info()
    try:
        golden.model()
        assert logging.get_verbosity() == logging.INFO
    finally:
        logging.set_verbosity_warning()
    assert "lavis" not in sys.modules
    assert not hasattr(modeling_utils, "find_pruneable_heads_and_indices")
    assert not hasattr(modeling_utils.PreTrainedModel, "get_head_mask")


def test_another_version_of_lavis_is_refused(golden, monkeypatch):
    from rationale_lavis import compatibility

    class Other:
        version = "0.9"

    monkeypatch.setattr(metadata, "distribution", lambda name: Other())
    monkeypatch.setattr(compatibility, "lavis", compatibility.lavis.__wrapped__)
    with pytest.raises(PluginError, match=r"Expected salesforce-lavis 1\.0\.2 but got 0\.9") as error:
        compatibility.lavis()
    assert error.value.next_step == "pip install --no-deps salesforce-lavis==1.0.2"
