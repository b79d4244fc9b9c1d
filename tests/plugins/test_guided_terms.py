"""Terms with zero-shot's heatmaps for masks: which pixels stand for the object, and what is asked."""

from __future__ import annotations

import pytest
import torch
from rationale_plugins.methods.fine_tuning import FineTuning
from rationale_plugins.regularizers._pseudo_masks import most_relevant
from rationale_plugins.regularizers.background_anchor import BackgroundAnchor, GuidedBackgroundAnchor
from rationale_plugins.regularizers.counterfactual import Counterfactual
from rationale_plugins.regularizers.guided_counterfactual import GuidedCounterfactual

from rationale_cli.contracts import Masks, Setting, Specification, Task
from rationale_cli.testing import FakeModel
from rationale_cli.toolkit.heads import TextClassifier, class_embeddings
from rationale_cli.toolkit.relevance import Rule, class_score, explain

TASK = Task(("red", "green", "blue"))
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])


@pytest.fixture
def around() -> Setting:
    torch.manual_seed(0)
    fitted = FineTuning(FineTuning.Options()).build(FakeModel(), TASK)
    return Setting(fitted.classifier, fitted.step, TASK)


def zero_shot_masks(around: Setting, layers: str, share: float) -> Masks:
    """By the attribution itself, of the model as it is now."""
    model = around.classifier.model
    zero_shot = TextClassifier(model, class_embeddings(model, TASK))
    how = Specification(layers), class_score(zero_shot, LABELS)
    relevance = explain(zero_shot, IMAGES, [how[0]], how[1], Rule()).relevance[0]
    return most_relevant(relevance, (32, 32), share)


@pytest.mark.parametrize(("layers", "share"), [("all", 0.4), ("last", 0.25)])
@pytest.mark.parametrize(
    ("term", "unguided"),
    [(GuidedCounterfactual, Counterfactual), (GuidedBackgroundAnchor, BackgroundAnchor)],
)
def test_it_asks_what_masks_of_zero_shots_most_relevant_pixels_ask(around, term, unguided, layers, share):
    masks = zero_shot_masks(around, layers, share)
    guided = term(term.Options(layers=layers, share=share)).build(around)
    plain = unguided(unguided.Options()).build(around)
    with torch.no_grad():  # tuned since: the pseudo-masks stay those of the model as it came
        for one in (one for one in around.step.parameters() if one.requires_grad):
            one.add_(0.05 * torch.randn(one.shape, generator=torch.Generator().manual_seed(1)))
    outputs = around.step.outputs(IMAGES, LABELS)
    torch.manual_seed(3)
    found = guided(IMAGES, LABELS, outputs)
    torch.manual_seed(3)
    wanted = plain(IMAGES, LABELS, outputs, masks)
    assert found.item() == pytest.approx(wanted.item(), abs=1e-5)
    assert abs(found) > 1e-3
    weights = [one for one in around.step.parameters() if one.requires_grad]
    assert all(one is not None for one in torch.autograd.grad(found, weights[-2:]))


def test_a_constant_map_tells_nothing_and_the_share_is_kept():
    relevance = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    relevance[1] = 0.5
    masks = most_relevant(relevance, (32, 32), 0.3)
    assert masks.known.tolist() == [True, False, True]
    assert masks.inside.float().mean(dim=(1, 2))[[0, 2]].tolist() == pytest.approx([0.3, 0.3], abs=0.01)
