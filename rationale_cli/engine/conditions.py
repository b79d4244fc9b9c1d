"""On which pictures a run is explained, and how they are shown: split, corruption, view, further dataset.

Each condition has evidence of its own below the run folder, under its label::

    test                 the split as it is
    test+fog-3           corrupted as in ImageNet-C
    test+view-1a2b3c     prepared otherwise than for tuning
    imagenet-c@fog-3     a split of a further dataset
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..contracts import Dataset, Sample, Split, Task
from ..hooks import bare_name
from ..recipe import Corruption, ViewOptions, corruptions
from .batches import Pictures
from .build import Built
from .configuration import Configuration
from .view import prepared


@dataclass(frozen=True)
class Condition:
    """Pictures of one split, shown in one way."""

    dataset: Dataset
    name: str
    """Qualified name of the dataset's plugin."""
    split: str
    further: bool
    """Whether this is not the dataset that the run was tuned on."""
    corruption: Corruption | None
    view: ViewOptions
    altered: bool
    """Whether the view is another than the one of the tuning."""

    @property
    def label(self) -> str:
        """Name of the folder of its evidence, and of its tables."""
        told = label(self.split, self.corruption, self.view if self.altered else None)
        return f"{bare_name(self.name).replace(':', '-')}@{told}" if self.further else told

    def shown(self) -> dict[str, Any]:
        """The parts of the label as plain data; of a further dataset also what its pictures are like."""
        factors = factors_of(self.dataset, self.split) if self.further else {}
        return {
            "split": self.split,
            "further": self.further,
            "corruption": self.corruption.name if self.corruption else None,
            "severity": self.corruption.severity if self.corruption else 0,
            "view": self.view.model_dump(mode="json"),
            **({"factors": factors} if factors else {}),
        }

    def task(self, own: Task) -> Task:
        """The classes to tell apart: the run's own where they hold all of the split's, else the split's.

        The split's, too, where they are the same and something else is asked about them.
        """
        task_of = getattr(self.dataset, "task_of", None)
        task: Task = self.dataset.task if task_of is None else task_of(self.split)
        if task.classnames == own.classnames and task.question not in (None, own.question):
            return task
        return own if set(task.classnames) <= set(own.classnames) else task

    def pictures(self, built: Built) -> Pictures:
        """The pictures as the run's model sees them, labelled by ``task``."""
        split: Split = self.dataset.split(self.split)
        own = built.dataset.task
        if self.further and self.task(own) is own:
            split = Relabelled(split, _labels(self.dataset.task, own))
        preprocessing = prepared(built.model.preprocessing, self.view, further=self.further)
        return Pictures(split, preprocessing, evidence=True, corruption=self.corruption)


@dataclass(frozen=True)
class Relabelled:
    """A split of a further dataset under the labels of the run's own classes."""

    split: Split
    labels: tuple[int, ...]
    """The further dataset's label → the run's."""

    @property
    def ids(self) -> Sequence[str]:
        """As in the split itself."""
        return self.split.ids

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Sample:
        """Raises what the split raises."""
        sample = self.split[index]
        return replace(sample, label=self.labels[sample.label])


def factors_of(dataset: Dataset, split: str) -> dict[str, str]:
    """What the pictures of a split are like, as the dataset declares it; empty where it declares nothing."""
    declared: Callable[[str], Mapping[str, str]] | None = getattr(dataset, "factors", None)
    return {} if declared is None else dict(declared(split))


def label(split: str, corruption: Corruption | None, view: ViewOptions | None) -> str:
    """Of a split of the run's own dataset."""
    parts = [split]
    if corruption is not None:
        parts.append(str(corruption))
    if view is not None:
        parts.append(f"view-{hashlib.sha256(view.model_dump_json().encode()).hexdigest()[:6]}")
    return "+".join(parts)


def own_labels(configuration: Configuration, tuned: Mapping[str, Any], splits: Sequence[str]) -> list[str]:
    """Labels of all conditions on the run's own dataset, which need not be opened for it.

    ``tuned`` is the configuration as the run's record holds it.
    """
    view = configuration.view if _altered(configuration, tuned) else None
    return [label(split, one, view) for split in splits for one in _corruptions(configuration)]


def conditions(configuration: Configuration, tuned: Mapping[str, Any], built: Built) -> list[Condition]:
    """On the run's own dataset: its splits, each as it is and under each corruption."""
    options = configuration.explain
    return [
        Condition(
            built.dataset,
            configuration.dataset.name,
            split,
            False,
            one,
            configuration.view,
            _altered(configuration, tuned),
        )
        for split in options.splits or built.dataset.evaluation
        for one in _corruptions(configuration)
    ]


def further_conditions(
    configuration: Configuration, tuned: Mapping[str, Any], splits: Sequence[str] = ()
) -> list[Condition]:
    """On the further dataset, where there is one: these splits, or those that it is judged on."""
    if configuration.shift is None:
        return []
    dataset: Dataset = configuration.shift.build()
    return [
        Condition(
            dataset,
            configuration.shift.name,
            split,
            True,
            one,
            configuration.view,
            _altered(configuration, tuned),
        )
        for split in splits or dataset.evaluation
        for one in _corruptions(configuration)
    ]


def _corruptions(configuration: Configuration) -> tuple[Corruption | None, ...]:
    return (None, *corruptions(configuration.explain.corrupt))


def _altered(configuration: Configuration, tuned: Mapping[str, Any]) -> bool:
    return bool(configuration.view.model_dump(mode="json") != tuned["view"])


def _labels(further: Task, own: Task) -> tuple[int, ...]:
    """Classes are the same where their names are."""
    places = {classname: place for place, classname in enumerate(own.classnames)}
    return tuple(places[classname] for classname in further.classnames)
