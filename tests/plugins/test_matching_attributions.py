"""Attributions of the matching score against autograd through explicit attention, a picture at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from rationale_plugins.attributions.matching import ItmGaa, ItmGradCam
from rationale_plugins.models.tiny_clip import TinyClip
from rationale_plugins.models.tiny_fusion import DIMENSIONS, TinyAlbef, TinyBlip

from rationale_cli.contracts import Specification, Task
from rationale_cli.errors import InputError
from rationale_cli.testing import check_attribution
from rationale_cli.toolkit.heads import LinearClassifier, WordedClassifier

TASK = Task(("dotted", "striped star", "zebra"), ("a photo of a {} object", "a {}"))
TARGETS = torch.tensor([2, 0])
KINDS = {
    # The image tower's layers, then the text's: s where it reads itself, c where it reads the picture.
    "tiny-albef": (TinyAlbef, "sssc" + "sc"),
    "tiny-blip": (TinyBlip, "scsc"),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    model, layers = KINDS[request.param]
    torch.manual_seed(0)
    return WordedClassifier(model(model.Options()), TASK).eval(), layers


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


class Explicit:
    """Attention as a matrix in the graph."""

    def __init__(self):
        self.maps = []

    def __call__(self, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
        scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
        self.maps.append((scores if attn_mask is None else scores + attn_mask.float().log()).softmax(-1))
        return self.maps[-1] @ value


def weighed(classifier, image, text, monkeypatch):
    """E_heads[(∇A ⊙ A)⁺] of every layer of image tower and text, which stands alone and unpadded."""
    explicit, model = Explicit(), classifier.model
    with monkeypatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", explicit)
        score = model.match(model.image_tokens(image[None]), model.tokenize([text]))[0, 1]
    gradients = torch.autograd.grad(score, explicit.maps)
    means = [
        (one * gradient).clamp(min=0)[0].mean(0).detach()
        for one, gradient in zip(explicit.maps, gradients, strict=True)
    ]
    return means[: DIMENSIONS.depth], means[DIMENSIONS.depth :]


def bar(relevance):
    """Eq. 8 and 9, a row at a time."""
    rows = []
    for index, row in enumerate(relevance - torch.eye(len(relevance))):
        one = torch.zeros(len(relevance))
        one[index] = 1
        rows.append(one + (row / row.sum() if row.sum() > 0 else 0))
    return torch.stack(rows)


def gaa_by_hand(pictures, texts, layers):
    r_ii = torch.eye(len(pictures[0]))
    for one in pictures:
        r_ii = r_ii + one @ r_ii
    r_tt, r_ti = torch.eye(len(texts[0])), torch.zeros(len(texts[0]), len(r_ii))
    for one, sort in zip(texts, layers, strict=True):
        if sort == "c":
            r_ti = r_ti + bar(r_tt).T @ one @ bar(r_ii)
        else:
            r_tt, r_ti = r_tt + one @ r_tt, r_ti + one @ r_ti
    return r_ti[0, 1:].view(8, 8)


def explained(attribution, classifier, images, targets=TARGETS):
    return attribution.explain(classifier, images, targets, [Specification()])


def test_gaa_of_a_match_equals_autograd_through_both_streams(kind, images, monkeypatch):
    classifier, layers = kind
    found = explained(ItmGaa(ItmGaa.Options()), classifier, images)
    with torch.no_grad():
        torch.testing.assert_close(found.logits, classifier(images))
    for image, target, relevance in zip(images, TARGETS.tolist(), found.relevance[0], strict=True):
        by_hand = weighed(classifier, image, TASK.texts[target][0], monkeypatch)
        wanted = gaa_by_hand(*by_hand, layers)
        assert wanted.max() > 0
        torch.testing.assert_close(relevance, wanted, rtol=1e-3, atol=1e-4 * float(wanted.max()))


@pytest.mark.parametrize("layer", [None, 1, 2])
def test_grad_cam_of_a_match_is_one_map_times_its_positive_gradient(kind, layer, images, monkeypatch):
    classifier, layers = kind
    (found,) = explained(ItmGradCam(ItmGradCam.Options(layer=layer)), classifier, images).relevance
    for image, target, relevance in zip(images, TARGETS.tolist(), found, strict=True):
        _, texts = weighed(classifier, image, TASK.texts[target][0], monkeypatch)
        crossing = [one for one, sort in zip(texts, layers, strict=True) if sort == "c"]
        wanted = crossing[(layer or 1) - 1].sum(dim=0)[1:].view(8, 8)
        torch.testing.assert_close(relevance, wanted, rtol=1e-3, atol=1e-4 * float(wanted.max()))


@pytest.mark.parametrize("plugin", [ItmGaa, ItmGradCam])
def test_the_contract(kind, plugin):
    check_attribution(plugin(plugin.Options()), kind[0])


@pytest.mark.parametrize("plugin", [ItmGaa, ItmGradCam])
def test_what_cannot_be_matched_is_told(plugin, images):
    clip = WordedClassifier(TinyClip(TinyClip.Options()), TASK)
    with pytest.raises(InputError, match="matching head"):
        explained(plugin(plugin.Options()), clip, images)
    albef = TinyAlbef(TinyAlbef.Options())
    with pytest.raises(InputError, match="written texts"):
        explained(plugin(plugin.Options()), LinearClassifier(albef, 3, DIMENSIONS.width), images)
    with pytest.raises(InputError, match=r"within 0\.\.2"):
        explained(plugin(plugin.Options()), WordedClassifier(albef, TASK), images, torch.tensor([0, 3]))


def test_a_layer_that_is_not_there_is_told(kind, images):
    with pytest.raises(InputError, match="one of the 2 layers") as caught:
        explained(ItmGradCam(ItmGradCam.Options(layer=3)), kind[0], images)
    assert caught.value.next_step == "choose 1 to 2"
