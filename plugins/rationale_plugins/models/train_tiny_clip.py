"""Trains tiny-clip's weights from a seed: ``python -m rationale_plugins.models.train_tiny_clip -o FILE``.

Contrastive pre-training (Radford et al. 2021) on scenes whose backgrounds are independent of their
patterns. A caption names pattern, shape and background, each left out at random; beside the batch's own
captions, a bank that names every single pattern, shape and background serves as negatives. A caption
counts as a negative of a picture only where it is wrong about it.

The convolutional stem is trained first, its mean in place of the transformer's output, on close-ups
whose objects shrink to their usual size: trained at once on the usual pictures, pattern and shape stay
at chance for the first 350 steps of 128 pictures.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from rationale_plugins.datasets.scenes import CLASSES, LANDSCAPES, SHAPES, Scene, Scenes, draw

from ._words import tokenize
from .tiny_clip import TinyClip

_SPELLED = 0.06
"""Probability that a known word is spelled."""
_OPENINGS = ("a photo of ", "a picture of ", "")
_BATCH = 64
_REPORT_EVERY = 50


@dataclass(frozen=True)
class Phase:
    """A stretch of training at one learning rate."""

    name: str
    steps: int
    area: tuple[float, float]
    """Smallest and largest share of a picture that an object covers."""
    named: tuple[float, float, float]
    """How probably a caption names pattern, shape and background."""
    encoder: Callable[[TinyClip, Tensor], Tensor]
    lr: float
    warmup: int = 0


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
    """B×3×64×64, normalised."""
    tokens: dict[str, Tensor]
    truth: Tensor
    """B×N bool."""


def whole(model: TinyClip, images: Tensor) -> Tensor:
    """The embedding that tiny-clip is made for."""
    return model.embed_images(images)


def stem_only(model: TinyClip, images: Tensor) -> Tensor:
    """A stand-in that leaves the transformer out: the mean over the stem's patches, projected."""
    tower = model.image
    mean = F.gelu(tower.stem(images)).mean(dim=1)
    return torch.as_tensor(tower.projection(tower.norm(mean)))


def make_batch(rng: np.random.Generator, model: TinyClip, phase: Phase) -> Batch:
    """Fresh scenes, their captions and the bank."""
    scenes = [
        Scene(str(rng.choice(CLASSES)), str(rng.choice(SHAPES)), str(rng.choice(LANDSCAPES)))
        for _ in range(_BATCH)
    ]
    size = model.preprocessing.size
    pictures = np.stack([draw(scene, size, rng, rng, phase.area).image for scene in scenes])
    named = np.array(phase.named)
    bank = [one for one in BANK if all(part is None or share > 0 for part, share in zip(one, named, strict=True))]
    captions = [*bank, *dict.fromkeys(shorten(scene, named, rng) for scene in scenes)]
    texts = [caption.text(_OPENINGS[rng.integers(len(_OPENINGS))]) for caption in captions]
    tokens = tokenize(texts, spell=lambda _: rng.random() < _SPELLED)
    truth = [[caption.true_of(scene) for caption in captions] for scene in scenes]
    return Batch(normalised(pictures, model), tokens, torch.tensor(truth))


def shorten(scene: Scene, named: npt.NDArray[np.float64], rng: np.random.Generator) -> Caption:
    """A true caption that leaves parts out; it always says something."""
    kept = rng.random(3) < named
    if not kept.any():
        kept[rng.choice(3, p=named / named.sum())] = True
    return Caption(*(part if keep else None for part, keep in zip(scene, kept, strict=True)))


def normalised(pictures: npt.NDArray[np.uint8], model: TinyClip) -> Tensor:
    """Pictures B×64×64×3 of bytes as the model reads them, B×3×64×64."""
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor(model.preprocessing.mean).view(3, 1, 1)
    std = torch.tensor(model.preprocessing.std).view(3, 1, 1)
    return ((images - mean) / std).contiguous()


