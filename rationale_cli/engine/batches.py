"""From a dataset's split to batches of pixels, masks and labels: decoded once, in any number of workers.

Whoever reads a batch also lays it side by side: one tensor of pixels and one of masks travel between
processes, and not two a picture.
"""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ..contracts import Preprocessing, Sample, Split
from ..errors import InputError, PluginError
from ..recipe import Corruption
from ..toolkit.geometry import mask_of, mask_on_view, model_view, to_bytes
from .corruption import corrupted

_CACHE_BYTES = 1 << 30
_MANY = 500
"""Pictures from which on reading them takes longer than starting processes for it."""
_MOST_READERS = 8
Key = tuple[int, int]
"""(epoch, index): the epoch seeds the augmentation."""


@dataclass(frozen=True)
class Example:
    """One picture on the model's input grid."""

    id: str
    label: int
    pixels: Tensor
    """3×S×S uint8."""
    mask: Tensor | None = None
    """S×S uint8 0/1; None where not annotated."""
    background: Tensor | None = None
    """3×S×S uint8: the picture without the object, where it is known."""


@dataclass(frozen=True)
class Unreadable:
    """A picture that could not be read, told by the parent process."""

    id: str
    reason: str
    where: str | None


@dataclass(frozen=True)
class Batch:
    """B examples side by side; ``unreadable`` ones are not among them, and B may be 0."""

    ids: tuple[str, ...]
    labels: Tensor
    """B int64."""
    pixels: Tensor
    """B×3×S×S uint8."""
    annotated: Tensor
    """B bool: whether there is a mask."""
    masks: Tensor
    """B×S×S uint8 0/1, zero where not annotated."""
    known: Tensor
    """B bool: whether the picture without the object is known."""
    backgrounds: Tensor
    """K×3×S×S uint8: those pictures, of the K that are known."""
    unreadable: tuple[Unreadable, ...]

    def complain(self) -> None:
        """Raise ``InputError`` naming the first unreadable picture, if there is one."""
        if self.unreadable:
            first = self.unreadable[0]
            raise InputError(
                first.reason,
                where=first.where or first.id,
                next_step="mend or remove it, or pass --skip-bad to leave out such pictures and count them",
            )


class Pictures(TorchDataset[Example | Unreadable]):
    """A split as examples for one model. Deterministic views are kept in memory while they fit.

    ``evidence``: with masks and backgrounds, to explain them. ``masked``: indices of the pictures that are
    trained on with their masks, augmented like them; their pixels are the same with and without.
    """

    def __init__(
        self,
        split: Split,
        preprocessing: Preprocessing,
        *,
        evidence: bool,
        augment: str = "none",
        corruption: Corruption | None = None,
        masked: Collection[int] = (),
    ) -> None:
        self.split = split
        self.preprocessing = preprocessing
        self.evidence = evidence
        self.corruption = corruption
        self.augment = _augmentation(augment, preprocessing.size)
        self.masked = frozenset(masked)
        self._kept: dict[int, Example] = {}
        room = _CACHE_BYTES // ((4 if masked else 3) * preprocessing.size**2)
        self._keep = self.augment is None and not evidence and len(split) <= room

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: Key) -> Example | Unreadable:
        epoch, index = key
        if index in self._kept:
            return self._kept[index]
        try:
            sample = self.split[index]
            example = self._example(sample, epoch, masked=index in self.masked)
        except InputError as error:
            return Unreadable(self.split.ids[index], error.what, error.where)
        if self._keep:
            self._kept[index] = example
        return example

    def _example(self, sample: Sample, epoch: int, *, masked: bool) -> Example:
        try:
            if self.augment is not None:
                return Example(sample.id, sample.label, *self._augmented(sample, epoch, masked=masked))
            plain = Example(sample.id, sample.label, self._seen(sample.image, sample.id))
            if sample.evidence is not None and (self.evidence or masked):
                mask = mask_on_view(sample.evidence, sample.image.size, self.preprocessing)
                plain = replace(plain, mask=mask)
        except InputError as error:
            raise InputError(error.what, where=error.where or sample.id) from error
        if self.evidence and sample.background is not None:
            return replace(plain, background=self._seen(sample.background, sample.id))
        return plain

    def _seen(self, image: Image.Image, identifier: str) -> Tensor:
        view = model_view(image, self.preprocessing)
        return to_bytes(corrupted(view, self.corruption, identifier) if self.corruption else view)

    def _augmented(self, sample: Sample, epoch: int, *, masked: bool) -> tuple[Tensor, Tensor | None]:
        """Pixels, and the mask where it is wanted and known."""
        assert self.augment is not None
        evidence = sample.evidence if masked else None
        # The view depends on picture and epoch only: the same in any number of workers and processes.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(zlib.crc32(f"{sample.id}/{epoch}".encode()))
            if evidence is None:
                return to_bytes(self.augment(sample.image)), None
            image, mask = self.augment(sample.image, _as_mask(mask_of(evidence, sample.image.size)))
            return to_bytes(image), mask[0].as_subclass(Tensor).contiguous()


