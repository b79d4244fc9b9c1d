"""Attributions against autograd through explicit attention maps, one picture at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.attributions.controls import Center, Random, RandomHead, Uniform, WrongClass
from rationale_plugins.attributions.gaa import Gaa, GradAttention
from torch import nn

from rationale_cli.contracts import SCALARS, Specification
from rationale_cli.errors import InputError, WorkError
from rationale_cli.testing import FakeModel
from rationale_cli.toolkit.attention import depth_of
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier
from rationale_cli.toolkit.heatmaps import evidence

DEPTH, CLASSES, WIDTH = 4, 5, 16
RANGES = {"last": (4, 4), "all": (1, 4), "2..3": (2, 3), "1..1": (1, 1), "2..4": (2, 4)}


def gaa():
    return Gaa(Gaa.Options())


def grad_attention(**options):
    return GradAttention(GradAttention.Options(**options))


@pytest.fixture(params=["text", "linear"])
def classifier(request):
    return classifier_of(FakeModel(FakeModel.Options(blocks=DEPTH)), request.param)


def classifier_of(model, family):
    torch.manual_seed(1)
    if family == "text":
        return TextClassifier(model, torch.randn(CLASSES, WIDTH))
    return LinearClassifier(model, CLASSES, WIDTH)


@pytest.fixture
def images():
    torch.manual_seed(2)
    return torch.randn(3, 3, 32, 32)


TARGETS = torch.tensor([4, 0, 2])


class Explicit:
    """Attention as a matrix in the graph: what an explanation differentiates, spelled out."""

    def __init__(self):
        self.maps = []

    def __call__(self, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
        scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if attn_mask is not None:
            scores = scores + (attn_mask.float().log() if attn_mask.dtype == torch.bool else attn_mask)
        self.maps.append(scores.softmax(-1))
        return self.maps[-1] @ value


def score(classifier, features, target, scalar):
    """The scalars of protocol §2, written out."""
    linear = classifier.family == "linear"
    vectors = classifier.head.weight if linear else classifier.class_vectors
    cosine = F.cosine_similarity(features[None], vectors, dim=-1)
    native = features @ vectors.T + classifier.head.bias if linear else classifier.model.logit_scale * cosine
    others = [index for index in range(CLASSES) if index != target]
    return {
        "dot": (features * vectors[target]).sum(),
        "native": native[target],
        "cosine": cosine[target],
        "log-softmax": native[target] - native.logsumexp(0),
        "contrast": native[target] - native[others].mean(),
    }[scalar]


def expected(classifier, image, target, layers, scalar, rule="gaa"):
    """R ← R + Ā·R over whole T×T matrices, in the order of the layers, by autograd to A."""
    first, last = RANGES[layers]
    explicit, original = Explicit(), F.scaled_dot_product_attention
    F.scaled_dot_product_attention = explicit
    try:
        features = classifier.features(image[None])[0]
    finally:
        F.scaled_dot_product_attention = original
    gradients = torch.autograd.grad(score(classifier, features, target, scalar), explicit.maps)
    tokens = explicit.maps[0].shape[-1]
    relevance, total = torch.eye(tokens), torch.zeros(tokens, tokens)
    for attention, gradient in list(zip(explicit.maps, gradients, strict=True))[first - 1 : last]:
        product = gradient if rule.startswith("grad") else gradient * attention
        mean = (product if rule == "grad-signed" else product.clamp(min=0))[0].mean(0)
        relevance, total = relevance + mean @ relevance, total + mean
    height, width = classifier.model.patch_grid(*image.shape[1:])
    row = (total if rule == "grad-sum" else relevance)[0, -height * width :].detach()
    return (row - row.min() if rule == "grad-signed" else row).view(height, width)


def reference(classifier, images, layers, scalar, rule="gaa"):
    pairs = zip(images, TARGETS.tolist(), strict=True)
    return torch.stack([expected(classifier, image, target, layers, scalar, rule) for image, target in pairs])


def near(found, wanted):
    return torch.allclose(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("scalar", SCALARS)
@pytest.mark.parametrize("layers", RANGES)
def test_gaa_equals_autograd_through_the_attention_maps(classifier, images, layers, scalar):
    (found,) = gaa().explain(classifier, images, TARGETS, [Specification(layers, scalar)]).relevance
    assert near(found, reference(classifier, images, layers, scalar))


@pytest.mark.parametrize(
    ("options", "rule"),
    [({}, "grad"), ({"combine": "sum"}, "grad-sum"), ({"negative": "keep"}, "grad-signed")],
)
@pytest.mark.parametrize("layers", ["last", "all", "2..3"])
def test_gradient_of_attention_and_its_variants(classifier, images, layers, options, rule):
    attribution = grad_attention(**options)
    (found,) = attribution.explain(classifier, images, TARGETS, [Specification(layers, "native")]).relevance
    assert near(found, reference(classifier, images, layers, "native", rule))
    assert (found >= 0).all()


def test_many_specifications_in_one_pass_equal_each_alone(classifier, images):
    many = [Specification(layers, scalar) for layers in RANGES for scalar in SCALARS]
    together = gaa().explain(classifier, images, TARGETS, many)
    with torch.no_grad():
        assert torch.allclose(together.logits, classifier.eval()(images), atol=1e-6)
    for one, found in zip(many, together.relevance, strict=True):
        (alone,) = gaa().explain(classifier, images, TARGETS, [one]).relevance
        assert near(found, alone)


def test_a_picture_does_not_depend_on_its_batch(classifier, images):
    many = [Specification("all", "native"), Specification("last", "dot")]
    together = gaa().explain(classifier, images, TARGETS, many).relevance
    for index in range(3):
        alone = gaa().explain(classifier, images[[index]], TARGETS[[index]], many).relevance
        assert all(near(one[0], all_[index]) for one, all_ in zip(alone, together, strict=True))


def test_large_batches_are_worked_off_in_parts(classifier, images, monkeypatch):
    (whole,) = gaa().explain(classifier, images, TARGETS, [Specification("all")]).relevance
    monkeypatch.setattr("rationale_cli.toolkit.relevance._CHUNK", 1)
    (parts,) = gaa().explain(classifier, images, TARGETS, [Specification("all")]).relevance
    assert near(parts, whole)


def test_one_forward_and_one_backward_for_each_direction(images, monkeypatch):
    backwards = []
    grad = torch.autograd.grad

    def counted(outputs, inputs, *rest, **keywords):
        backwards.append(isinstance(inputs, list))
        return grad(outputs, inputs, *rest, **keywords)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    many = [Specification(layers, scalar) for layers in ("last", "all") for scalar in ("dot", "native")]
    # Of a linear head dot product and logit have the same gradient, so they share their way back.
    for family, passes in (("text", 2), ("linear", 1)):
        classifier = classifier_of(FakeModel(FakeModel.Options(blocks=DEPTH)), family)
        depth_of(classifier, images)
        forwards = []
        classifier.model.patches.register_forward_hook(lambda *_, seen=forwards: seen.append(1))
        backwards.clear()
        gaa().explain(classifier, images, TARGETS, many)
        assert (len(forwards), sum(backwards)) == (1, passes)


def test_reference_takes_the_last_layer_of_text_and_all_layers_of_a_head(classifier, images):
    layers = "last" if classifier.family == "text" else "all"
    found = gaa().explain(classifier, images, TARGETS, [Specification("reference"), Specification(layers)])
    assert torch.equal(*found.relevance)


def state(classifier):
    return (
        [(name, one.requires_grad, one.grad) for name, one in classifier.named_parameters()],
        [part.training for part in classifier.modules()],
        F.scaled_dot_product_attention,
        torch.backends.mha.get_fastpath_enabled(),
        torch.is_grad_enabled(),
    )


@pytest.mark.parametrize("grad", [True, False])
def test_everything_is_as_before(classifier, images, grad):
    classifier.train()
    classifier.model.blocks[1].eval()
    classifier.model.cls.requires_grad_(False)
    with torch.set_grad_enabled(grad):
        before = state(classifier)
        gaa().explain(classifier, images, TARGETS, [Specification("all")])
        assert state(classifier) == before


def test_everything_is_as_before_after_an_error(classifier, images, monkeypatch):
    classifier.train()
    depth_of(classifier, images)
    before = state(classifier)

    def fail(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(classifier.model.blocks[2].out, "forward", fail)
        with pytest.raises(ZeroDivisionError):
            gaa().explain(classifier, images, TARGETS, [Specification("all")])
    assert state(classifier) == before


@pytest.mark.parametrize(("layers", "first"), [("last", 4), ("3..4", 3), ("2..2", 2), ("all", 1)])
def test_nothing_before_the_first_explained_layer_is_in_the_graph(classifier, images, layers, first):
    tracked = []
    for block in classifier.model.blocks:
        block.register_forward_hook(lambda *call: tracked.append(call[-1].requires_grad))
    depth_of(classifier, images)
    tracked.clear()
    gaa().explain(classifier, images, TARGETS, [Specification(layers)])
    assert tracked == [False] * (first - 1) + [True] * (DEPTH - first + 1)


def test_dropout_is_off_and_works_under_inference_mode(classifier, images):
    classifier.model.projection = nn.Sequential(classifier.model.projection, nn.Dropout(0.5))
    classifier.train()
    (plain,) = gaa().explain(classifier, images, TARGETS, [Specification("all")]).relevance
    with torch.inference_mode():
        (found,) = gaa().explain(classifier, images, TARGETS, [Specification("all")]).relevance
    assert torch.equal(found, plain)


class Peculiar(FakeModel):
    """Two register tokens behind the CLS token, and attention with a mask and a scale of its own."""

    def __init__(self, mask):
        super().__init__(FakeModel.Options(blocks=DEPTH))
        torch.manual_seed(3)
        self.registers = nn.Parameter(torch.randn(1, 2, WIDTH))
        self.mask = mask

    def image_features(self, images):
        patches = self.patches(images).flatten(2).transpose(1, 2) + self.positions[:, 1:]
        front = torch.cat([self.cls, self.registers], dim=1).expand(len(images), -1, -1)
        tokens = torch.cat([front, patches], dim=1)
        for block in self.blocks:
            joint = block.qkv(block.norm(tokens)).view(*tokens.shape[:2], 3, 2, WIDTH // 2)
            query, key, value = joint.permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=self.mask, scale=0.4)
            tokens = tokens + block.out(mixed.transpose(1, 2).flatten(2))
            tokens = tokens + block.last(F.gelu(tokens))
        return tokens[:, 0]


def near_tokens(tokens):
    """Each token sees CLS, registers and itself, and patches that are near in the row-major order."""
    index = torch.arange(tokens)
    return ((index[:, None] - index).abs() < 6) | (index < 3) | (index[:, None] == 0)


@pytest.mark.parametrize(
    "mask", [None, near_tokens(19), torch.linspace(-2, 2, 19 * 19).view(1, 1, 19, 19).sin()]
)
@pytest.mark.parametrize("layers", ["last", "all"])
def test_registers_masks_and_scales(images, layers, mask):
    classifier = classifier_of(Peculiar(mask), "linear")
    (found,) = gaa().explain(classifier, images, TARGETS, [Specification(layers)]).relevance
    assert found.shape == (3, 4, 4)
    assert near(found, reference(classifier, images, layers, "dot"))


def test_bfloat16_is_close_to_single_precision(classifier, images):
    many = [Specification("last"), Specification("all")]
    plain = gaa().explain(classifier, images, TARGETS, many)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = gaa().explain(classifier, images, TARGETS, many)
    for one, other in zip(mixed.relevance, plain.relevance, strict=True):
        assert one.dtype == torch.float32
        assert not torch.equal(one, other)
        assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.99


def test_bad_input_is_told(classifier, images):
    with pytest.raises(InputError, match=r"within 1\.\.4"):
        gaa().explain(classifier, images, TARGETS, [Specification("3..5")])
    with pytest.raises(InputError, match=r"targets within 0\.\.4"):
        gaa().explain(classifier, images, torch.tensor([0, 1, 5]), [Specification()])
    with pytest.raises(InputError, match="scalar"):
        gaa().explain(classifier, images, TARGETS, [Specification("last", "logit")])


def test_relevance_that_is_not_finite_is_an_error(classifier, images):
    images[1] = torch.inf
    with pytest.raises(WorkError, match="finite"):
        gaa().explain(classifier, images, TARGETS, [Specification()])


def test_a_tower_without_a_cls_token_is_refused(classifier, images, monkeypatch):
    monkeypatch.setattr(classifier.model, "patch_grid", lambda height, width: (1, 17))
    with pytest.raises(InputError, match="CLS token"):
        gaa().explain(classifier, images, TARGETS, [Specification()])


# -- controls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", [Uniform, Center, Random])
def test_drawn_controls_never_run_the_classifier(classifier, images, control, monkeypatch):
    monkeypatch.setattr(classifier, "features", None)
    found = control(control.Options()).explain(classifier, images, TARGETS, [Specification()])
    assert found.logits is None
    assert [tuple(one.shape) for one in found.relevance] == [(3, 4, 4)]
    assert control.control and not control.specified


def drawn(control, classifier, images, targets=TARGETS, layers="last", scalar="dot", **options):
    found = control(control.Options(**options)).explain(
        classifier, images, targets, [Specification(layers, scalar)]
    )
    return found.relevance[0]


def test_uniform_scores_the_area_of_the_mask(classifier, images):
    masks = torch.zeros(3, 32, 32, dtype=torch.uint8)
    masks[:, :8] = 1
    found = evidence(drawn(Uniform, classifier, images), masks)
    assert found.constant.all()
    assert torch.allclose(found.raw, torch.tensor(0.25).double())


def test_center_is_a_gaussian_of_the_width_asked_for(classifier, images):
    found = drawn(Center, classifier, images, sigma=0.5)[0]
    assert torch.equal(found, found.flip(0)) and torch.equal(found, found.T)
    # Patch centres lie at ±1/8 and ±3/8 of the side.
    assert found[0, 1] / found[1, 1] == pytest.approx(
        torch.tensor(-((3 / 8) ** 2 - (1 / 8) ** 2) / 0.5).exp()
    )


def test_random_depends_on_the_picture_and_the_seed_alone(classifier, images):
    found = drawn(Random, classifier, images)
    assert torch.equal(drawn(Random, classifier, images.flip(0)).flip(0), found)
    assert torch.equal(drawn(Random, classifier, images[[1]], TARGETS[[1]])[0], found[1])
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(drawn(Random, classifier, images, seed=1), found)


def test_random_head_is_an_untrained_head(classifier, images):
    state = torch.get_rng_state()
    found = drawn(RandomHead, classifier, images, layers="all", scalar="native")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(drawn(RandomHead, classifier, images, layers="all", scalar="native"), found)
    assert not near(drawn(RandomHead, classifier, images, layers="all", scalar="native", seed=1), found)
    assert not near(drawn(Gaa, classifier, images, layers="all", scalar="native"), found)
    vectors = F.normalize(torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(0)), dim=-1)
    if classifier.family == "text":
        untrained = TextClassifier(classifier.model, vectors)
    else:
        untrained = LinearClassifier(classifier.model, CLASSES, WIDTH)
        untrained.head.weight.data, untrained.head.bias.data = vectors, torch.zeros(CLASSES)
    assert near(found, reference(untrained, images, "all", "native"))


def test_random_head_keeps_the_true_logits(classifier, images):
    found = RandomHead(RandomHead.Options()).explain(classifier, images, TARGETS, [Specification()])
    with torch.no_grad():
        assert torch.allclose(found.logits, classifier.eval()(images), atol=1e-6)


def test_wrong_class_is_another_class_drawn_by_the_picture(classifier, images):
    found = drawn(WrongClass, classifier, images)
    for index, target in enumerate(TARGETS.tolist()):
        others = [label for label in range(CLASSES) if label != target]
        of_class = [expected(classifier, images[index], label, "last", "dot") for label in others]
        assert any(near(found[index], one) for one in of_class)
        alone = drawn(WrongClass, classifier, images[[index]], TARGETS[[index]])
        assert near(alone[0], found[index])


def test_wrong_class_draws_every_other_class(classifier):
    torch.manual_seed(4)
    control, many = WrongClass(WrongClass.Options()), torch.randn(200, 1, 2, 2)
    drawn_classes = control._others(many, torch.full((200,), 3), CLASSES)
    assert sorted(set(drawn_classes.tolist())) == [0, 1, 2, 4]


def test_wrong_class_needs_two_classes(images):
    classifier = TextClassifier(FakeModel(), torch.ones(1, WIDTH))
    with pytest.raises(InputError, match="at least two classes"):
        drawn(WrongClass, classifier, images, torch.zeros(3, dtype=torch.long))
