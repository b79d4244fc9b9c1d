"""Classifiers over class vectors, and the class vectors of a task."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from rationale_cli.testing import FakeModel, ToyDataset
from rationale_cli.toolkit.heads import class_embeddings, products

TASK = ToyDataset().task


class Dropping(FakeModel):
    """A text tower with dropout, as BERT's has."""

    def embed_texts(self, tokens):
        return F.dropout(super().embed_texts(tokens), 0.5, self.training)


def test_class_vectors_are_those_of_the_tower_in_use_and_not_in_training():
    model = Dropping().train()
    first = class_embeddings(model, TASK)
    assert torch.equal(first, class_embeddings(model, TASK))
    assert torch.equal(first, class_embeddings(model.eval(), TASK))


def test_computing_class_vectors_leaves_the_mode_as_it_was():
    for training in (True, False):
        model = Dropping().train(training)
        class_embeddings(model, TASK)
        assert model.training is training


def test_products_with_vectors_of_each_picture():
    torch.manual_seed(0)
    features, vectors = torch.randn(4, 6), torch.randn(3, 6)
    own = vectors.expand(4, -1, -1)
    torch.testing.assert_close(products(features, own), products(features, vectors))
    torch.testing.assert_close(products(features, own * 2)[1, 2], 2 * features[1] @ vectors[2])
