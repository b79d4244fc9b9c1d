"""DOR against numbers of its formulas, on the small random CLIP of the methods of learned prompts."""

from __future__ import annotations

import json

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.methods.coop import CoOp
from rationale_plugins.models.open_clip import OpenClip
from rationale_plugins.regularizers.dor import Dor, similarity
from safetensors.torch import load_file

from rationale_cli.contracts import Setting, Task
from rationale_cli.engine.regularize import RegularizedStep
from rationale_cli.toolkit.heads import class_embeddings


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "golden" / "prompt.npz") as file:
        found = {name: torch.from_numpy(file[name]) for name in file.files if name != "meta"}
        return found, json.loads(str(file["meta"]))


@pytest.fixture(scope="module")
def given(shared):
    return load_file(shared / "golden" / "prompt_clip.safetensors")


@pytest.fixture
def tuned(given, golden):
    """CoOp with the context of the golden numbers, put into a setting."""
    vision = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 64}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
    clip = open_clip.CLIP(16, vision, text, quick_gelu=True)
    table = torch.zeros(49408, 64)
    table[given["token_embedding.used_ids"]] = given["token_embedding.used_rows"]
    own = {name: given[name] for name in clip.state_dict() if name in given}
    clip.load_state_dict({**own, "token_embedding.weight": table})
    names = tuple(name.replace("_", " ") for name in golden[1]["classes"])
    task = Task(names, (golden[1]["template"],))
    fitted = CoOp(CoOp.Options(context=4)).build(OpenClip(clip), task)
    with torch.no_grad():
        fitted.classifier.context.copy_(given["coop.ctx"])
    return Setting(fitted.classifier, fitted.step, task)


def close(found, wanted):
    """Within 2·10⁻⁵ of the largest value."""
    assert found.shape == wanted.shape
    assert (found.detach() - wanted).abs().max() <= 2e-5 * (1 + wanted.abs().max())


@pytest.fixture
def regularizer(golden, tmp_path):
    def made(**options):
        path = tmp_path / "words.txt"
        path.write_text("\n".join(golden[1]["outliers"]))
        return Dor(Dor.Options(vocabulary=path, **options))

    return made


def test_term_and_gradient(tuned, regularizer, golden):
    term = regularizer().build(tuned)
    loss = term(None, None)
    close(loss, golden[0]["dor.loss_all6"])
    close(torch.autograd.grad(loss, tuned.classifier.context)[0], golden[0]["dor.ctx_grad_all6"])


def test_each_word(tuned, golden):
    words = golden[1]["outliers"]
    zero_shot = class_embeddings(tuned.classifier.model, Task(tuple(words), ("a photo of a {}.",)))
    found = tuned.step.tuned_texts(words)(torch.arange(len(words)))
    close((F.normalize(found, dim=-1) * zero_shot).sum(-1), golden[0]["dor.per_outlier_cos"])
    classes = class_embeddings(tuned.classifier.model, tuned.task)
    close(similarity(zero_shot, classes), golden[0]["dor.s"])


def test_nearest_words(tuned, regularizer, golden):
    wanted = [golden[1]["outliers"][index] for index in golden[0]["dor.top3"].tolist()]
    assert regularizer(pool=3).build(tuned).words == tuple(wanted)


def test_the_whole_loss(tuned, regularizer, golden, given):
    options = Dor.Options()
    step = RegularizedStep(tuned.step, [regularizer().build(tuned)], [options.weight])
    step.train()
    close(step(given["images"], given["labels"]), golden[0]["dor.total_lambda8"])