def contrastive_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Each true pair against the wrong captions of its picture and the wrong pictures of its caption.

    logits B×N, truth B×N bool → scalar. For a true pair with logit s: log(1 + Σ_wrong exp(w − s)),
    the usual cross-entropy with the other true pairs left out.
    """
    wrong = logits.masked_fill(truth, -torch.inf)
    of_pictures = F.softplus(wrong.logsumexp(1, keepdim=True) - logits)
    of_captions = F.softplus(wrong.logsumexp(0, keepdim=True) - logits)
    return (of_pictures + of_captions)[truth].mean() / 2


PHASES: tuple[Phase, ...] = (
    Phase("stem, close-ups", 150, (0.80, 0.98), (1.0, 0.0, 0.0), stem_only, 3e-3, warmup=40),
    Phase("stem, nearer", 80, (0.40, 0.70), (0.9, 0.5, 0.5), stem_only, 3e-3),
    Phase("stem", 100, (0.16, 0.38), (0.9, 0.5, 0.5), stem_only, 3e-3),
    Phase("whole", 800, (0.16, 0.38), (0.8, 0.6, 0.6), whole, 1e-3, warmup=50),
)


def train(seed: int, phases: tuple[Phase, ...] = PHASES) -> TinyClip:
    """Train from random weights; prints the loss and the accuracy on fresh scenes as it goes."""
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 20_000_003))
    model = TinyClip(TinyClip.Options(weights="none"))
    started, used = time.perf_counter(), time.process_time()
    for phase in phases:
        optimizer = _optimizer(model, phase.lr)
        for step in range(1, phase.steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * min(1.0, step / max(phase.warmup, 1))
            loss = _step(model, make_batch(rng, model, phase), phase.encoder, optimizer)
            if step % _REPORT_EVERY == 0 or step == phase.steps:
                score = accuracy(model, 2_000_003, "shifted", 240, phase.encoder)
                _say(
                    f"{phase.name:16} step {step:4d}  loss {loss:.3f}  zero-shot {score:.3f}  "
                    f"{time.perf_counter() - started:.0f} s ({time.process_time() - used:.0f} s of processor)"
                )
                if SNAP:
                    save(model, SNAP / f"{phase.encoder.__name__}{step}.safetensors")
    return model


def _optimizer(model: TinyClip, lr: float) -> torch.optim.Optimizer:
    """AdamW; the text tower learns no faster than 1e-3, above that it collapses."""
    text = [*model.text.parameters(), model.log_scale]
    groups = [
        {"params": list(model.image.parameters()), "peak": lr},
        {"params": text, "peak": min(lr, 1e-3)},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), weight_decay=0.02)


def _step(
    model: TinyClip,
    batch: Batch,
    encoder: Callable[[TinyClip, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
) -> float:
    images = F.normalize(encoder(model, batch.images), dim=-1)
    texts = F.normalize(model.embed_texts(batch.tokens), dim=-1)
    loss = contrastive_loss(model.logit_scale * images @ texts.T, batch.truth)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        model.log_scale.clamp_(max=math.log(100))
    return loss.item()


def accuracy(
    model: TinyClip,
    seed: int,
    split: str,
    pictures: int,
    encoder: Callable[[TinyClip, Tensor], Tensor] = whole,
) -> float:
    """Zero-shot accuracy on that many pictures of a split of the scenes."""
    dataset = Scenes(Scenes.Options(seed=seed, test_size=pictures))
    shown = [sample for sample in (dataset.split(split)[index] for index in range(pictures))]
    prompts = [dataset.task.templates[0].format(name) for name in dataset.task.classnames]
    with torch.inference_mode():
        texts = F.normalize(model.embed_texts(model.tokenize(prompts)), dim=-1)
        images = encoder(model, normalised(np.stack([np.asarray(one.image) for one in shown]), model))
        predictions = (images @ texts.T).argmax(dim=1)
    labels = torch.tensor([one.label for one in shown])
    return (predictions == labels).float().mean().item()


def save(model: TinyClip, path: Path) -> None:
    """Write the weights in half precision."""
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, path)


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
    arguments = parser.parse_args()
    model = train(arguments.seed)
    save(model, arguments.output)
    for split in Scenes(Scenes.Options()).evaluation:
        _say(f"zero-shot accuracy on '{split}': {accuracy(model, 0, split, 600):.3f}")


if __name__ == "__main__":
    main()
