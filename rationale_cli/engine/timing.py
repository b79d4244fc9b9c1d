"""What tuning and explaining cost on this machine, from a short forward of each tower with random weights.

Nothing is downloaded and no data are read. All else follows by factors:

- A tower that trains costs three forwards for a picture: one forward, and a backward twice as dear. One that
  rests costs one.
- A heatmap costs one forward for each attribution that runs the model, and one more for each scalar whose
  gradient goes back through all layers; that of the last layer is nearly free. One that looks at many
  variants of a picture tells how many passes it takes.
- The witness costs three forwards.

Measured with CLIP ViT-B/32 on a processor: 2.8 for a training step, 1.1 for the last layer, 2.3 for all
layers, 2.9 for the witness, 7.5 instead of 8 for everything that an audit explains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from huggingface_hub import constants
from torch import Tensor, nn

from ..contracts import Method, Repeated, Task, VisionLanguageModel
from ..errors import InputError
from .build import accelerator
from .configuration import Chosen
from .estimators import Wanted

TRAINING = 3
"""Forwards that a training step of a tower costs."""
WITNESS = 3
"""Forwards of the witness: object, background, box."""

_FEW, _MANY, _QUICK = 4, 32, 0.1
"""Pictures at once; many where a few take less than so many seconds, for then they leave the device idle."""
_REPEATS = 3
_TASK = Task(("striped disc", "dotted square"))


@dataclass(frozen=True)
class Speed:
    """Seconds of one forward on this machine."""

    picture: float
    text: float
    device: str
    at_once: int
    """Pictures that were timed together."""
    grid: tuple[int, int]
    """Of the patches of a picture."""


@dataclass(frozen=True)
class Tuning:
    """What of a model a method uses to train."""

    image: bool = True
    """Whether the image tower trains, or prompts or updates in it, which gradients reach through it."""
    text: bool = True
    """Whether the text tower trains: on one text a picture at most."""
    every_class: bool = False
    """Whether each step encodes the texts of all classes, with gradients."""
    cached: bool = False
    """Whether features of pictures that never change are computed once."""
    prepares: bool = False
    """Whether the pictures are read once before."""
    steps: bool = True
    """Whether anything is trained at all."""

    def seconds(self, speed: Speed, pictures: int, epochs: int, augment: str, class_texts: int) -> float:
        """Of training on so many pictures an epoch; ``class_texts`` are classes times steps of an epoch."""
        once = pictures * speed.picture if self.prepares else 0.0
        if not self.steps or epochs == 0:
            return once
        towers = 0.0
        if self.cached and augment == "none":
            once += pictures * speed.picture
        else:
            towers += pictures * speed.picture * (TRAINING if self.image else 1)
        if self.every_class:
            towers += class_texts * speed.text * TRAINING
        elif self.text:
            towers += pictures * speed.text * TRAINING
        return once + epochs * towers


def forwards(wanted: tuple[Wanted, ...], grid: tuple[int, int], *, witness: bool) -> int:
    """Forwards that explaining a picture of so many patches costs, a backward counted as one."""
    return max(sum(_passes(one, grid) for one in wanted), 1) + (WITNESS if witness else 0)


def _passes(wanted: Wanted, grid: tuple[int, int]) -> int:
    if hasattr(wanted.chosen.plugin, "passes"):
        repeated = cast(Repeated, wanted.chosen.build())
        return sum(repeated.passes(grid, len({one.scalar for one in wanted.specifications})))
    if not wanted.specified:
        return 0
    deep = {scalar for layers, scalar in wanted.asked() if layers != "last"} - {None}
    return 1 + len(deep)


class Bench:
    """One model with random weights.

    Raises ``InputError`` for a model whose weights cannot be random, and whatever building it raises.
    """

    def __init__(self, chosen: Chosen) -> None:
        options = without_weights(chosen)
        self.device = accelerator("no").device
        with offline():
            self.model: VisionLanguageModel = chosen.plugin(options)
        cast(nn.Module, self.model).to(self.device).eval()

    def speed(self) -> Speed:
        """Time both towers. Raises whatever the model raises."""
        few = self._speed(_FEW)
        return self._speed(_MANY) if few.picture * _FEW < _QUICK else few

    def _speed(self, count: int) -> Speed:
        size = self.model.preprocessing.size
        images = torch.randn(count, 3, size, size, device=self.device)
        with offline():
            tokens = self.model.tokenize(["a photo of a dotted square"] * count)
            texts: dict[str, Tensor] = {name: rows.to(self.device) for name, rows in tokens.items()}
            picture = self._seconds(lambda: self.model.image_features(images))
            text = self._seconds(lambda: self.model.embed_texts(texts))
        grid = self.model.patch_grid(size, size)
        return Speed(picture / count, text / count, self.device.type, count, grid)

    def tuning(self, method: Chosen) -> Tuning:
        """What a method trains, seen on a task of two classes; raises whatever the method raises."""
        live = cast(Method, method.build())
        with offline():
            fitted = live.build(self.model, _TASK)
        cached = hasattr(fitted.step, "cached")
        # What trains may stand beside the towers: what a method offers tells that gradients reach through.
        offers = getattr(live, "offers", ())
        return Tuning(
            image=any(one.requires_grad for one in self.model.parameters_of("image_features"))
            or "embed_prompted_images" in live.needs
            or ("tuned_images" in offers and not cached),
            text=any(one.requires_grad for one in self.model.parameters_of("embed_texts")),
            every_class="embed_prompts" in live.needs or "class_texts" in offers,
            cached=cached,
            prepares=hasattr(live, "prepare"),
            steps=fitted.step is not None,
        )

    def _seconds(self, work: Callable[[], Any]) -> float:
        """The quickest time; the first one, which also pays for what is set up once, does not count."""
        with torch.inference_mode():
            times = [self._once(work) for _ in range(1 + _REPEATS)]
        return min(times[1:])

    def _once(self, work: Callable[[], Any]) -> float:
        began = time.perf_counter()
        work()
        if self.device.type != "cpu":
            torch.accelerator.synchronize()
        return time.perf_counter() - began


def without_weights(chosen: Chosen) -> Any:
    """A model's options with random weights. Raises ``InputError`` for a model that has no such option."""
    if "weights" not in type(chosen.options).model_fields:
        raise InputError(f"model {chosen.bare!r} has no option 'weights' that could be none")
    return chosen.options.model_copy(update={"weights": "none"})


@contextmanager
def offline() -> Iterator[None]:
    """Whatever asks the hub for a file is refused meanwhile."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
