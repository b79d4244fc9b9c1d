"""Learning rates over a training."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from rationale_cli.engine.schedule import schedule
from rationale_cli.recipe import TrainOptions

COOP = [1e-5, 2e-3, 0.00195106, 0.00180902, 0.00158779, 0.00130902, 0.001, 0.000690983, 0.000412215]
COOP += [0.000190983]
"""What CoOp's released code trains with in 10 epochs."""


def rates(lr=2e-3, steps_per_epoch=3, **options):
    options = TrainOptions(**{"epochs": 10, **options})
    rate = schedule(options, lr, steps_per_epoch)
    return [rate(step) for step in range(options.epochs * steps_per_epoch)]


def test_coops_rates_epoch_by_epoch():
    found = rates(schedule="cosine-epoch", warmup_epochs=1)
    assert found[::3] == pytest.approx(COOP, rel=1e-5)
    assert found[::3] == found[1::3] == found[2::3]


def test_a_cosine_by_steps_ends_near_zero_after_its_warm_up():
    found = rates(schedule="cosine", warmup_steps=5)
    assert found[:5] == pytest.approx([2e-3 * share for share in (0.2, 0.4, 0.6, 0.8, 1)])
    assert found[5] == 2e-3
    assert found[5:] == sorted(found[5:], reverse=True)
    assert found[-1] < 1e-5
    assert found[17] == pytest.approx(1e-3, rel=0.1)


def test_warm_up_epochs_go_before_any_schedule():
    found = rates(schedule="cosine", warmup_epochs=2, warmup_lr=1e-4)
    assert found[:6] == [1e-4] * 6
    assert found[6] == 2e-3
    assert rates(warmup_epochs=1)[2:4] == [1e-5, 2e-3]
    assert rates(epochs=1, schedule="cosine-epoch", warmup_epochs=1) == [1e-5] * 3


def test_a_warm_up_is_of_steps_or_of_epochs():
    with pytest.raises(ValidationError, match="warm-up steps or warm-up epochs"):
        TrainOptions(warmup_steps=10, warmup_epochs=1)
