"""What layouts are made of: one cell of a recipe on one set of pictures, with its score where it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..measures.base_new import BASE, NEW
from ..measures.base_new_results import JoinedHalves
from ..measures.comparison_results import Comparison, Difference
from ..measures.estimates import Estimate
from ..measures.run_results import RunScore
from ..measures.seed_results import RegularizerEffect, SeedCell
from ..recipe.corruptions import Corruption
from ..recipe.layouts import AXES
from ..recipe.regularizers import NONE
from .gallery import Basis

MEASURED, WAITING, FAILED, MISSING = "measured", "waiting", "failed", "missing"
"""States of an entry: scored; to be done yet; done in vain; done, but not explained on these pictures."""

CLEAN = {"corruption": "", "severity": "0"}
"""Axes of pictures as they are."""


@dataclass(frozen=True)
class Entry:
    """One cell of a recipe, explained on one split shown in one way."""

    axes: Mapping[str, str]
    """Of ``recipe.layouts.AXES``; what a recipe does not tell apart is left out or empty. Entries differ in
    their axes; those that differ in ``seed`` alone are averaged."""
    score: RunScore | None
    comparison: Comparison | None
    """Against the zero-shot run of the same model."""
    state: str
    """``measured``, ``waiting``, ``failed`` or ``missing``."""
    seeds: SeedCell | None = None
    """The mean over the runs of this configuration that differ in the seed only."""
    basis: Basis | None = None
    """Estimator and threshold of the score."""
    effect: RegularizerEffect | None = None
    """What the regularizers of this configuration did."""
    joined: JoinedHalves | None = None
    """This configuration on base and new classes as one, where the split is a half."""

    def axis(self, name: str) -> str:
        """The entry's value of an axis, empty where it has none."""
        return self.axes.get(name, "")

    def estimate(self, metric: str) -> Estimate | None:
        """A measure of the score, those of calibration too; None where the run has none."""
        if self.score is None:
            return None
        calibration = self.score.calibration
        found = calibration.predictions[0].metrics if calibration else {}
        return self.score.metrics.get(metric) or found.get(metric)

    def difference(self, metric: str) -> Difference | None:
        """To the zero-shot run."""
        if self.comparison is None:
            return None
        return self.comparison.differences.get(metric) or self.comparison.calibration.get(metric)

    @property
    def clean(self) -> bool:
        """Whether the pictures are not corrupted."""
        return not self.axis("corruption")


def pictures(label: str) -> dict[str, str]:
    """The axes ``split``, ``half``, ``corruption`` and ``severity`` of an evidence folder's name.

    A corruption of ImageNet-C has the dataset's name for a split, so that all of them are one.

    >>> pictures("test-new"), pictures("test+fog-3+view-1a2b3c")["corruption"]
    ({'split': 'test-new', 'half': 'new', 'corruption': '', 'severity': '0'}, 'fog')
    >>> pictures("imagenet-c@fog-3")
    {'split': 'imagenet-c', 'half': '', 'corruption': 'fog', 'severity': '3'}
    """
    split, *further = label.split("+")
    dataset, at, name = split.rpartition("@")
    corruption = next((one for one in map(Corruption.named, further) if one), None)
    if corruption is None and (corruption := Corruption.named(name)):
        split = dataset if at else ""
    half = next((one.removeprefix("-") for one in (BASE, NEW) if split.endswith(one)), "")
    if corruption is None:
        return {"split": split, "half": half, **CLEAN}
    told = {"corruption": corruption.name, "severity": str(corruption.severity)}
    return {"split": split, "half": half, **told}


def on_reference(entries: Sequence[Entry], within: Sequence[str] = ("dataset",)) -> list[Entry]:
    """Of clean entries those on each dataset's reference split, the first one that occurs; of others, all.

    With the half of the classes among ``within`` that is a split for each half. Entries that do not know
    their split, for nothing was done yet, are put on it.
    """
    reference: dict[tuple[str, ...], str] = {}
    for one in entries:
        if one.clean and one.axis("split"):
            reference.setdefault(key(one, within), one.axis("split"))
    kept = []
    for one in entries:
        wanted = reference.get(key(one, within), "")
        if one.clean and not one.axis("split"):
            kept.append(replace(one, axes={**one.axes, "split": wanted}))
        elif not one.clean or one.axis("split") == wanted:
            kept.append(one)
    return kept


def telling(entries: Iterable[Entry], axes: Sequence[str]) -> tuple[str, ...]:
    """The axes beside ``axes`` that are needed to tell all entries apart, save for their seeds."""
    found: list[str] = []
    for axis in (one for one in AXES if one not in axes and one != "seed"):
        values: dict[tuple[str, ...], set[str]] = {}
        for one in entries:
            values.setdefault(key(one, (*axes, *found)), set()).add(one.axis(axis))
        if any(len(different) > 1 for different in values.values()):
            found.append(axis)
    return tuple(found)


def key(entry: Entry, axes: Sequence[str]) -> tuple[str, ...]:
    """An entry's values of these axes."""
    return tuple(entry.axis(axis) for axis in axes)


def ordered(entries: Iterable[Entry], axes: Sequence[str]) -> list[tuple[str, ...]]:
    """The keys that occur, sorted axis by axis in the order in which an axis' values first occur."""
    entries = list(entries)
    places = [{value: place for place, value in enumerate(dict.fromkeys(e.axis(axis) for e in entries))}
              for axis in axes]  # fmt: skip
    found = dict.fromkeys(key(one, axes) for one in entries)
    return sorted(
        found, key=lambda values: [place[value] for place, value in zip(places, values, strict=True)]
    )


def variants(listed: Iterable[Mapping[str, str]]) -> Callable[[Mapping[str, str]], str]:
    """How what is compared is called: its method with its regularizers, and the split of its tuning where
    there are several.

    >>> name = variants([{"method": "zs"}, {"method": "ft", "train": "a"}, {"method": "ft", "train": "b"}])
    >>> name({"method": "ft", "train": "b"}), name({"method": "ft", "regularizer": "rrr"})
    ('ft · b', 'ft + rrr')
    """
    tuned: dict[str, set[str]] = {}
    for axes in listed:
        tuned.setdefault(_way(axes), set()).add(axes.get("train", ""))

    def name(axes: Mapping[str, str]) -> str:
        way = _way(axes)
        return f"{way} · {axes.get('train', '')}" if len(tuned.get(way, ())) > 1 else way

    return name


def _way(axes: Mapping[str, str]) -> str:
    method, added = axes.get("method", ""), axes.get("regularizer", NONE)
    return method if added == NONE else f"{method} + {added}"
