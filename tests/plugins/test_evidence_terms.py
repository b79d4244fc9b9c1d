"""Terms that ask where the evidence lies: their values, what they do to a model, and which masks they see."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.methods.clip_adapter import ClipAdapter
from rationale_plugins.methods.cocoop import CoCoOp
from rationale_plugins.methods.coop import CoOp
from rationale_plugins.methods.fine_tuning import FineTuning
from rationale_plugins.methods.flcp import Flcp
from rationale_plugins.methods.linear_probe import LinearProbe
from rationale_plugins.regularizers.background_anchor import BackgroundAnchor
from rationale_plugins.regularizers.background_augment import BackgroundAugment, OtherBackgrounds
from rationale_plugins.regularizers.counterfactual import Counterfactual, composed
from rationale_plugins.regularizers.evidence_anchor import EvidenceAnchor, apart
from rationale_plugins.regularizers.masses import AttentionMass, GaaMass
from rationale_plugins.regularizers.patch_dropout import HiddenPatches
from rationale_plugins.regularizers.rrr import RightReasons
from rationale_plugins.regularizers.text_guided import TextGuided
from safetensors.torch import load_file

from rationale_cli.contracts import GROUPS, MASKS, Masks, Outputs, Setting, Specification, Task
from rationale_cli.engine.annotated import annotated
from rationale_cli.engine.configure import configure
from rationale_cli.engine.regularize import RegularizedStep
from rationale_cli.errors import InputError
from rationale_cli.recipe import Draft, TrainOptions, from_mapping
from rationale_cli.registry import Registry
from rationale_cli.stages.finetune import FinetuneRequest
from rationale_cli.stages.finetune import run as finetune
from rationale_cli.testing import FakeModel, ToyDataset
from rationale_cli.toolkit.heads import TextClassifier, class_embeddings
from rationale_cli.toolkit.heatmaps import evidence, heatmaps
from rationale_cli.toolkit.relevance import Rule, class_score, explain

from ..interrupting import Stopping

TASK = Task(("red", "green", "blue"))
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])
INSIDE = torch.zeros(4, 32, 32, dtype=torch.uint8)
INSIDE[:, 5:21, 3:30] = 1
MASKED = Masks(INSIDE, torch.tensor([True, True, False, True]))
KNOWN = [0, 1, 3]


def setting(method=FineTuning, **options):
    torch.manual_seed(0)
    fitted = method(method.Options(**options)).build(FakeModel(), TASK)
    return Setting(fitted.classifier, fitted.step, TASK)


def with_term(around, regularizer, **options):
    made = regularizer(regularizer.Options(**options))
    given = [tuple(need for need in (MASKS, GROUPS) if need in made.needs)]
    return RegularizedStep(around.step, [made.build(around)], [made.options.weight], made.needs, given)


def added(around, regularizer, **options):
    """The term's value: what it adds to the loss."""
    whole = with_term(around, regularizer, **options)
    given = (MASKED,) if MASKS in regularizer.needs else ()
    return whole(IMAGES, LABELS, *given) - around.step(IMAGES, LABELS)


def moved(around):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for one in around.step.parameters():
            if one.requires_grad:
                one.add_(0.1 * torch.randn(one.shape, generator=generator))