def readers(asked: int | None, pictures: int) -> int:
    """Processes that read so many pictures: as asked, else one a thread of this process, up to 8.

    None where there are few pictures, or this process may start none.
    """
    if asked is not None:
        return asked
    threads = torch.get_num_threads()
    worthwhile = threads > 1 and pictures >= _MANY and not multiprocessing.current_process().daemon
    return min(threads, _MOST_READERS) if worthwhile else 0


class Batches(Protocol):
    """Lists of keys, which may be drawn up only when they are asked for."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[list[Key]]: ...


def loader(pictures: Pictures, batches: Batches, workers: int | None) -> Iterator[Batch]:
    """Yield one ``Batch`` for each list of keys, in order; see ``readers`` for ``workers``.

    While one batch is worked at, workers read the next two each.
    """
    if not len(batches):
        return iter(())
    most = len(batches) * len(next(iter(batches)))
    return iter(
        DataLoader(
            pictures,
            batch_sampler=batches,
            collate_fn=_collate,
            num_workers=readers(workers, most),
        )
    )


def limited(total: int, limit: int | None, share: float = 1.0, least: int = 1) -> list[int]:
    """Indices of a sample, evenly spread over the split.

    It holds that ``share`` of the pictures, though not fewer than ``least`` for the sake of a small share,
    and at most ``limit``.
    """
    wanted = total if share == 1 else min(max(round(total * share), least), total)
    wanted = wanted if limit is None else min(limit, wanted)
    if wanted == total:
        return list(range(total))
    return sorted({int(index) for index in np.linspace(0, total - 1, wanted)})


def chunks(indices: Sequence[int], size: int) -> list[list[Key]]:
    """Consecutive batches of keys, the last one possibly smaller; epoch 0."""
    return [[(0, index) for index in indices[start : start + size]] for start in range(0, len(indices), size)]


def _collate(examples: list[Example | Unreadable]) -> Batch:
    good = [example for example in examples if isinstance(example, Example)]
    bad = tuple(example for example in examples if isinstance(example, Unreadable))
    masks = [torch.zeros_like(one.pixels[0]) if one.mask is None else one.mask for one in good]
    backgrounds = [example.background for example in good if example.background is not None]
    return Batch(
        tuple(example.id for example in good),
        torch.tensor([example.label for example in good], dtype=torch.int64),
        _stacked([example.pixels for example in good], 4),
        torch.tensor([example.mask is not None for example in good], dtype=torch.bool),
        _stacked(masks, 3),
        torch.tensor([example.background is not None for example in good], dtype=torch.bool),
        _stacked(backgrounds, 4),
        bad,
    )


def _stacked(tensors: Sequence[Tensor], dimensions: int) -> Tensor:
    return torch.stack(list(tensors)) if tensors else torch.zeros((0,) * dimensions, dtype=torch.uint8)


def _as_mask(mask: Image.Image) -> Tensor:
    """1×H×W, which the augmentations treat like the picture, but for its colours."""
    from torchvision import tv_tensors

    drawn: Tensor = tv_tensors.Mask(torch.from_numpy(np.array(mask, dtype=np.uint8))[None])
    return drawn


def _augmentation(name: str, size: int) -> Callable[..., Any] | None:
    if name == "none":
        return None
    # Imported here: it takes seconds, and most runs do without.
    from torchvision.transforms import InterpolationMode, v2

    flip = v2.RandomHorizontalFlip()
    crop = v2.RandomResizedCrop(size, antialias=True)
    large = v2.RandomResizedCrop(size, (0.5, 1.0), interpolation=InterpolationMode.BICUBIC, antialias=True)
    known: dict[str, list[v2.Transform]] = {
        "standard": [crop, flip],
        "mild": [large, flip],
        "reference": [crop, flip, v2.ColorJitter(0.2, 0.2, 0.2, 0.2), v2.RandomRotation(30)],
    }
    if name not in known:
        raise PluginError(f"Expected an augmentation ({', '.join(known)}) but got {name!r}.")
    transform: Callable[..., Any] = v2.Compose(known[name])
    return transform
