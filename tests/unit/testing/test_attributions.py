"""The suite of attributions passes what keeps the contract and catches what breaks it."""

from __future__ import annotations

import pytest
import torch

from rationale_cli.contracts import Explanation, PluginOptions
from rationale_cli.testing import check_attribution, fake_classifier
from rationale_cli.toolkit.relevance import Rule, class_score, explain


class Good:
    """Attention times its gradient."""

    Options = PluginOptions
    needs = ()
    specified = True

    def explain(self, classifier, images, targets, specifications):
        return explain(classifier, images, specifications, class_score(classifier, targets), Rule())

    def relevance(self, classifier, images, targets, specifications, change):
        explanation = Good.explain(self, classifier, images, targets, specifications)
        return Explanation(explanation.logits, tuple(change(one) for one in explanation.relevance))


@pytest.mark.parametrize("family", ["text", "linear"])
def test_a_sound_attribution_keeps_the_contract(family):
    classifier = fake_classifier(family)
    classifier.model.words.requires_grad_(False)
    before = [one.requires_grad for one in classifier.parameters()]
    check_attribution(Good(), classifier)
    assert [one.requires_grad for one in classifier.parameters()] == before


class ByScalar(Good):
    """One map a scalar, whatever the layers."""

    specified = "scalar"


def test_a_part_of_the_specification_alone_may_apply():
    asked = []

    class Listening(ByScalar):
        """Notes what it is asked for."""

        def explain(self, classifier, images, targets, specifications):
            asked.append([(one.layers, one.scalar) for one in specifications])
            return super().explain(classifier, images, targets, specifications)

    check_attribution(Listening(), fake_classifier())
    assert asked[0] == [("last", "dot"), ("last", "native")]


def test_an_attribution_may_take_the_forwards_that_it_tells():
    check_attribution(Told(), fake_classifier())


class Negative(Good):
    """Wrong."""

    def explain(self, *args):
        return self.relevance(*args, lambda one: one - one.mean())


class Unending(Good):
    """Wrong."""

    def explain(self, *args):
        return self.relevance(*args, lambda one: one / 0)


class Half(Good):
    """Wrong."""

    def explain(self, *args):
        return self.relevance(*args, lambda one: one.half())


class Upsampled(Good):
    """Wrong."""

    def explain(self, *args):
        return self.relevance(*args, lambda one: one.repeat_interleave(2, dim=1))


class BatchNormalised(Good):
    """Wrong."""

    def explain(self, *args):
        return self.relevance(*args, lambda one: one / one.max())


class Placed(Good):
    """Wrong."""

    def explain(self, *args):
        return self.relevance(*args, lambda one: one + torch.arange(len(one))[:, None, None].float())


class Noisy(Good):
    """Wrong."""

    generator = torch.Generator()

    def explain(self, *args):
        return self.relevance(*args, lambda one: one + torch.rand(one.shape, generator=self.generator))


class Freezing(Good):
    """Wrong."""

    def explain(self, classifier, *args):
        classifier.requires_grad_(False)
        return super().explain(classifier, *args)


class Switching(Good):
    """Wrong."""

    def explain(self, classifier, *args):
        classifier.eval()
        return super().explain(classifier, *args)


class Accumulating(Good):
    """Wrong."""

    def explain(self, classifier, images, *args):
        classifier(images).sum().backward()
        return super().explain(classifier, images, *args)


class Repeating(Good):
    """Wrong."""

    def explain(self, classifier, images, targets, specifications):
        parts = [Good.explain(self, classifier, images, targets, [one]) for one in specifications]
        return Explanation(parts[0].logits, tuple(part.relevance[0] for part in parts))


class Told(Repeating):
    """As many forwards as it says."""

    def passes(self, grid, scalars):
        return 3, 3


class Understated(Repeating):
    """Wrong."""

    def passes(self, grid, scalars):
        return 2, 3


class Drawing(Good):
    """Wrong."""

    def explain(self, *args):
        torch.rand(1)
        return super().explain(*args)


class FirstOnly(Good):
    """Wrong."""

    def explain(self, classifier, images, targets, specifications):
        done = super().explain(classifier, images, targets, specifications)
        return Explanation(done.logits, done.relevance[:1] * len(specifications))


class Short(Good):
    """Wrong."""

    def explain(self, *args):
        done = super().explain(*args)
        return Explanation(done.logits, done.relevance[:1])


class OtherLogits(Good):
    """Wrong."""

    def explain(self, *args):
        done = super().explain(*args)
        return Explanation(done.logits + 1, done.relevance)


class OtherFeatures(Good):
    """Wrong."""

    def explain(self, *args):
        done = super().explain(*args)
        return Explanation(done.logits, done.relevance, torch.ones(len(args[1]), 16))


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        (Negative, "must not be negative"),
        (Unending, "must be finite"),
        (Half, "float16"),
        (Upsampled, "relevance must be"),
        (BatchNormalised, "must not depend on its place or its neighbours"),
        (Placed, "must not depend on its place or its neighbours"),
        (Noisy, "same relevance twice"),
        (Freezing, "requires_grad, training mode"),
        (Switching, "requires_grad, training mode"),
        (Accumulating, "requires_grad, training mode and .grad"),
        (Repeating, "share one forward"),
        (Understated, "share 2 forwards"),
        (Drawing, "random numbers"),
        (FirstOnly, "must give the same alone"),
        (Short, "one relevance for each specification"),
        (OtherLogits, "logits of an explanation must be the classifier's"),
        (OtherFeatures, "features of an explanation must be the classifier's"),
    ],
)
def test_an_attribution_that_breaks_the_contract_is_caught(plugin, told):
    with pytest.raises(AssertionError, match=told):
        check_attribution(plugin(), fake_classifier())
