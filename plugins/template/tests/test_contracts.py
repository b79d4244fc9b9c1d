"""The contract suites: what every plugin of its kind must do."""

import torch
from rationale_plugins.methods.linear_probe import LinearProbe
from rationale_template.attribution import Saliency
from rationale_template.checkpoint import ClassMeans
from rationale_template.dataset import Stripes
from rationale_template.method import BiasTuning
from rationale_template.model import PocketVit
from rationale_template.regularizer import Mirror

from rationale_cli.testing import (
    FakeModel,
    ToyDataset,
    check_attribution,
    check_dataset,
    check_format,
    check_method,
    check_model,
    check_regularizer,
    fake_classifier,
)


def test_model() -> None:
    """The model keeps its contract."""
    check_model(PocketVit(PocketVit.Options()))


def test_method() -> None:
    """The method keeps its contract on the fake model."""
    check_method(BiasTuning(BiasTuning.Options()), FakeModel(), ToyDataset().task)


def test_regularizer() -> None:
    """The regularizer keeps its contract on a method of any kind."""
    method = BiasTuning(BiasTuning.Options())
    check_regularizer(Mirror(Mirror.Options()), method, FakeModel(), ToyDataset().task)


def test_attribution() -> None:
    """The attribution keeps its contract for both kinds of classifier."""
    check_attribution(Saliency(Saliency.Options()), fake_classifier("text"))
    check_attribution(Saliency(Saliency.Options()), fake_classifier("linear"))


def test_dataset() -> None:
    """The dataset keeps its contract."""
    check_dataset(Stripes(Stripes.Options()))


def test_format() -> None:
    """The format keeps its contract on the tensors of a file: three classes, 16 features."""
    check_format(ClassMeans(), {"means": torch.randn(3, 16)}, LinearProbe, FakeModel(), ToyDataset().task)
