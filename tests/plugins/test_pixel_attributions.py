"""Attributions that need no attention: against their formulas, and where there is captum against that."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.attributions.edges import Edges
from rationale_plugins.attributions.input_gradients import InputXGradient, IntegratedGradients, SmoothGrad
from rationale_plugins.attributions.occlusion import Occlusion
from rationale_plugins.attributions.rise import RandomMasks, Rise
from rationale_plugins.models.huggingface import HuggingFace
from rationale_plugins.models.open_clip import OpenClip
from rationale_plugins.models.tiny_clip import TinyClip
from rationale_plugins.models.tiny_fusion import TinyAlbef, TinyBlip

from rationale_cli.contracts import Specification
from rationale_cli.errors import InputError, WorkError
from rationale_cli.testing import FakeModel, check_attribution
from rationale_cli.toolkit.blur import blurred
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier, feature_width

from ..repositories import FAMILIES
from .small_open_clip import shallow, tiny

CLASSES, WIDTH = 5, 16
TARGETS = torch.tensor([4, 0, 2])
NATIVE = [Specification("last", "native")]


def siglip():
    """From a repository made here: an attention pool and no CLS token."""
    with tempfile.TemporaryDirectory() as folder:
        FAMILIES["siglip"](Path(folder))
        return HuggingFace(HuggingFace.Options(repository=folder))


MODELS = {
    "tiny-clip": lambda: TinyClip(TinyClip.Options()),
    "tiny-albef": lambda: TinyAlbef(TinyAlbef.Options()),
    "tiny-blip": lambda: TinyBlip(TinyBlip.Options()),
    "open_clip": lambda: OpenClip(tiny()),
    "siglip": siglip,
    "clip-vit-b-32": lambda: shallow(1),
}
METHODS = [
    (InputXGradient, {}),
    (IntegratedGradients, {"steps": 1, "baseline": "blur", "sign": "positive"}),
    (SmoothGrad, {"samples": 2}),
    (Rise, {"masks": 3}),
    (Occlusion, {"window": 4, "stride": 4}),
    (Edges, {}),
]


@pytest.fixture(scope="module")
def models():
    made = {}

    def classifier(name):
        if name not in made:
            model = MODELS[name]()
            torch.manual_seed(1)
            made[name] = TextClassifier(model, torch.randn(CLASSES, feature_width(model)))
        return made[name]

    return classifier


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("plugin", "options"), METHODS, ids=lambda one: getattr(one, "__name__", ""))
def test_the_contract_on_every_kind_of_tower(models, model, plugin, options):
    check_attribution(plugin(plugin.Options(**options)), models(model), batch=2)


@pytest.fixture(params=["text", "linear"])
def classifier(request):
    model = FakeModel()
    torch.manual_seed(1)
    if request.param == "text":
        return TextClassifier(model, torch.randn(CLASSES, WIDTH)).eval()
    return LinearClassifier(model, CLASSES, WIDTH).eval()


@pytest.fixture
def images():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def explained(plugin, classifier, images, targets=TARGETS, specifications=NATIVE, **options):
    attribution = plugin(plugin.Options(**options))
    return attribution.explain(classifier, images, targets, specifications).relevance[0]


def near(found, wanted):
    return torch.allclose(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


def patches(values):
    """N×32×32 → N×4×4 sums."""
    return values.unfold(1, 8, 8).unfold(2, 8, 8).sum(dim=(-1, -2))


def gradient(classifier, images):
    leaf = images.clone().requires_grad_()
    score = classifier(leaf).gather(1, TARGETS[:, None]).sum()
    return torch.autograd.grad(score, leaf)[0]


def test_input_x_gradient_is_a_sum_over_patches(classifier, images):
    products = images * gradient(classifier, images)
    found = explained(InputXGradient, classifier, images)
    assert near(found * 64, patches(products.abs().sum(1)))
    found = explained(InputXGradient, classifier, images, sign="positive")
    assert near(found * 64, patches(products.clamp(min=0).sum(1)))


@pytest.mark.parametrize("baseline", ["mean", "blur"])
def test_integrated_gradients_add_up_to_the_difference_from_the_baseline(classifier, images, baseline):
    attribution = IntegratedGradients(IntegratedGradients.Options(steps=32, baseline=baseline))
    found = attribution.contributions(classifier, images, TARGETS, NATIVE)["native"].sum((1, 2, 3))
    start = torch.zeros_like(images) if baseline == "mean" else blurred(images)
    with torch.no_grad():
        wanted = (classifier(images) - classifier(start)).gather(1, TARGETS[:, None])[:, 0]
    assert torch.allclose(found, wanted, atol=5e-3 * float(wanted.abs().max()))


def test_a_blurred_baseline_keeps_colours_and_loses_shapes():
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1
    assert torch.allclose(blurred(stripes), torch.full_like(stripes, 0.5), atol=0.05)


def test_smoothgrad_is_a_mean_over_the_noise_that_it_tells(classifier, images):
    once = explained(SmoothGrad, classifier, images, samples=3, noise=1e-6)
    assert near(once * 64, patches(gradient(classifier, images).abs().sum(1)))
    one, same = (explained(SmoothGrad, classifier, images, samples=3) for _ in range(2))
    assert torch.equal(one, same)
    assert not near(explained(SmoothGrad, classifier, images, samples=3, seed=1), one)


@pytest.mark.parametrize(
    ("plugin", "options"),
    [
        (IntegratedGradients, {"steps": 7}),
        (SmoothGrad, {"samples": 7}),
        (Rise, {"masks": 30}),
        (Occlusion, {}),
    ],
)
def test_how_many_run_at_once_changes_nothing(classifier, images, plugin, options, monkeypatch):
    whole = explained(plugin, classifier, images, **options)
    monkeypatch.setattr("rationale_plugins.attributions._input_gradients._AT_ONCE", 1)
    monkeypatch.setattr("rationale_plugins.attributions._masked._AT_ONCE", 1)
    assert near(explained(plugin, classifier, images, **options), whole)


def test_rise_is_the_mean_of_masks_weighted_by_probability(classifier, images):
    options = Rise.Options(masks=25, seed=3, shown=0.4)
    masks = RandomMasks(options, (32, 32))(range(25))
    total = torch.zeros(3, 32, 32)
    with torch.no_grad():
        for mask in masks:
            for index, target in enumerate(TARGETS.tolist()):
                probability = classifier((images[index] * mask)[None])[0].softmax(-1)[target]
                total[index] += probability * mask
    wanted = patches(total / (25 * 0.4)) / 64
    assert near(explained(Rise, classifier, images, masks=25, seed=3, shown=0.4), wanted)


def test_random_masks_are_shifted_cells():
    masks = RandomMasks(Rise.Options(masks=400), (32, 32))
    drawn = masks(range(400))
    assert drawn.shape == (400, 32, 32)
    assert float(drawn.min()) >= 0 and float(drawn.max()) <= 1
    assert torch.equal(masks(range(7, 9)), drawn[7:9])
    # Every pixel is shown as often as any other, and neighbours mostly together.
    assert torch.allclose(drawn.mean(0), torch.tensor(0.5), atol=0.15)
    assert float((drawn[:, :, 1:] - drawn[:, :, :-1]).abs().mean()) < 0.1


def test_rise_finds_what_the_probability_depends_on(images):
    class Corner(TextClassifier):
        """Class 0 by the upper left patch, class 1 by nothing."""

        def features(self, pictures):
            seen = pictures[:, 0, :8, :8].mean(dim=(1, 2))
            return F.pad(seen[:, None], (0, WIDTH - 1))

        def logits(self, features):
            return torch.stack([10 * features[:, 0], torch.zeros(len(features))], dim=1)

    corner = Corner(FakeModel(), torch.eye(2, WIDTH))
    pictures = torch.ones(2, 3, 32, 32)
    found = explained(Rise, corner, pictures, torch.tensor([0, 0]), masks=300)
    assert found.flatten(1).argmax(dim=1).tolist() == [0, 0]
    found = explained(Occlusion, corner, pictures, torch.tensor([0, 0]), window=1)
    assert torch.equal(found[0] > 0, torch.arange(16).view(4, 4) == 0)


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (3, 2)])
def test_occlusion_is_the_mean_fall_over_the_windows_that_cover_a_patch(classifier, images, window, stride):
    corners = sorted({*range(0, 4 - window + 1, stride), 4 - window})
    total, covered = torch.zeros(3, 4, 4), torch.zeros(4, 4)
    with torch.no_grad():
        whole = classifier(images).gather(1, TARGETS[:, None])[:, 0]
        for top in corners:
            for left in corners:
                hidden = images.clone()
                hidden[:, :, 8 * top : 8 * (top + window), 8 * left : 8 * (left + window)] = 0
                fall = whole - classifier(hidden).gather(1, TARGETS[:, None])[:, 0]
                total[:, top : top + window, left : left + window] += fall[:, None, None]
                covered[top : top + window, left : left + window] += 1
    options = {"window": window, "stride": stride}
    assert near(explained(Occlusion, classifier, images, **options), (total / covered).clamp(min=0))
    assert near(explained(Occlusion, classifier, images, **options, sign="absolute"), (total / covered).abs())


def test_windows_that_do_not_fit_are_told(classifier, images):
    with pytest.raises(InputError, match="4×4"):
        explained(Occlusion, classifier, images, window=5)
    with pytest.raises(InputError, match="leave no patch out"):
        explained(Occlusion, classifier, images, window=1, stride=2)


def test_edges_lie_where_the_luminance_changes(classifier):
    pictures = torch.zeros(2, 3, 32, 32)
    pictures[0, :, :, 20:] = 1
    # Red and green of equal luminance: no edge.
    pictures[1, 0, :, :20], pictures[1, 1, :, 20:] = 0.587, 0.299
    step, hue = explained(Edges, classifier, pictures)
    assert torch.equal(step > 0, torch.tensor([[False, False, True, False]]).expand(4, 4))
    assert float(hue.max()) < 1e-5


def test_values_that_are_not_finite_are_an_error(classifier, images):
    images[1] = torch.inf
    for plugin, options in METHODS[:-1]:
        with pytest.raises(WorkError, match="finite"):
            explained(plugin, classifier, images, **options)


def test_bad_targets_are_told(classifier, images):
    for plugin, options in METHODS[:-1]:
        with pytest.raises(InputError, match=r"targets within 0\.\.4"):
            explained(plugin, classifier, images, torch.tensor([0, 1, 5]), **options)


# -- captum -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def captum():
    return pytest.importorskip("captum.attr", reason="captum is not installed")


@pytest.mark.parametrize("model", ["tiny-clip", "siglip"])
def test_the_same_as_captum(captum, models, model):
    one = models(model).eval()
    side, grid = one.model.preprocessing.size, one.model.patch_grid(*[one.model.preprocessing.size] * 2)
    pictures = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(4))

    def means(values):
        return F.adaptive_avg_pool2d(values[:, None], grid)[:, 0]

    products = captum.InputXGradient(one).attribute(pictures.clone().requires_grad_(), target=TARGETS)
    assert near(explained(InputXGradient, one, pictures), means(products.detach().abs().sum(1)))
    path = captum.IntegratedGradients(one).attribute(pictures, target=TARGETS, n_steps=12)
    assert near(explained(IntegratedGradients, one, pictures, steps=12), means(path.detach().abs().sum(1)))
    patch = side // grid[0]
    falls = captum.Occlusion(one).attribute(
        pictures,
        target=TARGETS,
        sliding_window_shapes=(3, 2 * patch, 2 * patch),
        strides=(3, math.gcd(grid[0] - 2, 2) * patch, math.gcd(grid[0] - 2, 2) * patch),
        baselines=0,
    )
    found = explained(Occlusion, one, pictures, window=2, stride=math.gcd(grid[0] - 2, 2))
    assert near(found, means(falls.mean(1)).clamp(min=0))
