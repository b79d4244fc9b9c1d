"""Explain one photograph: prediction, confidence and a heatmap over it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor, nn

from ..contracts import Attribution, Classifier, Specification
from ..engine.build import Built, accelerator, build, place, restore_checkpoint
from ..engine.request import ExplainRequest
from ..errors import InputError, did_you_mean
from ..runs.atomic import atomic_path
from ..toolkit.geometry import model_view, normalise, to_bytes
from ..toolkit.heatmaps import heatmaps
from ..toolkit.pictures import read_picture
from ..toolkit.words import WordRelevance, word_relevance

_SHOWN = 640
_OPACITY = 0.55


@dataclass(frozen=True)
class PictureResult:
    """What the model says of one picture."""

    prediction: str
    confidence: float
    ranking: tuple[tuple[str, float], ...]
    """The five most probable classes with their probabilities."""
    explained: str
    """The class whose heatmap it is."""
    estimator: str
    words: WordRelevance | None
    """Which words of the explained class's text carried its score; None where its vector comes from none, or
    where they cannot be told apart."""
    overlay: Path
    heatmap: npt.NDArray[np.float32]
    """S×S in [0, 1] on the model's input."""


def run(request: ExplainRequest, image: Path, class_name: str | None, output: Path | None) -> PictureResult:
    """Explain one picture by the request's attribution and write the overlay as a PNG.

    Raises ``InputError`` for several attributions, a picture that cannot be read and a class that the run
    does not know.
    """
    if len(request.attributions) > 1:
        raise InputError(
            f"Expected one attribution for one picture but got {len(request.attributions)}.",
            next_step="name one with --attribution",
        )
    picture = read_picture(image)
    machine = accelerator("no")
    built = build(request.configuration)
    target = _class_index(built, class_name)
    restore_checkpoint(request.run, built.classifier)
    place(built.classifier, machine.device)
    cast(nn.Module, built.classifier).eval()
    view = model_view(picture, built.preprocessing)
    images = normalise(to_bytes(view)[None].to(machine.device), built.preprocessing)
    with torch.no_grad():
        features = built.classifier.features(images)
        probabilities = built.classifier.logits(features)[0].float().softmax(dim=-1).cpu()
    explained = int(probabilities.argmax()) if target is None else target
    attribution = cast(Attribution, request.attributions[0].build())
    specified = attribution.specified
    asked = Specification(request.options.layers[0], request.options.scalar[0])
    specification = asked.applied(specified)
    told = [f"layers {asked.layers}"] * (specified in (True, "layers"))
    told += [f"scalar {asked.scalar}"] * (specified in (True, "scalar"))
    targets = torch.tensor([explained], device=machine.device)
    relevance = attribution.explain(built.classifier, images, targets, (specification,)).relevance[0]
    heatmap = heatmaps(relevance, (view.height, view.width))[0].cpu().numpy()
    names = built.dataset.task.classnames
    overlay = output or Path(f"{image.stem}-{names[explained].replace(' ', '_')}.png")
    with atomic_path(overlay) as temporary:
        _overlay(view, heatmap).save(temporary, format="PNG")
    order = probabilities.argsort(descending=True)[:5].tolist()
    return PictureResult(
        names[order[0]],
        float(probabilities[order[0]]),
        tuple((names[index], float(probabilities[index])) for index in order),
        names[explained],
        ", ".join([request.attributions[0].bare, *told]),
        _words(built.classifier, features, targets),
        overlay,
        heatmap,
    )


def _words(classifier: Classifier, features: Tensor, targets: Tensor) -> WordRelevance | None:
    try:
        return word_relevance(classifier, features, targets)[0]
    except InputError:  # The heatmap, which is what was asked for, needs no words.
        return None


def _class_index(built: Built, name: str | None) -> int | None:
    if name is None:
        return None
    names = built.dataset.task.classnames
    if name not in names:
        raise InputError(f"Expected a class of this run but got {name!r}. {did_you_mean(name, names)}")
    return names.index(name)


def _overlay(view: Image.Image, heatmap: npt.NDArray[np.float32]) -> Image.Image:
    """The model's view under the heatmap's colours, enlarged for the eye."""
    side = max(view.width, _SHOWN)
    picture = view.resize((side, side), Image.Resampling.BICUBIC)
    grey = Image.fromarray(np.uint8(heatmap * 255)).resize((side, side), Image.Resampling.BICUBIC)
    colours = Image.fromarray(np.uint8(colormaps["inferno"](np.asarray(grey))[..., :3] * 255))
    return Image.blend(picture, colours, _OPACITY)
