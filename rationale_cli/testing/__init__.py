"""Contract suites for plugin authors: each check raises ``AssertionError`` that says what the contract asks.

::

    from rationale_cli.testing import FakeModel, ToyDataset, check_method

    def test_my_method():
        check_method(MyMethod(MyMethod.Options()), FakeModel(), ToyDataset().task)

The built-in plugins pass the same suites.
"""

from .attributions import check_attribution
from .datasets import check_dataset
from .fakes import FakeModel, FakeSupport, ToyDataset, fake_classifier
from .formats import check_format
from .methods import check_method
from .models import check_model
from .options import check_plugin
from .regularizers import check_regularizer

__all__ = [
    "FakeModel",
    "FakeSupport",
    "ToyDataset",
    "check_attribution",
    "check_dataset",
    "check_format",
    "check_method",
    "check_model",
    "check_plugin",
    "check_regularizer",
    "fake_classifier",
]
