"""How near a picture is to those that a run was tuned on: what proximity-informed calibration (PIECE) needs.

Features are the run's own, those that its classifier reads, at unit length; where tuning leaves the image
tower alone they are the zero-shot model's. Held against them are the run's base pictures: those held out to
choose settings on, where there are such, else those trained on, prepared as for tuning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn

from ..contracts import Preprocessing, Progress
from ..errors import InputError
from ..measures.calibration import NEIGHBOURS
from ..recipe import ViewOptions
from ..runs.base_features import BaseFeatures
from ..runs.folder import Run
from ..toolkit.geometry import normalise
from .batches import Pictures, chunks, limited, loader
from .build import Built, autocast
from .configuration import NOT_DECISIVE
from .support import TrainingPictures
from .view import prepared

MOST, OF_A_CLASS = 1000, 4
"""Base pictures that are looked at, of all classes and of each, whichever are more: the published protocol
holds out four of a class."""


class Base(NamedTuple):
    """Base pictures on a device."""

    features: Tensor
    """m×F, unit length, m > 0."""
    places: Mapping[str, int]
    """Identifier → row."""
    neighbours: int

    def proximity(self, features: Tensor, ids: Sequence[str]) -> npt.NDArray[np.float64]:
        """features B×F → exp(−mean distance to the nearest base pictures), B; NaN where there is none.

        ``ids`` tell which of them are base pictures themselves: none is its own neighbour.
        """
        own = F.normalize(features.to(self.features), dim=-1)
        # By differences: a product of matrices loses the digits of a small distance.
        distances = torch.cdist(own, self.features, compute_mode="donot_use_mm_for_euclid_dist")
        for row, identifier in enumerate(ids):
            if identifier in self.places:
                distances[row, self.places[identifier]] = torch.inf
        nearest = distances.topk(min(self.neighbours, len(self.features)), largest=False).values.double()
        mean = nearest.masked_fill(nearest.isinf(), torch.nan).nanmean(dim=-1)
        return np.asarray((-mean).exp().cpu().numpy())


class _Chosen(NamedTuple):
    pictures: Pictures
    indices: Sequence[int]
    split: str
    part: str


@dataclass
class BasePictures:
    """The base pictures of a run, whose classifier is on its device.

    Nothing is opened before it is asked for.
    """

    run: Run
    built: Built
    machine: Accelerator
    progress: Progress

    @property
    def base(self) -> Base | None:
        """None where there are none; all processes ask for them at the same time."""
        return self._found[0]

    @property
    def facts(self) -> dict[str, Any]:
        """What is recorded of proximities: ``neighbours``, and ``split part pictures`` or ``lacking``.

        The former are of the base pictures, the latter says why there are none.
        """
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[Base | None, dict[str, Any]]:
        neighbours = self.built.configuration.explain.neighbours
        neighbours = NEIGHBOURS if neighbours is None else neighbours
        try:
            kept = self._kept()
        except InputError as error:
            return None, {"neighbours": neighbours, "lacking": error.what}
        features = torch.from_numpy(kept.features.astype(np.float32)).to(self.machine.device)
        places = {str(identifier): row for row, identifier in enumerate(kept.id)}
        facts = {"neighbours": neighbours, "split": kept.split, "part": kept.part, "pictures": len(places)}
        return Base(F.normalize(features, dim=-1), places, neighbours), facts

    def _kept(self) -> BaseFeatures:
        """Raises ``InputError`` where there are none."""
        found = BaseFeatures.read(self.run.path, self._digest)
        self.machine.wait_for_everyone()
        if found is None:
            chosen = self._chosen()
            if self.machine.is_main_process:
                self._computed(chosen).write(self.run.path, self._digest)
            self.machine.wait_for_everyone()
            found = BaseFeatures.read(self.run.path, self._digest)
        if found is None or not len(found.id):
            raise InputError("Expected a base picture that can be read but there is none.")
        return found

    def _chosen(self) -> _Chosen:
        training = TrainingPictures(self.built, self.machine.device, self.progress)
        selection = training.draw()
        indices = selection.validation or selection.train
        part = "held out" if selection.validation else "trained on"
        pictures = Pictures(training.split, self._preprocessing, evidence=False)
        kept = [indices[place] for place in limited(len(indices), self._most)]
        return _Chosen(pictures, kept, self.built.configuration.train.split, part)

    def _computed(self, chosen: _Chosen) -> BaseFeatures:
        options, device = self.built.configuration.explain, self.machine.device
        cast(nn.Module, self.built.classifier).eval()
        ids: list[str] = []
        parts: list[npt.NDArray[np.float16]] = []
        plans = chunks(chosen.indices, options.batch_size)
        with self.progress.task("looking at the base pictures", len(plans)) as advance:
            for batch in loader(chosen.pictures, plans, options.workers):
                if batch.ids:
                    images = normalise(batch.pixels.to(device), chosen.pictures.preprocessing)
                    with torch.no_grad(), autocast(options.precision, device):
                        features = self.built.classifier.features(images)
                    parts.append(F.normalize(features.float(), dim=-1).half().cpu().numpy())
                    ids += batch.ids
                advance(1, "")
        every = np.concatenate(parts) if parts else np.empty((0, 0), np.float16)
        return BaseFeatures(np.array(ids, np.str_), every, chosen.split, chosen.part)

    @property
    def _most(self) -> int:
        """A quick look at few pictures looks at few base pictures too."""
        options = self.built.configuration.explain
        all_in_all = max(MOST, OF_A_CLASS * len(self.built.dataset.task.classnames))
        wanted = max(round(all_in_all * options.share), options.neighbours or NEIGHBOURS)
        return wanted if options.limit is None else min(options.limit, wanted)

    @property
    def _preprocessing(self) -> Preprocessing:
        view = ViewOptions.model_validate(self.run.configuration["view"])
        return prepared(self.built.model.preprocessing, view)

    @property
    def _digest(self) -> str:
        """What the features follow from."""
        manifest, configuration = self.run.manifest, self.built.configuration
        train = {
            key: value
            for key, value in configuration.train.model_dump(mode="json").items()
            if key not in NOT_DECISIVE
        }
        facts = [
            manifest["training"]["checkpoint_sha256"],
            manifest["provenance"]["data_fingerprint"],
            self.run.configuration["view"],
            train,
            configuration.explain.precision,
            self._most,
        ]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
