"""tiny-albef and tiny-blip: shipped weights that know the scenes but not too well, and match texts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rationale_plugins.datasets.scenes import CLASSES, Scenes
from rationale_plugins.models.tiny_fusion import (
    PIECES,
    SHIPPED_ALBEF,
    SHIPPED_BLIP,
    TinyAlbef,
    TinyBlip,
    TinyFusionOptions,
)
from rationale_plugins.models.train_tiny_clip import accuracy, normalised
from rationale_plugins.models.train_tiny_fusion import make_batch, matching, spelled

from rationale_cli.errors import InputError
from rationale_cli.testing import check_model

KINDS = {"albef": (TinyAlbef, SHIPPED_ALBEF), "blip": (TinyBlip, SHIPPED_BLIP)}


@pytest.fixture(params=KINDS, scope="module")
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module")
def model(kind):
    torch.manual_seed(0)
    return kind[0](TinyFusionOptions()).eval()


def test_the_weights_are_small_and_named(kind, model):
    assert kind[1].stat().st_size <= 6e6
    assert model.weights_files == (kind[1],)


def test_the_contract(model):
    check_model(model)


@pytest.mark.slow
def test_zero_shot_leaves_room_above_and_below(model):
    assert 0.6 <= accuracy(model, 0, "shifted", 300) <= 0.9


@pytest.mark.slow
def test_the_matching_head_tells_right_captions_from_wrong_ones(model):
    split = Scenes(Scenes.Options()).split("shifted")
    samples = [split[index] for index in range(96)]
    images = normalised(np.stack([np.asarray(sample.image) for sample in samples]), model)
    right = [f"a photo of a {CLASSES[sample.label]} object" for sample in samples]
    wrong = [f"a photo of a {CLASSES[(sample.label + 5) % len(CLASSES)]} object" for sample in samples]
    with torch.inference_mode():
        seen = model.image_tokens(images)
        yes, no = (model.match(seen, model.tokenize(texts)).softmax(dim=1)[:, 1] for texts in (right, wrong))
    assert (yes > no).float().mean() >= 0.7


def test_random_weights_follow_the_seed(kind):
    def first(seed):
        torch.manual_seed(seed)
        return kind[0](TinyFusionOptions(weights="none")).visual_encoder.cls_token.detach()

    assert torch.equal(first(3), first(3))
    assert not torch.equal(first(3), first(4))


def test_a_file_of_the_other_model_is_refused():
    with pytest.raises(InputError, match="do not fit"):
        TinyAlbef(TinyFusionOptions(weights=str(SHIPPED_BLIP)))


def test_unknown_words_are_spelled(model):
    ids = model.tokenize(["a photo of a zebra"])["ids"][0].tolist()
    assert [PIECES[one] for one in ids] == [
        *("[CLS]", "a", "photo", "of", "a"),
        *("z", "##e", "##b", "##r", "##a"),
        "[SEP]",
    ]


def test_training_spells_known_words_now_and_then():
    texts = ["a photo of a striped disc on sand"] * 200
    tokens = spelled(texts, np.random.default_rng(0))
    plain = 2 + len(texts[0].split())
    lengths = tokens["mask"].sum(dim=1)
    assert 0.2 < (lengths > plain).float().mean() < 0.6
    assert lengths.min() == plain
    assert int(tokens["ids"].max()) < len(PIECES)
    assert PIECES.index("[UNK]") not in tokens["ids"]


def test_matching_pairs_are_what_they_say(kind):
    """An oracle of a head that knows the truth has no loss; one that says the opposite a great one."""
    torch.manual_seed(0)
    model = kind[0](TinyFusionOptions(weights="none"))
    batch = make_batch(np.random.default_rng(0), model)
    seen = torch.arange(len(batch.images)).float()[:, None, None]
    numbered = {"number": torch.arange(batch.truth.shape[1])}

    class Oracle:
        def match(self, tokens, texts):
            right = batch.truth[tokens.flatten().long(), texts["number"]]
            return 20 * torch.stack((~right, right), dim=1).float()

    for scores in (torch.zeros(batch.truth.shape), torch.randn(batch.truth.shape)):
        loss = matching(Oracle(), seen, batch._replace(tokens=numbered), scores)
        assert loss < 1e-6
