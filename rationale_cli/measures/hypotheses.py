"""The claims: what the paper found, as hypotheses that any runs can be held against, and what it left open.

The paper: Wang, Li, Nguyen, Peng, *Beyond Accuracy: On the Effects of Fine-tuning Towards Vision-Language
Model's Prediction Rationality* (AAAI 2025, arXiv 2412.13333). C1 … C10 number its claims, as the
documentation does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from .claims import Hypothesis

LOW_ACCURACY = 0.2
"""Of a zero-shot model, below which the paper saw PT rise."""

OTHER_THRESHOLDS = (0.4, 0.6)
"""Thresholds at which claims on evidence are tested again."""


class Setting(NamedTuple):
    """Which cells some claims speak of."""

    key: str
    subject: str
    """How their sentences begin."""
    source: str
    metrics: tuple[str, ...]


class _Way(NamedTuple):
    """What a measure is claimed to do."""

    short: str
    verb: str
    sign: Literal[1, -1]


_WAYS = {
    "accuracy": _Way("raises accuracy", "raises accuracy over zero-shot", 1),
    "PT": _Way("lowers PT", "lowers PT: fewer of the right predictions rest on valid evidence", -1),
    "IR": _Way("raises IR", "raises IR: more of the predictions with valid evidence are right", 1),
    "lift": _Way("raises the lift", "raises IR by more than accuracy explains: the evidence lift grows", 1),
    "mass": _Way(
        "moves heat off the object",
        "moves the heatmap's mass off the object, on pictures that both models get right",
        -1,
    ),
}

_ALL = ("accuracy", "PT", "IR", "lift")
_EVIDENCE = ("PT", "IR", "lift")

_LIFT_SOURCE = ""
"""The paper does not test whether IR rises beyond accuracy."""

SETTINGS = (
    Setting("main", "Fine-tuning", "", (*_ALL, "mass")),
    Setting("flcp", "FLCP, the contrastive way of fine-tuning,", "C4", ("PT",)),
    Setting("corrupted", "On corrupted pictures, fine-tuning on clean ones", "C5", _ALL),
    Setting("adamw", "With AdamW, fine-tuning", "C6", _ALL),
    Setting("gradient", "By the attention gradient (∇A), fine-tuning", "C7", _EVIDENCE),
    Setting("rates", "With another learning rate, fine-tuning", "C8", _ALL),
    Setting("coop", "CoOp", "C9", _ALL),
    Setting("tip", "Tip-Adapter(-F)", "C9", _ALL),
    *(Setting(f"tau-{tau}", f"At τ = {tau:.2f}, fine-tuning", "", _EVIDENCE) for tau in OTHER_THRESHOLDS),
    Setting("small", "On small objects (lowest third of mask areas), fine-tuning", "", _EVIDENCE),
    Setting("middle", "On middle-sized objects, fine-tuning", "", _EVIDENCE),
    Setting("large", "On large objects (highest third of mask areas), fine-tuning", "", _EVIDENCE),
    Setting("others", "On other splits and datasets, fine-tuning", "", _ALL),
)

_MAIN_SOURCES = {"accuracy": "C1", "PT": "C2", "IR": "C3", "mass": "C10"}

ORDERS = {
    "accuracy": ("ft", "lp", "flcp", "zs"),
    "PT": ("zs", "ft", "flcp", "lp"),
    "IR": ("ft", "lp", "flcp", "zs"),
}
"""Methods from the highest value down, as the paper's ablation table has them in all three of its setups."""

SUBJECTS = {
    **{one.key: one.subject for one in SETTINGS},
    "hard": "Where the zero-shot model is right in less than 20 %, fine-tuning",
    "orders": "The order of the methods",
    "runs": "In fine-tuned models",
}
"""How the sentences of each setting begin: the headings under which claims stand."""


def hypotheses() -> tuple[Hypothesis, ...]:
    """Every claim, those of one setting beside each other."""
    return (*_of_settings(), *_orders(), _ASSOCIATION)


def _of_settings() -> Iterator[Hypothesis]:
    for setting in SETTINGS:
        for metric in setting.metrics:
            way = _WAYS[metric]
            source = _MAIN_SOURCES.get(metric, "") if setting.key == "main" else setting.source
            yield Hypothesis(
                key=f"{setting.key}:{metric}",
                statement=f"{setting.subject} {way.verb}.",
                short=way.short,
                source=_LIFT_SOURCE if metric == "lift" else source,
                setting=setting.key,
                metric=metric,
                sign=way.sign,
            )
        if setting.key == "main":
            yield _EXCEPTION


_EXCEPTION = Hypothesis(
    key="hard:PT",
    statement=f"{SUBJECTS['hard']} raises PT.",
    short="raises PT",
    source="C2",
    setting="hard",
    metric="PT",
    sign=1,
)

_ASSOCIATION = Hypothesis(
    key="runs:phi",
    statement="In fine-tuned models valid evidence makes a right prediction more likely, class by class.",
    short="valid evidence goes with right predictions, class by class",
    source="",
    setting="runs",
    metric="phi",
    sign=1,
)


def _orders() -> Iterator[Hypothesis]:
    shown = {"zs": "zero-shot", "lp": "LP", "flcp": "FLCP", "ft": "FT"}
    for metric, order in ORDERS.items():
        told = " > ".join(shown[method] for method in order)
        yield Hypothesis(
            key=f"orders:{metric}",
            statement=f"{metric[0].upper()}{metric[1:]} falls in the order {told}.",
            short=f"{metric}: {told}",
            source="C1" if metric == "accuracy" else "C2" if metric == "PT" else "C3",
            setting="orders",
            metric=metric,
            sign=1,
            order=order,
        )
