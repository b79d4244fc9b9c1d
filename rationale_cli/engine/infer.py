"""The one pass: prediction, heatmaps, their mass on the object, and the witness, a batch at a time.

Batches are fixed by the order of the split and the batch size alone; each is the whole work of one
process and leaves one part on disk. So any number of processes, killed and started again at will,
writes the same evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..contracts import Attribution, Classifier, Explanation, Preprocessing, Specification
from ..measures.probabilities import predicted
from ..runs.evidence import EMPTY_MASK, NO_ANNOTATION, NO_EVIDENCE, OK
from ..toolkit.geometry import bounding_boxes, normalise
from ..toolkit.heatmaps import evidence
from .batches import Batch
from .causal import effects
from .configuration import Chosen
from .proximity import Base

Arrays = dict[str, npt.NDArray[np.generic]]
"""Columns of one batch by name."""


@dataclass(frozen=True)
class Estimator:
    """One attribution with the specifications that share its forward pass."""

    attribution: Attribution
    specifications: tuple[Specification, ...]
    names: tuple[str, ...]
    """Evidence sets that they write, in the same order."""
    chosen: Chosen
    """What the attribution was made from."""
    target: str
    """``label`` or ``prediction``."""


@dataclass(frozen=True)
class Pass:
    """What is computed for every batch."""

    classifier: Classifier
    estimators: Sequence[Estimator]
    preprocessing: Preprocessing
    no_evidence: str
    """What a heatmap without contrast counts as: ``invalid`` or ``valid``."""
    witness: bool
    autocast: Callable[[], AbstractContextManager[None]]
    device: torch.device
    logits: bool = False
    """Whether the logits of every class are kept."""
    base: Base | None = None
    """Pictures whose proximity is wanted."""
    own: bool = False
    """Whether base pictures may be among those explained."""


def infer(work: Pass, batches: Iterator[Batch]) -> Iterator[Arrays]:
    """Yield the columns of one part for each batch.

    Keys: ``id label prediction confidence area status`` (B), ``skipped`` (ids of unreadable pictures),
    ``prediction/confidence``, ``prediction/log_true``, ``prediction/brier`` (B float64),
    ``prediction/logits`` (B×C float32, where kept), ``prediction/proximity`` (B, where wanted),
    ``<set>/rma``, ``<set>/rma_raw``, ``<set>/status`` (B), ``<set>/heatmap`` (B×h×w float16) and
    ``witness/<kind>`` (B predictions, −1 for none, and effects of exchange, NaN for none).
    """
    cast(nn.Module, work.classifier).eval()
    for batch in batches:
        yield (_part(work, batch) if batch.ids else {"skipped": _texts(one.id for one in batch.unreadable)})


def _part(work: Pass, batch: Batch) -> Arrays:
    images = normalise(batch.pixels.to(work.device), work.preprocessing)
    masks, labels = batch.masks.to(work.device), batch.labels.to(work.device)
    explanations = _explanations(work, images, labels)
    yielded, features = _outputs(work, images, explanations)
    logits = yielded.detach().float().cpu().numpy()
    classes = labels.cpu().numpy().astype(np.int32)
    told = predicted(logits, classes)
    annotated = batch.annotated.numpy()
    area = masks.flatten(1).float().mean(dim=1).cpu().numpy().astype(np.float64)
    usable = _usable(annotated, area)
    columns: Arrays = {
        "id": _texts(batch.ids),
        "skipped": _texts(one.id for one in batch.unreadable),
        "label": classes,
        "prediction": logits.argmax(axis=1).astype(np.int32),
        "confidence": told.confidence.astype(np.float32),
        "prediction/confidence": told.confidence,
        "prediction/log_true": told.log_true,
        "prediction/brier": told.brier,
        "area": np.where(annotated, area, np.nan),
        "status": usable,
    }
    if work.logits:
        columns["prediction/logits"] = logits
    if work.base is not None and features is not None:
        ids = batch.ids if work.own else ()
        columns["prediction/proximity"] = work.base.proximity(features, ids)
    for estimator, explanation in zip(work.estimators, explanations, strict=True):
        for name, relevance in zip(estimator.names, explanation.relevance, strict=True):
            columns |= _measured(name, relevance, masks, usable, work.no_evidence == "valid")
    if work.witness:
        columns |= _witness(work, images, masks, torch.from_numpy(annotated & (area > 0)))
        columns["witness/exact"] = _exact(work, batch)
        columns |= _exchanged(work, batch, images, masks, labels, yielded)
    return columns


def _explanations(work: Pass, images: Tensor, labels: Tensor) -> list[Explanation]:
    """Of each estimator, in their order."""
    by_label = [one for one in work.estimators if one.target == "label"]
    found = [(one, _explain(work, one, images, labels)) for one in by_label]
    rest = [one for one in work.estimators if one.target != "label"]
    if not rest:
        return [explanation for _, explanation in found]
    logits = next((one.logits for _, one in found if one.logits is not None), None)
    predictions = (_logits(work, images) if logits is None else logits).argmax(dim=-1)
    for one in rest:
        twin = next((pair for pair in found if _covers(pair[0], one)), None)
        if twin is None:
            found.append((one, _explain(work, one, images, predictions)))
        else:
            found.append((one, _of_prediction(work, one, twin, images, predictions, labels)))
    made = {one.names: explanation for one, explanation in found}
    return [made[one.names] for one in work.estimators]


def _covers(twin: Estimator, one: Estimator) -> bool:
    return twin.chosen == one.chosen and set(one.specifications) <= set(twin.specifications)


def _of_prediction(
    work: Pass,
    one: Estimator,
    twin: tuple[Estimator, Explanation],
    images: Tensor,
    predictions: Tensor,
    labels: Tensor,
) -> Explanation:
    """A right prediction's heatmap is its label's: only the others are explained anew."""
    by_label = dict(zip(twin[0].specifications, twin[1].relevance, strict=True))
    relevance = tuple(by_label[specification].clone() for specification in one.specifications)
    wrong = (predictions != labels).nonzero().flatten()
    if len(wrong):
        anew = _explain(work, one, images[wrong], predictions[wrong])
        for whole, part in zip(relevance, anew.relevance, strict=True):
            whole[wrong] = part
    return twin[1]._replace(relevance=relevance)


def _explain(work: Pass, estimator: Estimator, images: Tensor, targets: Tensor) -> Explanation:
    with work.autocast():
        return estimator.attribution.explain(work.classifier, images, targets, estimator.specifications)


def _outputs(work: Pass, images: Tensor, explanations: Sequence[Explanation]) -> tuple[Tensor, Tensor | None]:
    """Logits, and features where they are wanted: what an attribution's forward yielded, else by another."""
    logits = next((one.logits for one in explanations if one.logits is not None), None)
    features = next((one.features for one in explanations if one.features is not None), None)
    if work.base is None or features is not None:
        return (_logits(work, images) if logits is None else logits), features
    with torch.no_grad(), work.autocast():
        features = work.classifier.features(images)
        return (work.classifier.logits(features) if logits is None else logits), features


