"""Terms that hold what is tuned where zero-shot has it, on the methods that offer what they need."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.methods.clip_adapter import ClipAdapter
from rationale_plugins.methods.clip_lora import ClipLora
from rationale_plugins.methods.cocoop import CoCoOp
from rationale_plugins.methods.coop import CoOp
from rationale_plugins.methods.fine_tuning import FineTuning
from rationale_plugins.methods.kgcoop import KgCoOp
from rationale_plugins.methods.linear_probe import LinearProbe
from rationale_plugins.methods.promptsrc import PromptSRC
from rationale_plugins.methods.wise_ft import WiseFt
from rationale_plugins.models.tiny_clip import TinyClip, TinyClipOptions
from rationale_plugins.regularizers.anchors import AnchoredLogits, ImageAnchor, LogitAnchor, TextAnchor

from rationale_cli.contracts import Outputs, Setting, Task
from rationale_cli.engine.regularize import RegularizedStep
from rationale_cli.errors import InputError
from rationale_cli.testing import FakeModel
from rationale_cli.toolkit.heads import class_embeddings

TASK = Task(("red", "green apple", "tabby"))
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])


def tuned(method, model=None, **options):
    torch.manual_seed(0)
    fitted = method(method.Options(**options)).build(model or FakeModel(), TASK)
    return Setting(fitted.classifier, fitted.step, TASK)


def with_terms(setting, *regularizers, weights=None):
    needs = {need for one in regularizers for need in one.needs}
    terms = [one.build(setting) for one in regularizers]
    chosen = weights or [one.options.weight for one in regularizers]
    return RegularizedStep(setting.step, terms, chosen, needs)


def moved(setting, amount=0.1):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for one in setting.step.parameters():
            if one.requires_grad:
                one.add_(amount * torch.randn(one.shape, generator=generator))


def made(regularizer, **options):
    return regularizer(regularizer.Options(**options))


def test_coop_with_anchored_texts_is_kgcoop():
    options = {"words": "a photo of a"}
    whole, kgcoop = with_terms(tuned(CoOp, **options), made(TextAnchor)), tuned(KgCoOp, **options).step
    for step in (whole.step, kgcoop):
        moved(Setting(step.loss.classifier, step, TASK))
    one, other = whole(IMAGES, LABELS), kgcoop(IMAGES, LABELS)
    assert torch.equal(one, other)
    contexts = (whole.step.loss.classifier.context, kgcoop.loss.classifier.context)
    gradients = [torch.autograd.grad(*pair)[0] for pair in zip((one, other), contexts, strict=True)]
    assert torch.equal(*gradients)


def test_the_text_term_of_promptsrc():
    setting = tuned(CoOp, context=2)
    term = made(TextAnchor, distance="l1", templates="imagenet").build(setting)
    outputs = setting.step.outputs(IMAGES, LABELS)
    assert len(set(term.anchors)) == len(TASK.classnames)
    own = class_embeddings(setting.classifier.model, TASK)
    assert not torch.allclose(term.anchors, own)
    wanted = (F.normalize(outputs.class_texts, dim=-1) - term.anchors).abs().mean()
    assert term(IMAGES, LABELS, outputs).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_the_terms_of_promptsrc_are_its_loss():
    weights = ("text_weight", "image_weight", "logit_weight")
    regularizers = [
        made(TextAnchor, distance="l1", templates="imagenet", weight=25),
        made(ImageAnchor, distance="l1", weight=10),
        made(LogitAnchor, average="logits", templates="imagenet"),
    ]
    model = TinyClip(TinyClipOptions(weights="none"))
    plain, whole = (tuned(PromptSRC, model, **options) for options in (dict.fromkeys(weights, 0.0), {}))
    summed = with_terms(plain, *regularizers)
    for one in (plain, whole):
        one.step.anchor()
        moved(one, 0.02)
    size = model.preprocessing.size
    images = torch.randn(4, 3, size, size)
    losses = [step(images, LABELS) for step in (summed, whole.step)]
    own = plain.step.outputs(images, LABELS).loss
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    assert losses[0] - own > 0.1
    gradients = [
        torch.autograd.grad(loss, one.classifier.learned.of_texts()[0])[0]
        for loss, one in zip(losses, (plain, whole), strict=True)
    ]
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-6)


def test_class_texts_of_each_picture():
    setting = tuned(CoCoOp)
    moved(setting)
    term = made(TextAnchor).build(setting)
    vectors = setting.classifier.vectors(setting.classifier.features(IMAGES))
    wanted = 1 - F.cosine_similarity(vectors, term.anchors, dim=-1).mean()
    found = term(IMAGES, LABELS, setting.step.outputs(IMAGES, LABELS))
    assert found.item() == pytest.approx(wanted.item(), abs=1e-6)


@pytest.mark.parametrize("method", [ClipLora, FineTuning, WiseFt])
@pytest.mark.parametrize("distance", ["cosine", "l1"])
def test_pictures_are_held_against_the_model_as_it_came(method, distance):
    setting = tuned(method)
    whole = with_terms(setting, made(ImageAnchor, distance=distance), weights=[1.0]).eval()
    own = setting.step(IMAGES, LABELS)
    assert whole(IMAGES, LABELS).item() == pytest.approx(own.item(), abs=1e-5)
    before = setting.classifier.features(IMAGES).detach()
    moved(setting)
    after = setting.classifier.features(IMAGES)
    one, other = (F.normalize(rows, dim=-1) for rows in (after, before))
    apart = 1 - (one * other).sum(-1).mean() if distance == "cosine" else (one - other).abs().mean()
    assert apart > 1e-4
    wanted = setting.step(IMAGES, LABELS) + apart
    assert whole(IMAGES, LABELS).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_an_adapter_is_held_against_the_features_before_it():
    setting = tuned(ClipAdapter, ratio=0.5)
    features = setting.classifier.features(IMAGES).detach()
    wanted = 1 - F.cosine_similarity(setting.classifier.adapted(features), features, dim=-1).mean()
    whole = with_terms(setting, made(ImageAnchor), weights=[1.0])
    for step, inputs in ((whole, IMAGES), (with_terms(setting, made(ImageAnchor)), IMAGES)):
        assert (step(inputs, LABELS) - setting.step(inputs, LABELS)).item() == pytest.approx(
            wanted.item(), abs=1e-5
        )
    assert wanted > 0


def test_predictions_of_zero_shot_cost_nothing():
    setting = tuned(ClipLora)
    whole = with_terms(setting, made(LogitAnchor), weights=[1.0]).eval()
    assert (whole(IMAGES, LABELS) - setting.step(IMAGES, LABELS)).item() == pytest.approx(0, abs=1e-5)
    moved(setting, 0.5)
    assert (whole(IMAGES, LABELS) - setting.step(IMAGES, LABELS)).item() > 1e-4


def test_the_divergence_by_hand():
    outputs = Outputs(
        torch.zeros(()), logits=torch.zeros(1, 2), zero_shot_features=torch.tensor([[3.0, 0.0]])
    )
    vectors = torch.tensor([[math.log(3), 0.0], [0.0, math.log(3)]])
    wanted = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    for average, share in (("pictures", 1), ("logits", 2)):
        term = AnchoredLogits(vectors, LogitAnchor.Options(average=average))
        assert term(None, None, outputs).item() == pytest.approx(wanted / share)


def test_several_at_once_are_the_sum():
    setting = tuned(ClipLora)
    regularizers = [made(TextAnchor), made(ImageAnchor), made(LogitAnchor)]
    alone = [with_terms(setting, one, weights=[2.0]).eval() for one in regularizers]
    whole = with_terms(setting, *regularizers, weights=[2.0] * 3).eval()
    moved(setting)
    own = setting.step(IMAGES, LABELS)
    wanted = own + sum(step(IMAGES, LABELS) - own for step in alone)
    assert whole(IMAGES, LABELS).item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("method", [LinearProbe, FineTuning])
def test_no_zero_shot_prediction_of_features_before_the_embedding(method):
    with pytest.raises(InputError, match="embedding which texts are compared with"):
        made(LogitAnchor).build(tuned(method))
