"""What will be done: every plugin found, every option resolved and checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..contracts import MASKS, MethodOptions, PluginOptions
from ..hooks import bare_name
from ..recipe import (
    NOUNS,
    PLUGINS,
    REGULARIZER,
    SHIFT,
    ExplainOptions,
    TrainOptions,
    ViewOptions,
    same_plugin,
)
from ..recipe.protocols import DEFAULT
from ..recipe.regularizers import NONE
from .base_to_new import BaseToNew

Classes = Literal["all", "base-to-new"]
"""See ``engine.base_to_new``."""

NOT_DECISIVE = ("workers", "skip_bad")
"""Keys of ``train`` that do not change the result; unreadable pictures stop a run that may not skip them."""


@dataclass(frozen=True)
class Chosen:
    """A plugin and its checked options."""

    kind: str
    """Of plugin: a further dataset, ``shift``, is a ``dataset``."""
    name: str
    """Qualified: ``distribution:name``."""
    plugin: type
    options: PluginOptions
    classes: Classes = "all"
    """Of a dataset: all classes together, or tuned on one half and judged on both."""

    @property
    def bare(self) -> str:
        """The name without its distribution."""
        return bare_name(self.name)

    def build(self) -> Any:
        """The plugin's object; for a model this is where weights are read."""
        built = self.plugin(self.options)
        return built if self.classes == "all" else BaseToNew(built)

    def to_dict(self) -> dict[str, Any]:
        """``{"use": name, "options": {…}}`` as plain data."""
        options = self.options.model_dump(mode="json")
        divided = {} if self.classes == "all" else {"classes": self.classes}
        return {"use": self.name, "options": {**options, **divided}}


@dataclass(frozen=True)
class Configuration:
    """All sections, resolved and checked."""

    model: Chosen
    method: Chosen
    dataset: Chosen
    attribution: Chosen
    train: TrainOptions
    explain: ExplainOptions
    view: ViewOptions = field(default_factory=ViewOptions)
    shift: Chosen | None = None
    """A further dataset that the run is explained on."""
    further: tuple[Chosen, ...] = ()
    """Attributions beside the main one, as ``explain.further`` names them."""
    regularizers: tuple[Chosen, ...] = ()
    """Terms that are added to the method's loss, in order of their names."""
    protocol: str = DEFAULT
    chosen: tuple[str, ...] = ()
    """Dotted keys that the user gave; everything else is a default or the model's recommendation."""
    label: str = ""
    """What distinguishes this cell of a recipe's grid."""

    @property
    def attributions(self) -> tuple[Chosen, ...]:
        """All that pictures are explained by, the main one first."""
        return (self.attribution, *self.further)

    @property
    def passed(self) -> dict[str, Any]:
        """Dotted key → value, as plain data, of what the user gave."""
        return {key: self._resolved(*key.split(".", 1)) for key in self.chosen}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for ``run.yaml``: resolved sections, and what was passed."""
        return {
            **{noun: getattr(self, noun).to_dict() for noun in NOUNS},
            **({SHIFT: self.shift.to_dict()} if self.shift else {}),
            **({REGULARIZER: [one.to_dict() for one in self.regularizers]} if self.regularizers else {}),
            "protocol": {"use": self.protocol},
            "view": self.view.model_dump(mode="json"),
            "train": self.train.model_dump(mode="json"),
            "explain": self.explain.model_dump(mode="json"),
            "passed": self.passed,
        }

    @property
    def learns(self) -> bool:
        """Whether the method takes anything from a training split; zero-shot does not."""
        method = self.method
        return isinstance(method.options, MethodOptions) or hasattr(method.plugin, "prepare")

    @property
    def indifferent(self) -> tuple[str, ...]:
        """Keys of ``train`` that do not change the result; where nothing is learned, all but the seed."""
        if not self.learns:
            return tuple(key for key in TrainOptions.model_fields if key != "seed")
        return NOT_DECISIVE if self.sees_masks else (*NOT_DECISIVE, "mask_fraction")

    @property
    def sees_masks(self) -> bool:
        """Whether a regularizer looks at where the object is."""
        return any(MASKS in getattr(one.plugin, "needs", ()) for one in self.regularizers)

    def digest(self) -> str:
        """Eight hexadecimal digits of what determines the training.

        That is model, method, regularizers, dataset, view and train.
        """
        resolved = self.to_dict()
        decisive = {key: resolved[key] for key in ("model", "method", "dataset", "train")}
        if self.regularizers:
            decisive[REGULARIZER] = resolved[REGULARIZER]
        if self.view != ViewOptions():
            decisive["view"] = resolved["view"]
        for key in self.indifferent:
            del decisive["train"][key]
        if self.train.validation is None:
            decisive["train"].pop("validation", None)
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]

    def run_name(self) -> str:
        """The default name, ``tiny-clip-ft-scenes-1a2b3c4d``, with regularizers where there are any, and with
        split, shots and seed where they are others.

        It follows from the settings alone: recipes that ask for the same run share its folder.
        """
        added = [one.bare for one in self.regularizers]
        words = [self.model.bare, self.method.bare, *added, self.dataset.bare]
        usual = TrainOptions()
        if self.learns and self.train.split != usual.split:
            words.append(self.train.split)
        if self.learns and self.train.shots is not None:
            words.append(f"{self.train.shots}-shots")
        if self.train.seed != usual.seed:
            words.append(f"seed-{self.train.seed}")
        # A family's argument may hold anything, a path for instance.
        return "-".join(re.sub(r"[^\w.]+", "-", word).strip("-.") for word in (*words, self.digest()))

    def _resolved(self, section: str, key: str) -> Any:
        if section == "protocol":
            return self.protocol
        if section == REGULARIZER:
            return _resolved_key(self.regularizers, key)
        if section not in PLUGINS:
            return getattr(self, section).model_dump(mode="json")[key]
        chosen: Chosen = getattr(self, section)
        plain = chosen.to_dict()
        return plain["use"] if key == "use" else plain["options"].get(key, chosen.classes)


def _resolved_key(regularizers: Sequence[Chosen], key: str) -> Any:
    """The value of ``use``, ``KEY`` or ``NAME.KEY`` of the section ``regularizer``, as plain data."""
    if key == "use":
        return ",".join(one.name for one in regularizers) or NONE
    name, _, option = key.rpartition(".")
    options = [one.to_dict()["options"] for one in regularizers if not name or same_plugin(name, one.name)]
    return next(one[option] for one in options if option in one)
