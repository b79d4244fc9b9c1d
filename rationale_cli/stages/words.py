"""Words: model + explained pictures → which words of the class texts carried the scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..contracts import Progress, Silent
from ..engine.batches import Batch, chunks, limited, loader
from ..measures.words import Told, WordShares, word_shares
from ..registry import Registry
from ..runs.folder import Run
from ..toolkit.geometry import normalise
from ..toolkit.words import word_relevance
from .kept import write_kept
from .reopened import Reopened, explained_sets, reopened
from .words_files import file_of

_BATCH = 32


@dataclass(frozen=True)
class WordsRequest:
    """Which run and split."""

    run: Run
    registry: Registry
    split: str | None = None
    """With how its pictures were shown; None takes the run's first."""
    limit: int = 100
    """Pictures at most, evenly spread over the split."""


def run(request: WordsRequest, progress: Progress | None = None) -> WordShares:
    """Tell the words of each picture's annotated class and write ``words/<split>.json`` in the run folder.

    Raises ``InputError`` for a run without evidence there, for data that changed since, and as
    ``word_relevance`` does.
    """
    progress = progress or Silent()
    split, sets = explained_sets(request.run, request.split)
    first = next(iter(sets.values()))
    there = reopened(request.run, request.registry, split, first.spec.fingerprint)
    identifiers = [str(first.table.id[row]) for row in limited(len(first.table), request.limit)]
    plans = chunks(there.places(identifiers), _BATCH)
    found: list[Told] = []
    with progress.task(f"reading the words of {request.run.name} on {split}", len(plans)) as advance:
        for batch in loader(there.pictures, plans, 0):
            batch.complain()
            found += _told(there, batch)
            advance(1, "")
    result = word_shares(request.run.name, split, first.spec.fingerprint, found)
    write_kept(file_of(request.run, split), result)
    return result


def _told(there: Reopened, batch: Batch) -> list[Told]:
    labels = batch.labels.to(there.device)
    with torch.no_grad():
        images = normalise(batch.pixels.to(there.device), there.pictures.preprocessing)
        features = there.classifier.features(images)
    names = [there.task.classnames[label] for label in batch.labels.tolist()]
    relevances = word_relevance(there.classifier, features, labels)
    return [
        Told(name, one.words, one.without, one.elsewhere) for name, one in zip(names, relevances, strict=True)
    ]