def unfused(query, key, value, *rest, **keywords):
    """Attention whose softmax is in the graph, which the test then differentiates itself."""
    unfused.maps.append((query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(dim=-1))
    return unfused.maps[-1] @ value


@pytest.mark.parametrize("scalar", ["dot", "log-softmax"])
def test_relevance_and_its_gradient_by_an_unfused_attention(monkeypatch, scalar):
    around = setting()
    found = added(around, GaaMass, form="linear", scalar=scalar)
    weights = [one for one in around.step.parameters() if one.requires_grad]
    gradients = torch.autograd.grad(found, weights, allow_unused=True)
    unfused.maps = []
    monkeypatch.setattr(F, "scaled_dot_product_attention", unfused)
    features = around.classifier.features(IMAGES)
    scores = around.classifier.score(features, scalar)[range(4), LABELS]
    (towards,) = torch.autograd.grad(scores.sum(), unfused.maps[-1], create_graph=True)
    maps = (towards * unfused.maps[-1]).clamp(min=0).mean(dim=1)[:, 0, 1:].view(4, 4, 4)
    large = F.interpolate(maps[:, None], size=(32, 32), mode="bilinear")[:, 0]
    wanted = 1 - ((large * INSIDE).sum((1, 2)) / large.sum((1, 2)))[KNOWN].mean()
    assert found.item() == pytest.approx(wanted.item(), abs=1e-5)
    for one, other in zip(gradients, torch.autograd.grad(wanted, weights, allow_unused=True), strict=True):
        one, other = (torch.zeros(()) if part is None else part for part in (one, other))
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", [FineTuning, LinearProbe, CoOp, ClipAdapter])
def test_the_mass_is_that_of_the_explanation(method):
    around = setting(method)
    moved(around)
    if method is CoOp:
        around.classifier.settle()
    found = added(around, GaaMass, form="linear")
    how = Specification(), class_score(around.classifier, LABELS)
    explained = explain(around.classifier, IMAGES, [how[0]], how[1], Rule())
    mass = evidence(explained.relevance[0], INSIDE).raw[KNOWN]
    assert found.item() == pytest.approx(1 - mass.mean().item(), abs=1e-4)


def test_texts_are_those_of_the_step():
    around = setting(Flcp)
    moved(around)
    found = added(around, GaaMass, form="linear")
    current = TextClassifier(around.classifier.model, class_embeddings(around.classifier.model, TASK))
    objective = class_score(current, LABELS)
    explained = explain(current, IMAGES, [Specification()], objective, Rule())
    mass = evidence(explained.relevance[0], INSIDE).raw[KNOWN]
    assert found.item() == pytest.approx(1 - mass.mean().item(), abs=1e-4)


def test_attention_by_an_unfused_attention(monkeypatch):
    around = setting()
    found = added(around, AttentionMass, form="log")
    unfused.maps = []
    monkeypatch.setattr(F, "scaled_dot_product_attention", unfused)
    around.classifier.features(IMAGES)
    maps = unfused.maps[-1].mean(dim=1)[:, 0, 1:].view(4, 4, 4)
    large = F.interpolate(maps[:, None], size=(32, 32), mode="bilinear")[:, 0]
    mass = ((large * INSIDE).sum((1, 2)) / large.sum((1, 2)))[KNOWN]
    assert found.item() == pytest.approx(-mass.log().mean().item(), abs=5e-3)


def test_attention_of_a_tower_that_rests_cannot_be_guided():
    with pytest.raises(InputError, match="tunes the image tower"):
        added(setting(ClipAdapter), AttentionMass)


@pytest.mark.parametrize("distance", ["kl", "cosine"])
def test_evidence_is_held_against_the_model_as_it_came(distance):
    around = setting(Flcp)
    whole = with_term(around, EvidenceAnchor, distance=distance)
    own = around.step(IMAGES, LABELS)
    assert (whole(IMAGES, LABELS) - own).item() == pytest.approx(0, abs=1e-4)
    model = around.classifier.model
    zero_shot = TextClassifier(model, class_embeddings(model, TASK))

    def relevance(classifier):
        objective = class_score(classifier, LABELS)
        return explain(classifier, IMAGES, [Specification()], objective, Rule()).relevance[0]

    before = relevance(zero_shot)
    moved(around)
    after = relevance(TextClassifier(model, class_embeddings(model, TASK)))
    wanted = apart(after, before, distance)
    assert wanted > 1e-3
    found = whole(IMAGES, LABELS) - around.step(IMAGES, LABELS)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-2)


def test_maps_apart_by_hand():
    one, other = torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[1.0, 1.0]]])
    assert apart(one, 7 * one, "kl").item() == pytest.approx(0, abs=1e-6)
    assert apart(one, other, "cosine").item() == pytest.approx(1 - 4 / 20**0.5, abs=1e-5)
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.7475, 0.2525])
    assert apart(one, other, "kl").item() == pytest.approx((p * (p / q).log()).sum().item(), abs=1e-5)
    assert apart(torch.zeros(1, 1, 2), other, "kl").item() == pytest.approx(0, abs=1e-6)