def _logits(work: Pass, images: Tensor) -> Tensor:
    with torch.no_grad(), work.autocast():
        return work.classifier(images)


def _usable(annotated: npt.NDArray[np.bool_], area: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
    status = np.where(area > 0, OK, EMPTY_MASK)
    return np.where(annotated, status, NO_ANNOTATION).astype(np.int8)


def _measured(
    name: str, relevance: Tensor, masks: Tensor, usable: npt.NDArray[np.int8], nothing_is_valid: bool
) -> Arrays:
    *both, constant = (one.cpu().numpy() for one in evidence(relevance, masks))
    if nothing_is_valid:
        # 0/0 is not below the threshold, and so valid, in the paper's code.
        both, status = [np.where(constant, 1.0, one) for one in both], usable
    else:
        status = np.where((usable == OK) & constant, NO_EVIDENCE, usable).astype(np.int8)
    rma, rma_raw = (np.where(status == OK, one.astype(np.float64), np.nan) for one in both)
    return {
        f"{name}/rma": rma,
        f"{name}/rma_raw": rma_raw,
        f"{name}/status": status,
        f"{name}/heatmap": half(relevance).cpu().numpy(),
    }


def half(relevance: Tensor) -> Tensor:
    """B×h×w → float16, each map scaled to a maximum of 1: its unit carries no meaning and would underflow."""
    peak = relevance.amax(dim=(1, 2), keepdim=True)
    return (relevance / peak.clamp(min=torch.finfo(torch.float32).tiny)).half()


def _witness(work: Pass, images: Tensor, masks: Tensor, usable: Tensor) -> Arrays:
    """Predictions on object alone, background alone and box removed (protocol §7), −1 but for ``usable``.

    What is removed is filled with the mean colour of the model's normalisation: zero at its input.
    """
    rows = usable.to(work.device)
    images, masks = (images, masks) if usable.all() else (images[rows], masks[rows])
    inside = masks.unsqueeze(1).bool()
    kept = {"object": inside, "background": ~inside, "box": ~bounding_boxes(masks).unsqueeze(1)}
    # One at a time: none of the altered pictures is kept while the next is looked at.
    return {f"witness/{kind}": _predicted(work, images * part, usable) for kind, part in kept.items()}


def _exact(work: Pass, batch: Batch) -> npt.NDArray[np.int32]:
    """Predictions on the exact background, −1 where it is not known."""
    if not len(batch.backgrounds):
        return np.full(len(batch.ids), -1, dtype=np.int32)
    views = normalise(batch.backgrounds.to(work.device), work.preprocessing)
    return _predicted(work, views, batch.known)


def _exchanged(
    work: Pass, batch: Batch, images: Tensor, masks: Tensor, labels: Tensor, logits: Tensor
) -> Arrays:
    """How far the label's logit falls where object or background is another picture's, NaN if not known.

    With one partner a picture: the mean over many pictures is what is asked for, and it costs one forward.
    """
    found = np.full((2, len(batch.ids)), np.nan)
    known = batch.known.numpy()
    if known.any():
        rows = batch.known.to(work.device)
        views = normalise(batch.backgrounds.to(work.device), work.preprocessing)
        with work.autocast():
            changed = effects(
                work.classifier,
                images[rows],
                masks[rows],
                views,
                labels[rows],
                logits=logits[rows],
                partners=1,
            )
        found[:, known] = torch.stack(changed).cpu().numpy()
    return {"witness/object_effect": found[0], "witness/background_effect": found[1]}


def _predicted(work: Pass, images: Tensor, rows: Tensor) -> npt.NDArray[np.int32]:
    """Predictions of K images in these K of B rows, −1 in all others."""
    predictions = np.full(len(rows), -1, dtype=np.int32)
    if rows.any():
        predictions[rows.numpy()] = _logits(work, images).argmax(dim=-1).cpu().numpy()
    return predictions


def _texts(values: Iterable[str]) -> npt.NDArray[np.str_]:
    return np.array(list(values), dtype=np.str_)
