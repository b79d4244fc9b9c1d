"""Splits of the same classes about which something else is asked: another task's prompts."""

from __future__ import annotations

import torch
from PIL import Image

from rationale_cli.contracts import Sample, Task
from rationale_cli.engine.build import build
from rationale_cli.engine.conditions import Condition, conditions
from rationale_cli.engine.configure import configure
from rationale_cli.engine.retarget import classifier_for
from rationale_cli.recipe import Draft, from_mapping
from rationale_cli.registry import Registry

REGISTRY = Registry.discover()


def built(method: str, task: str = "stability"):
    settings = {"model": "tiny-clip", "method": method, "dataset": "blocks", "dataset.task": task}
    return build(configure(Draft(from_mapping(settings, "a test")), REGISTRY))


def asked(one, split: str):
    configuration = one.configuration
    tuned = {"view": configuration.view.model_dump(mode="json")}
    own = one.dataset.task
    (condition,) = (each for each in conditions(configuration, tuned, one) if each.split == split)
    return condition.task(own)


def test_the_same_question_is_asked_of_the_runs_own_classifier() -> None:
    run = built("zs")
    for split in ("test", "other-size", "other-style"):
        assert asked(run, split) == run.dataset.task
        assert classifier_for(run, asked(run, split)) is run.classifier


class Reversed:
    """Real towers, say, whose classes another folder lists in another order and asks nothing about."""

    task = Task(("unstable", "stable"))

    def split(self, name: str) -> list[Sample]:
        return [Sample("a", Image.new("RGB", (64, 64)), 0)]


def test_labels_of_a_further_dataset_are_those_of_the_run() -> None:
    run = built("zs")
    condition = Condition(Reversed(), "mine", "test", True, None, run.configuration.view, False)
    own = run.dataset.task
    assert condition.task(own) is own
    assert condition.pictures(run)[0, 0].label == own.classnames.index("unstable") == 1


def test_prompts_are_those_of_the_split_where_something_else_is_asked() -> None:
    run, other = built("zs"), built("zs", "causal-removal")
    task = asked(run, "other-task")
    assert task == other.dataset.task
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits = [one(images) for one in (classifier_for(run, task), other.classifier, run.classifier)]
    torch.testing.assert_close(logits[0], logits[1])
    assert (logits[0] - logits[2]).abs().max() > 1e-3


def test_a_head_without_names_answers_as_it_was_tuned_to() -> None:
    run = built("ft")
    assert classifier_for(run, asked(run, "other-task")) is run.classifier
