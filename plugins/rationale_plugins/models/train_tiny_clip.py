"""Trains tiny-clip's weights from a seed: ``python -m rationale_plugins.models.train_tiny_clip -o FILE``.

Contrastive pre-training (Radford et al. 2021) on scenes whose backgrounds are independent of their
patterns. A caption names pattern, shape and background, each left out at random; beside the batch's own
captions, a bank that names every single pattern, shape and background serves as negatives. A caption
counts as a negative of a picture only where it is wrong about it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from rationale_plugins.datasets.scenes import CLASSES, LANDSCAPES, SHAPES, Scene, Scenes, SceneSplit

from ._words import tokenize
from .tiny_clip import TinyClip

_KEPT = 0.7
"""Probability that a caption names a part."""
_SPELLED = 0.06
"""Probability that a known word is spelled."""
_OPENINGS = ("a photo of ", "a picture of ", "")


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train."""

    seed: int = 0
    steps: int = 600
    batch: int = 128
    lr: float = 1e-3
    warmup: int = 60


class Caption(NamedTuple):
    """What a text says; None where it says nothing of that part."""

    pattern: str | None
    shape: str | None
    background: str | None

    def text(self, opening: str = "a photo of ") -> str:
        """The caption in words."""
        subject = " ".join(word for word in (self.pattern, self.shape or "object") if word)
        place = f" on {self.background}" if self.background else ""
        return f"{opening}a {subject}{place}"

    def true_of(self, scene: Scene) -> bool:
        """Whether nothing it says is wrong."""
        return all(said in (None, shown) for said, shown in zip(self, scene, strict=True))


BANK: tuple[Caption, ...] = (
    *(Caption(pattern, None, None) for pattern in CLASSES),
    *(Caption(None, shape, None) for shape in SHAPES),
    *(Caption(None, None, background) for background in LANDSCAPES),
)
"""Captions of every single part."""


class Batch(NamedTuple):
    """B pictures against N texts."""

    images: Tensor
    tokens: dict[str, Tensor]
    truth: Tensor
    """B×N bool."""


def shorten(scene: Scene, rng: np.random.Generator) -> Caption:
    """A true caption that leaves parts out; it always says something."""
    kept = rng.random(3) < _KEPT
    kept[rng.integers(3)] = True
    return Caption(*(part if keep else None for part, keep in zip(scene, kept, strict=True)))


def batches(plan: Plan, model: TinyClip) -> Iterator[Batch]:
    """Endless batches of scenes that no split of the dataset contains."""
    pictures = plan.steps * plan.batch
    options = Scenes.Options(seed=1_000_003 + plan.seed, train_size=pictures)
    split = Scenes(options).split("train-clean")
    rng = np.random.default_rng(plan.seed)
    for start in range(0, pictures, plan.batch):
        indices = range(start, start + plan.batch)
        scenes = [split.scene(index) for index in indices]
        captions = [*BANK, *(shorten(scene, rng) for scene in scenes)]
        texts = [caption.text(_OPENINGS[rng.integers(len(_OPENINGS))]) for caption in captions]
        truth = [[caption.true_of(scene) for caption in captions] for scene in scenes]
        tokens = tokenize(texts, spell=lambda _: rng.random() < _SPELLED)
        yield Batch(pixels(split, indices, model), tokens, torch.tensor(truth))


def pixels(split: SceneSplit, indices: Sequence[int], model: TinyClip) -> Tensor:
    """Pictures of these indices as the model reads them, B×3×64×64."""
    pictures = np.stack([np.asarray(split[index].image) for index in indices])
    preprocessing = model.preprocessing
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor(preprocessing.mean).view(3, 1, 1)
    std = torch.tensor(preprocessing.std).view(3, 1, 1)
    return (images - mean) / std


def contrastive_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Each true pair against the wrong captions of its picture and the wrong pictures of its caption.

    logits B×N, truth B×N bool → scalar. For a true pair with logit s: log(1 + Σ_wrong exp(w − s)),
    the usual cross-entropy with the other true pairs left out.
    """
    wrong = logits.masked_fill(truth, -torch.inf)
    of_pictures = F.softplus(wrong.logsumexp(1, keepdim=True) - logits)
    of_captions = F.softplus(wrong.logsumexp(0, keepdim=True) - logits)
    return (of_pictures + of_captions)[truth].mean() / 2


def train(plan: Plan) -> TinyClip:
    """Train from random weights; prints the loss and the accuracy on fresh scenes as it goes."""
    torch.manual_seed(plan.seed)
    model = TinyClip(TinyClip.Options(weights="none"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.lr, betas=(0.9, 0.98), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, plan))
    started = time.perf_counter()
    for step, batch in enumerate(batches(plan, model), start=1):
        images = F.normalize(model.embed_images(batch.images), dim=-1)
        texts = F.normalize(model.embed_texts(batch.tokens), dim=-1)
        loss = contrastive_loss(model.logit_scale * images @ texts.T, batch.truth)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.log_scale.clamp_(max=float(np.log(100)))
        if step % 50 == 0 or step == plan.steps:
            passed = time.perf_counter() - started
            score = accuracy(model, seed=2_000_003, split="shifted", pictures=240)
            _say(f"step {step:5d}  loss {loss.item():.3f}  zero-shot {score:.3f}  {passed:.0f} s")
            if SNAP:
                save(model, SNAP / f"{step}.safetensors")
    return model


def accuracy(model: TinyClip, seed: int, split: str, pictures: int) -> float:
    """Zero-shot accuracy on that many pictures of a split of the scenes."""
    dataset = Scenes(Scenes.Options(seed=seed, test_size=pictures))
    shown = dataset.split(split)
    prompts = [dataset.task.templates[0].format(name) for name in dataset.task.classnames]
    with torch.inference_mode():
        texts = F.normalize(model.embed_texts(model.tokenize(prompts)), dim=-1)
        images = model.embed_images(pixels(shown, range(pictures), model))
        predictions = (images @ texts.T).argmax(1)
    labels = torch.arange(pictures) % len(CLASSES)
    return (predictions == labels).float().mean().item()


def save(model: TinyClip, path: Path) -> None:
    """Write the weights in half precision."""
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, path)


def _rate(step: int, plan: Plan) -> float:
    """Share of the learning rate: a linear rise, then constant."""
    return min(1.0, (step + 1) / plan.warmup)


import os

SNAP: Path | None = Path(os.environ["SNAP"]) if "SNAP" in os.environ else None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Train, report and write the weights."""
    parser = argparse.ArgumentParser(description="Train tiny-clip on drawn scenes, from a seed.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write (safetensors)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    arguments = parser.parse_args()
    model = train(Plan(seed=arguments.seed, steps=arguments.steps))
    save(model, arguments.output)
    for split in Scenes(Scenes.Options()).evaluation:
        _say(f"zero-shot accuracy on '{split}': {accuracy(model, 0, split, 600):.3f}")


if __name__ == "__main__":
    main()
