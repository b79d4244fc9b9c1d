"""Annotations of a split on a model's view, without a model: areas, and what controls score there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ..contracts import Attribution, Boxes, Classifier, Preprocessing, Sample, Specification, Split
from ..errors import InputError
from ..measures.describing import Grid, Surveyed
from ..recipe import Draft, from_mapping
from ..registry import Registry
from ..toolkit.geometry import mask_of, mask_on_view
from ..toolkit.heatmaps import evidence
from .batches import Unreadable, readers
from .configure import choose
from .estimators import CONTROLS

GRIDS: tuple[Grid, ...] = ((7, 7), (14, 14))
"""Patch grids of the usual vision transformers: 32 and 16 pixels a patch on 224."""

_BATCH = 8
"""Few: the masks of a batch then stay in the processor's cache while they are measured."""


@dataclass(frozen=True)
class Control:
    """A heatmap that reads nothing of picture, class and model, at one patch grid."""

    name: str
    attribution: Attribution
    grid: Grid

    def mass(self, masks: Tensor) -> npt.NDArray[np.float64]:
        """RMA on each of B×S×S masks; of a constant map the mask's area, as in scores."""
        # Such a control reads the shape of the input alone, so the pictures need not be there.
        images = torch.zeros(()).expand(len(masks), 3, *masks.shape[1:])
        targets = torch.zeros(len(masks), dtype=torch.long)
        blind = cast(Classifier, _Blind(self.grid))
        (relevance,) = self.attribution.explain(blind, images, targets, (Specification(),)).relevance
        found = evidence(relevance, masks)
        return torch.where(found.constant, _area(masks), found.rma.double()).numpy()


@dataclass(frozen=True)
class _Blind:
    """Stands where a control asks a classifier for its model, and the model for its patch grid."""

    grid: Grid

    @property
    def model(self) -> _Blind:
        return self

    def patch_grid(self, height: int, width: int) -> Grid:
        return self.grid


class Annotation(NamedTuple):
    """What is known of one picture."""

    id: str
    label: int
    boxes: int
    mask: Tensor | None
    """S×S uint8 0/1 on the view; None where not annotated."""
    blank: bool
    """Nothing is marked on the whole picture."""


class AnnotationBatch(NamedTuple):
    """Annotations side by side."""

    rows: list[Annotation]
    """Without their masks."""
    masks: Tensor
    """B×S×S uint8, zero where not annotated."""
    annotated: list[bool]
    unreadable: list[Unreadable]


class Annotations(TorchDataset[Annotation | Unreadable]):
    """A split's annotations on one view; the picture is read for its size and not kept."""

    def __init__(self, split: Split, view: Preprocessing) -> None:
        self.split, self.view = split, view

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Annotation | Unreadable:
        try:
            return self._annotation(self.split[index])
        except InputError as error:
            return Unreadable(self.split.ids[index], error.what, error.where)

    def _annotation(self, sample: Sample) -> Annotation:
        if sample.evidence is None:
            return Annotation(sample.id, sample.label, 0, None, False)
        boxes = len(sample.evidence.xyxy) if isinstance(sample.evidence, Boxes) else 0
        mask = mask_on_view(sample.evidence, sample.image.size, self.view)
        blank = not mask.any() and mask_of(sample.evidence, sample.image.size).getbbox() is None
        return Annotation(sample.id, sample.label, boxes, mask, blank)


def drawn_controls(registry: Registry) -> tuple[Control, ...]:
    """``uniform`` and ``center`` of the registry at every usual grid: the tool's own controls."""
    found = []
    for name in CONTROLS[:2]:
        chosen = choose("attribution", Draft(from_mapping({"attribution": name}, "controls")), registry)
        attribution = cast(Attribution, chosen.build())
        found += [Control(chosen.bare, attribution, grid) for grid in GRIDS]
    return tuple(found)


def survey(
    annotations: Annotations,
    indices: Sequence[int],
    controls: Sequence[Control],
    workers: int | None,
    advance: Callable[[int, str], None],
) -> Surveyed:
    """Read the annotations of these pictures and hold every control against them.

    ``workers`` processes read; None takes one a thread where there are many pictures. ``advance`` is told
    of pictures done. What cannot be read is named in the result and raises nothing.
    """
    rows: list[Annotation] = []
    annotated: list[bool] = []
    unreadable: dict[str, str] = {}
    areas = [np.empty(0)]
    masses = {(one.name, one.grid): [np.empty(0)] for one in controls}
    for batch in annotation_batches(annotations, indices, workers):
        unreadable |= {one.id: _told(one) for one in batch.unreadable}
        rows += batch.rows
        annotated += batch.annotated
        if batch.rows:
            areas.append(_area(batch.masks).numpy())
            for one in controls:
                masses[one.name, one.grid].append(one.mass(batch.masks))
        read = len(batch.rows) + len(batch.unreadable)
        advance(read, f"{len(unreadable)} unreadable" if unreadable else "")
    return Surveyed(
        ids=tuple(one.id for one in rows),
        label=np.array([one.label for one in rows], dtype=np.int64),
        boxes=np.array([one.boxes for one in rows], dtype=np.int64),
        annotated=np.array(annotated, dtype=bool),
        blank=np.array([one.blank for one in rows], dtype=bool),
        area=np.where(np.array(annotated, dtype=bool), np.concatenate(areas), np.nan),
        mass={key: np.concatenate(parts) for key, parts in masses.items()},
        unreadable=unreadable,
    )


def _area(masks: Tensor) -> Tensor:
    return masks.flatten(1).double().mean(dim=1)


def _told(one: Unreadable) -> str:
    return f"{one.reason} ({one.where})" if one.where else one.reason


def annotation_batches(
    annotations: Annotations, indices: Sequence[int], workers: int | None
) -> Iterator[AnnotationBatch]:
    """The annotations of these pictures in order, some at a time; see ``readers`` for ``workers``."""
    if not indices:
        return iter(())
    processes = readers(workers, len(indices))
    parts = [list(indices[start : start + _BATCH]) for start in range(0, len(indices), _BATCH)]
    return iter(DataLoader(annotations, batch_sampler=parts, collate_fn=_collate, num_workers=processes))


def _collate(found: list[Annotation | Unreadable]) -> AnnotationBatch:
    """Masks side by side: one tensor travels between processes and not one a picture."""
    good = [one for one in found if isinstance(one, Annotation)]
    size = next((one.mask.shape for one in good if one.mask is not None), torch.Size((1, 1)))
    nothing = torch.zeros(size, dtype=torch.uint8)
    masks = [nothing if one.mask is None else one.mask for one in good]
    return AnnotationBatch(
        [one._replace(mask=None) for one in good],
        torch.stack(masks) if masks else nothing[:0],
        [one.mask is not None for one in good],
        [one for one in found if isinstance(one, Unreadable)],
    )
