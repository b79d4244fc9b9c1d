"""Each contract suite passes what keeps the contract and catches what breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from rationale_cli.contracts import Explanation, Fitted, Mask, MethodOptions, PluginOptions, Task
from rationale_cli.errors import InputError
from rationale_cli.testing import (
    FakeModel,
    ToyDataset,
    check_attribution,
    check_dataset,
    check_method,
    check_model,
    check_plugin,
    fake_classifier,
)
from rationale_cli.toolkit.heads import LinearClassifier, TextClassifier, class_embeddings, train_only
from rationale_cli.toolkit.relevance import Rule, class_score, explain

TASK = ToyDataset().task


def breaks(check, thing, told, *rest):
    with pytest.raises(AssertionError, match=told):
        check(thing, *rest)


# -- datasets ---------------------------------------------------------------------------------------


class Altered(ToyDataset):
    """The toy dataset, one thing wrong."""

    def alter(self, sample):
        return sample

    def split(self, name):
        return AlteredSplit(super().split(name), self)


class AlteredSplit:
    def __init__(self, inner, dataset):
        self.inner, self.dataset = inner, dataset

    @property
    def ids(self):
        return self.inner.ids

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        return self.dataset.alter(self.inner[index])


def test_the_toy_dataset_keeps_the_contract():
    check_dataset(ToyDataset())
    check_dataset(Altered())


class OneClass(Altered):
    """Wrong."""

    @property
    def task(self):
        return Task(("only",))


class NoTemplate(Altered):
    """Wrong."""

    @property
    def task(self):
        return Task(("a", "b", "c"), ("no place for a name",))


class TwinNames(Altered):
    """Wrong."""

    @property
    def task(self):
        return Task(("a", "a", "c"))


class ForeignEvaluation(Altered):
    """Wrong."""

    @property
    def evaluation(self):
        return ("elsewhere",)


class Restless(Altered):
    """Wrong."""

    @property
    def fingerprint(self):
        return str(np.random.default_rng().random())


class AnySplit(Altered):
    """Wrong."""

    def split(self, name):
        return ToyDataset().split(name if name in self.splits else "train")


class SecretiveSplits(Altered):
    """Wrong."""

    def split(self, name):
        if name not in self.splits:
            raise InputError("no such split")
        return super().split(name)


class TwinIds(Altered):
    """Wrong."""

    class Split(AlteredSplit):
        ids: ClassVar = ["x"] * 12

    def split(self, name):
        return self.Split(ToyDataset.split(self, name), self)


class OpensPictures(Altered):
    """Wrong."""

    class Split(AlteredSplit):
        @property
        def ids(self):
            Image.open(__file__)
            return self.inner.ids

    def split(self, name):
        return self.Split(ToyDataset.split(self, name), self)


class BlackAndWhite(Altered):
    """Wrong."""

    def alter(self, sample):
        return replace(sample, image=sample.image.convert("L"))


class Turned(Altered):
    """Wrong."""

    def alter(self, sample):
        sample.image.getexif()[0x0112] = 6
        return sample


class OtherId(Altered):
    """Wrong."""

    def alter(self, sample):
        return replace(sample, id="other")


class HighLabel(Altered):
    """Wrong."""

    def alter(self, sample):
        return replace(sample, label=3)


class Flickering(Altered):
    """Wrong."""

    def alter(self, sample):
        noise = np.random.default_rng().integers(0, 255, (32, 32, 3)).astype(np.uint8)
        return replace(sample, image=Image.fromarray(noise))


class OblongMask(Altered):
    """Wrong."""

    def alter(self, sample):
        return replace(sample, evidence=Mask(sample.evidence.image.resize((32, 16))))


class ColouredMask(Altered):
    """Wrong."""

    def alter(self, sample):
        return replace(sample, evidence=Mask(sample.evidence.image.convert("RGB")))


class OtherBackground(Altered):
    """Wrong."""

    def alter(self, sample):
        return replace(sample, background=sample.image.resize((8, 8)))


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        (OneClass, "at least two classes"),
        (NoTemplate, "must hold one {}"),
        (TwinNames, "must differ"),
        (ForeignEvaluation, "evaluation must name some of the splits"),
        (Restless, "fingerprint must be the same"),
        (AnySplit, "must raise InputError"),
        (SecretiveSplits, "must tell the known ones"),
        (TwinIds, "must be unique"),
        (OpensPictures, "without opening a picture"),
        (BlackAndWhite, "must be RGB but is L"),
        (Turned, "must be upright"),
        (OtherId, "calls itself 'other'"),
        (HighLabel, "label 3"),
        (Flickering, "same at every reading"),
        (OblongMask, "picture's proportions"),
        (ColouredMask, "one channel"),
        (OtherBackground, "background has another size"),
    ],
)
def test_a_dataset_that_breaks_the_contract_is_caught(plugin, told):
    breaks(check_dataset, plugin(), told)


def test_a_split_that_cannot_be_pickled_is_caught():
    class Local(AlteredSplit):
        pass

    class Unpicklable(Altered):
        """Wrong."""

        def split(self, name):
            return Local(ToyDataset.split(self, name), self)

    with pytest.raises((AttributeError, TypeError), match="pickle"):
        check_dataset(Unpicklable())


# -- models -----------------------------------------------------------------------------------------


def test_the_fake_model_keeps_the_contract():
    model = FakeModel().train()
    model.words.requires_grad_(False)
    check_model(model)
    assert model.training
    assert not model.words.weight.requires_grad
    assert model.cls.requires_grad


class LogScale(FakeModel):
    """Wrong."""

    @property
    def logit_scale(self):
        return -self.log_scale


class Neighbourly(FakeModel):
    """Wrong."""

    def embed_images(self, images):
        embeddings = super().embed_images(images)
        return embeddings - embeddings.mean(dim=0)


class Dropping(FakeModel):
    """Wrong."""

    def image_features(self, images):
        return F.dropout(super().image_features(images), 0.5, training=True)


class Padded(FakeModel):
    """Wrong."""

    def embed_texts(self, tokens):
        longest = (tokens["ids"] > 0).sum(dim=1).max()
        return super().embed_texts(tokens) / longest


class Apart(FakeModel):
    """Wrong."""

    def embed_texts(self, tokens):
        return super().embed_texts(tokens)[:, :3]


class Cutting(FakeModel):
    """Wrong."""

    def tokenize(self, texts):
        return super().tokenize([" ".join(text.split()[:16]) for text in texts])


class Forgetful(FakeModel):
    """Wrong."""

    def parameters_of(self, part):
        return (one for one in super().parameters_of(part) if one is not self.positions)


class Scaleless(FakeModel):
    """Wrong."""

    def parameters_of(self, part):
        return iter(()) if part == "logit_scale" else super().parameters_of(part)


class Greedy(FakeModel):
    """Wrong."""

    def parameters_of(self, part):
        return iter(self.parameters())


class Transposed(FakeModel):
    """Wrong."""

    def image_features(self, images):
        return super().image_features(images.transpose(2, 3))


class ByHand(FakeModel):
    """Wrong."""

    def image_features(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        return tokens.softmax(dim=1).mean(dim=1) + 0 * sum(
            one.sum() for one in self.parameters_of("image_features")
        )


class Rowless(FakeModel):
    """Wrong."""

    def tokenize(self, texts):
        return {**super().tokenize(texts), "extra": torch.zeros(1)}


class HalfLearnable(FakeModel):
    """Wrong."""

    def __getattribute__(self, name):
        if name == "token_counts":
            raise AttributeError(name)
        return super().__getattribute__(name)


class OtherPrompts(FakeModel):
    """Wrong."""

    def embed_prompts(self, embeddings, tokens):
        return super().embed_prompts(2 * embeddings, tokens)

    def embed_texts(self, tokens):
        return super().embed_prompts(self.token_embeddings(tokens), tokens)


class Placed(FakeModel):
    """Wrong: positions are in the embeddings already."""

    def token_embeddings(self, tokens):
        return super().token_embeddings(tokens) + torch.arange(32)[:, None]


class DeafToContext(FakeModel):
    """Wrong: reads the first word alone."""

    def embed_prompts(self, embeddings, tokens):
        first = torch.nn.functional.one_hot(torch.zeros(len(embeddings)).long(), 32)
        return super().embed_prompts(embeddings * first.unsqueeze(-1), tokens)


class CountsPadding(FakeModel):
    """Wrong."""

    def token_counts(self, tokens):
        return torch.full((len(tokens["ids"]),), 32)


class Pushy(FakeModel):
    """Wrong."""

    recommended: ClassVar = {"ft": {"dataset.use": "mine"}}


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        (LogScale, "logit_scale must be one positive number"),
        (Neighbourly, "embed_images of a picture must not depend on its neighbours"),
        (Dropping, "must give the same twice"),
        (Padded, "mask the padding"),
        (Apart, "share a space"),
        (Cutting, "too long"),
        (Forgetful, "leaves out: positions"),
        (Scaleless, "leaves out"),
        (Greedy, "names what it does not depend on"),
        (Transposed, "row-major order"),
        (ByHand, "scaled_dot_product_attention"),
        (Rowless, "a row a text"),
        (HalfLearnable, "prompts can be learned needs token_counts"),
        (OtherPrompts, "what embed_texts gives of the tokens"),
        (Placed, "positions are added later"),
        (DeafToContext, "depend on every token"),
        (CountsPadding, "how many tokens each text has"),
        (Pushy, "may hold keys of method and train"),
    ],
)
def test_a_model_that_breaks_the_contract_is_caught(plugin, told):
    breaks(check_model, plugin(), told)


# -- methods ----------------------------------------------------------------------------------------


class Step(nn.Module):
    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, images, labels):
        return F.cross_entropy(self.classifier(images), labels)


class Tune:
    """Image encoder and linear head."""

    Options = MethodOptions
    needs = ()
    head = LinearClassifier

    def __init__(self, options=None):
        self.options = options

    def parts(self, model):
        return tuple(model.parameters_of("image_features"))

    def build(self, model, task):
        train_only(model, self.parts(model))
        classifier = self.head(model, len(task.classnames), 16)
        return Fitted(classifier, self.step(classifier))

    def step(self, classifier):
        return Step(classifier)


class ZeroShot(Tune):
    """Nothing trains."""

    def build(self, model, task):
        train_only(model, ())
        return Fitted(TextClassifier(model, class_embeddings(model, task)), None)


def test_sound_methods_keep_the_contract():
    model = FakeModel()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    check_method(Tune(), model, TASK)
    check_method(ZeroShot(), model, TASK)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


class TrainsText(Tune):
    """Wrong: the text tower requires a gradient and never gets one."""

    def parts(self, model):
        return tuple(model.parameters())


class ClosureStep(Tune):
    """Wrong: the loss closes over the classifier, as if many processes did not matter."""

    def step(self, classifier):
        class Loss(nn.Module):
            def forward(self, images, labels):
                return F.cross_entropy(closed(images), labels)

        closed = classifier.__call__
        return Loss()


class TrainsNothing(Tune):
    """Wrong: a step, and nothing to train."""

    def build(self, model, task):
        fitted = super().build(model, task)
        fitted.classifier.requires_grad_(False)
        return fitted


class Meddling(Tune):
    """Wrong: the step changes what is frozen."""

    def step(self, classifier):
        class Meddler(Step):
            def forward(self, images, labels):
                with torch.no_grad():
                    self.classifier.model.log_scale.add_(1.0)
                return super().forward(images, labels)

        return Meddler(classifier)


class Unreduced(Tune):
    """Wrong: a loss for each picture."""

    def step(self, classifier):
        class PerPicture(Step):
            def forward(self, images, labels):
                return F.cross_entropy(self.classifier(images), labels, reduction="none")

        return PerPicture(classifier)


class OtherCache(Tune):
    """Wrong: the twin on cached features computes another loss."""

    def parts(self, model):
        return ()

    def step(self, classifier):
        class Twin(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = classifier.head

            def forward(self, features, labels):
                return 2 * F.cross_entropy(self.head(features), labels)

        class Cached(Step):
            def cached(self):
                return Twin()

        return Cached(classifier)


class Advising(Tune):
    """Wrong: recommends what is not its own."""

    recommended: ClassVar = {"train.epochs": 3, "dataset.size": 3}


class NoRate(Tune):
    """Wrong: trains without a learning rate."""

    Options = PluginOptions


class Lossy(LinearClassifier):
    """Wrong: forgets its head."""

    def delta(self):
        return {
            name: torch.zeros_like(tensor) if "head" in name else tensor
            for name, tensor in super().delta().items()
        }


class Careless(LinearClassifier):
    """Wrong: takes any checkpoint."""

    def load_delta(self, tensors):
        self.load_state_dict(dict(tensors), strict=False)


class Boastful(LinearClassifier):
    """Wrong: a scalar that is not what it is called."""

    def score(self, features, kind):
        return super().score(features, "dot" if kind == "contrast" else kind)


class Batchy(LinearClassifier):
    """Wrong: logits depend on the batch."""

    def logits(self, features):
        return super().logits(features - features.mean(dim=0))


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        (TrainsText, r"every parameter that requires a gradient must get one; without: .*words"),
        (ClosureStep, "the step must hold what it trains"),
        (TrainsNothing, "a step trains something"),
        (Meddling, "must stay bit-identical: .*log_scale"),
        (Unreduced, "one finite loss"),
        (OtherCache, "the step's own loss"),
        (Advising, "not dataset.size"),
        (NoRate, "needs an option 'lr'"),
    ],
)
def test_a_method_that_breaks_the_contract_is_caught(plugin, told):
    breaks(check_method, plugin(), told, FakeModel(), TASK)


@pytest.mark.parametrize(
    ("classifier", "told"),
    [
        (Lossy, "identical logits"),
        (Careless, "must raise InputError for a"),
        (Boastful, "score 'contrast' is not what it says"),
        (Batchy, "must not depend on its neighbours"),
    ],
)
def test_a_classifier_that_breaks_the_contract_is_caught(classifier, told):
    method = Tune()
    method.head = classifier
    breaks(check_method, method, told, FakeModel(), TASK)


# -- attributions -----------------------------------------------------------------------------------


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

    def explain(self, *args):
        return self.relevance(*args, lambda one: one + torch.rand(one.shape))


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
        (FirstOnly, "must give the same alone"),
        (Short, "one relevance for each specification"),
        (OtherLogits, "must be the classifier's"),
    ],
)
def test_an_attribution_that_breaks_the_contract_is_caught(plugin, told):
    breaks(check_attribution, plugin(), told, fake_classifier())


# -- every plugin -----------------------------------------------------------------------------------


def test_a_plugin_without_a_docstring_is_caught():
    class Silent(Tune):
        pass

    Silent.__doc__ = ""
    plugin = type(
        "Bare", (), {"Options": MethodOptions, "needs": (), "build": lambda self, model, task: None}
    )
    breaks(lambda cls: check_plugin("method", cls), plugin, "needs a docstring")


def test_options_without_documentation_are_caught():
    class Undocumented(PluginOptions):
        rate: float = 1.0

    class Method(Tune):
        """Fine."""

        Options = Undocumented

    breaks(lambda cls: check_plugin("method", cls), Method, "option 'rate' of .* needs a docstring")


def test_options_that_take_anything_are_caught():
    class Loose(PluginOptions, extra="allow"):
        """Takes anything."""

    class Method(Tune):
        """Fine."""

        Options = Loose

    breaks(lambda cls: check_plugin("method", cls), Method, "must refuse unknown keys")