def test_text_guides_as_a_mask_would_that_is_zero_shots_own_heatmap():
    around = setting()
    model = around.classifier.model
    zero_shot = TextClassifier(model, class_embeddings(model, TASK))
    how = [Specification("all")], class_score(zero_shot, LABELS)
    heat = heatmaps(explain(zero_shot, IMAGES, *how, Rule()).relevance[0], (32, 32))
    inside = heat > heat.flatten(1).quantile(0.75, dim=1)[:, None, None]
    guided, massed = with_term(around, TextGuided, share=0.25, layers="all"), with_term(around, GaaMass)
    moved(around)
    masks = Masks(inside.to(torch.uint8), torch.ones(4, dtype=torch.bool))
    values = guided(IMAGES, LABELS), massed(IMAGES, LABELS, masks)
    assert values[0].item() == pytest.approx(values[1].item(), abs=1e-3)
    gradients = [torch.autograd.grad(one, around.classifier.model.patches.weight)[0] for one in values]
    assert F.cosine_similarity(*(one.flatten() for one in gradients), dim=0) > 0.999


@pytest.mark.parametrize("regularizer", [GaaMass, AttentionMass])
def test_training_moves_the_mass_onto_the_object(regularizer):
    around = setting()
    whole = with_term(around, regularizer)
    optimizer = torch.optim.Adam((one for one in whole.parameters() if one.requires_grad), lr=1e-2)
    before = added(around, regularizer).item()
    for _ in range(10):
        optimizer.zero_grad()
        whole(IMAGES, LABELS, MASKED).backward()
        optimizer.step()
    assert added(around, regularizer).item() < 0.7 * before


@pytest.mark.parametrize("method", [FineTuning, CoOp])
def test_gradients_in_pixels_outside(monkeypatch, method):
    around = setting(method)
    found = added(around, RightReasons)
    unfused.maps = []
    monkeypatch.setattr(F, "scaled_dot_product_attention", unfused)
    images = IMAGES.clone().requires_grad_()
    logs = around.classifier(images).log_softmax(dim=-1)
    (gradient,) = torch.autograd.grad(logs.sum(), images)
    wanted = (gradient.square() * (INSIDE == 0)[:, None]).sum((1, 2, 3))[KNOWN].mean()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_gradients_in_tokens_outside(monkeypatch):
    around = setting()
    found = added(around, RightReasons, at="tokens")
    values = []

    def kept(query, key, value, *rest, **keywords):
        values.append(value)
        return unfused(query, key, value)

    unfused.maps = []
    monkeypatch.setattr(F, "scaled_dot_product_attention", kept)
    logs = around.classifier(IMAGES).log_softmax(dim=-1)
    (gradient,) = torch.autograd.grad(logs.sum(), values[-1])
    squares = gradient.square().sum((1, 3))[:, 1:].view(4, 4, 4)
    wanted = (squares * (1 - F.avg_pool2d(INSIDE.float(), 8))).sum((1, 2))[KNOWN].mean()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)


def test_composed_pictures_by_hand():
    images = torch.arange(8.0).view(2, 1, 2, 2).expand(2, 3, 2, 2)
    inside = torch.tensor([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=torch.uint8)
    elsewhere, places = composed(images, inside, torch.tensor([1, 0]))
    # Where the object was stands what is half a picture further across.
    assert places[:, 0].flatten().tolist() == [1, 1, 2, 3, 4, 4, 6, 7]
    assert elsewhere[:, 0].flatten().tolist() == [0, 4, 6, 7, 1, 5, 2, 3]


def test_where_everything_further_is_object_too_stands_the_mean_colour():
    images = torch.arange(8.0).view(1, 1, 2, 4).expand(1, 3, 2, 4)
    inside = torch.tensor([[[1, 1, 1, 0], [1, 1, 1, 0]]], dtype=torch.uint8)
    _, places = composed(images, inside, torch.tensor([0]))
    assert places[0, 0].tolist() == [[5, 3, 5, 3], [5, 7, 5, 7]]


def test_a_background_alone_has_no_class():
    around = setting()
    moved(around)
    whole = with_term(around, Counterfactual, weight=5, background=5)
    optimizer = torch.optim.Adam((one for one in whole.parameters() if one.requires_grad), lr=3e-3)
    places = composed(IMAGES, INSIDE, torch.arange(4))[1][KNOWN]

    def unsure():
        return -around.classifier(places).log_softmax(dim=-1).mean().item()

    before = unsure()
    for _ in range(10):
        optimizer.zero_grad()
        whole(IMAGES, LABELS, MASKED).backward()
        optimizer.step()
    assert math.log(3) <= unsure() < (before + math.log(3)) / 2


def test_without_the_second_part_objects_elsewhere_keep_their_class():
    around = setting()
    torch.manual_seed(3)
    found = added(around, Counterfactual, background=0)
    torch.manual_seed(3)
    shift = int(torch.randint(1, 3, ()))
    elsewhere, _ = composed(IMAGES[KNOWN], INSIDE[KNOWN], (torch.arange(3) + shift) % 3)
    wanted = F.cross_entropy(around.classifier(elsewhere), LABELS[KNOWN])
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)


def told(classifier, temperature=1.0):
    """Log-probabilities of the places of the annotated pictures."""
    places = composed(IMAGES, INSIDE, torch.arange(4))[1][KNOWN]
    return (classifier(places) / temperature).log_softmax(dim=-1)


def zero_shot(around):
    model = around.classifier.model
    return TextClassifier(model, class_embeddings(model, TASK))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("method", [Flcp, FineTuning, ClipAdapter])
def test_backgrounds_are_held_against_the_model_as_it_came(method, temperature):
    around = setting(method)
    with torch.no_grad():
        before = told(zero_shot(around), temperature)
    whole = with_term(around, BackgroundAnchor, temperature=temperature)
    own = around.step(IMAGES, LABELS)
    if method is Flcp:  # not yet tuned
        assert (whole(IMAGES, LABELS, MASKED) - own).item() == pytest.approx(0, abs=1e-5)
    moved(around)
    now = told(zero_shot(around) if method is Flcp else around.classifier, temperature)
    wanted = temperature**2 * (before.exp() * (before - now)).sum(dim=-1).mean()
    assert wanted > 1e-3
    found = whole(IMAGES, LABELS, MASKED) - around.step(IMAGES, LABELS)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-3)


def test_backgrounds_are_brought_back_to_what_zero_shot_says_of_them():
    around = setting(Flcp)
    with torch.no_grad():
        before = told(zero_shot(around)).argmax(dim=-1)
    whole = with_term(around, BackgroundAnchor, weight=5)
    moved(around)
    assert not torch.equal(told(zero_shot(around)).argmax(dim=-1), before)
    optimizer = torch.optim.Adam((one for one in whole.parameters() if one.requires_grad), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        whole(IMAGES, LABELS, MASKED).backward()
        optimizer.step()
    assert torch.equal(told(zero_shot(around)).argmax(dim=-1), before)


def test_without_a_mask_backgrounds_are_not_known():
    around = setting(Flcp)
    whole = with_term(around, BackgroundAnchor)
    moved(around)
    nowhere = Masks(INSIDE, torch.zeros(4, dtype=torch.bool))
    own = around.step(IMAGES, LABELS)
    assert whole(IMAGES, LABELS, nowhere).item() == pytest.approx(own.item())


class Shown(torch.nn.Module):
    """A step that remembers what it was shown; its loss is the mean label."""

    def forward(self, images, labels):
        self.images, self.labels = images, labels
        return labels.float().mean()


NOTHING = Outputs(torch.zeros(()))


def test_patches_are_hidden_whole():
    step = Shown()
    torch.manual_seed(0)
    loss = HiddenPatches(step, (4, 4), 0.25)(IMAGES, LABELS, NOTHING)
    assert loss == LABELS.float().mean()
    hidden = (step.images == 0).unflatten(3, (4, 8)).unflatten(2, (4, 8)).all(dim=1)
    assert torch.equal(hidden.all(dim=(2, 4)), hidden.any(dim=(2, 4)))
    assert 0.1 < hidden.float().mean() < 0.4
    shown = step.images != 0
    assert torch.equal(step.images[shown], IMAGES[shown])


def backgrounds(masks, **options):
    step = Shown()
    torch.manual_seed(5)
    loss = OtherBackgrounds(step, BackgroundAugment.Options(**options))(IMAGES, LABELS, NOTHING, masks)
    return step, loss


@pytest.mark.parametrize("fill", ["other", "mean", "noise"])
def test_objects_stand_before_other_backgrounds(fill):
    step, _ = backgrounds(MASKED, fill=fill)
    copied = [0, 1, 3, 0]
    assert torch.equal(step.labels, LABELS[copied])
    inside = INSIDE[copied, None].bool().expand(-1, 3, -1, -1)
    assert torch.equal(step.images[inside], IMAGES[copied][inside])
    assert not torch.isclose(step.images[~inside], IMAGES[copied][~inside]).any()
    around = [picture[:, mask == 0] for picture, mask in zip(step.images, INSIDE[copied], strict=True)]
    if fill == "mean":
        own = IMAGES[0][:, INSIDE[0] == 0].mean(dim=1, keepdim=True)
        assert torch.allclose(around[0], own.expand_as(around[0]), atol=1e-5)
    if fill == "other":
        places = [IMAGES[place][:, INSIDE[place] == 0] for place in KNOWN]
        found = [[torch.equal(one, other) for other in places].index(True) for one in around]
        assert all(KNOWN[place] != own for place, own in zip(found, copied, strict=True))


def test_a_background_is_replaced_with_a_probability():
    step, _ = backgrounds(MASKED, fill="noise", probability=1e-6)
    assert torch.equal(step.images, IMAGES[[0, 1, 3, 0]])
    step, loss = backgrounds(MASKED._replace(known=torch.zeros(4, dtype=torch.bool)))
    assert loss == 0
    assert torch.equal(step.images, IMAGES), "a process without masks takes the step as others do"


@pytest.mark.parametrize(
    ("term", "options"), [(Counterfactual, {}), (Counterfactual, {"background": 0}), (BackgroundAnchor, {})]
)
def test_texts_that_depend_on_the_picture_say_nothing_of_composed_ones(term, options):
    around = setting(CoCoOp)
    all_known = Masks(INSIDE, torch.ones(4, dtype=torch.bool))  # as many composed pictures as the batch has
    for masks in (MASKED, all_known):
        with pytest.raises(InputError, match="depend on the picture"):
            with_term(around, term, **options)(IMAGES, LABELS, masks)


def test_a_share_of_the_masks():
    split = ToyDataset(ToyDataset.Options(pictures=40)).split("train")
    indices = range(0, 40, 2)
    some, more = (annotated(split, indices, TrainOptions(mask_fraction=share)) for share in (0.25, 0.5))
    assert (len(some), len(more)) == (5, 10)
    assert set(some) < set(more) < set(indices)
    assert annotated(split, indices, TrainOptions()) == tuple(indices)
    assert annotated(split, indices, TrainOptions(mask_fraction=0.25, shot_seed=1)) != some
    assert len(annotated(split, indices, TrainOptions(mask_fraction=0.001))) == 1


def configured(regularizer, **train):
    settings = {"limit": 24, "batch_size": 12, "epochs": 2, **train}
    given = {"model": "tiny-clip", "method": "ft", "train": settings}
    chosen = {} if regularizer is None else {"regularizer": regularizer}
    return configure(Draft(from_mapping(given | chosen, "test")), Registry.discover())


def test_the_share_of_masks_is_of_no_matter_without_a_regularizer_that_sees_them():
    assert configured(None, mask_fraction=0.5).digest() == configured(None).digest()
    assert configured("evidence-anchor", mask_fraction=0.5).digest() == configured("evidence-anchor").digest()
    assert configured("gaa-mass", mask_fraction=0.5).digest() != configured("gaa-mass").digest()


def test_an_interrupted_run_ends_the_same_and_few_masks_differ_from_all(tmp_path):
    def tuned(name, given, *listeners, **train):
        request = FinetuneRequest(configured(given, augment="standard", **train), tmp_path, name)
        return finetune(request, *listeners)

    both = "gaa-mass,evidence-anchor"
    whole = load_file(tuned("whole", both).run.checkpoint)
    with pytest.raises(KeyboardInterrupt):
        tuned("halved", both, Stopping(3))
    again = tuned("halved", both)
    assert again.trained.resumed
    resumed = load_file(again.run.checkpoint)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    few, none = (
        load_file(tuned(name, [{"use": "gaa-mass", "weight": weight}], mask_fraction=0.1).run.checkpoint)
        for name, weight in (("few", 1), ("none", 0))
    )
    plain = load_file(tuned("plain", None).run.checkpoint)
    assert all(torch.equal(none[name], plain[name]) for name in plain)
    assert not all(torch.equal(few[name], plain[name]) for name in plain)


def test_data_without_masks(tmp_path):
    class Bare:
        ids = ("one", "two")

        def __getitem__(self, index):
            sample = ToyDataset().split("train")[index]
            return type(sample)(sample.id, sample.image, sample.label)

    with pytest.raises(InputError, match="none of 2 pictures of the split 'train' has any"):
        annotated(Bare(), [0, 1], TrainOptions())
