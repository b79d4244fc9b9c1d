"""``rationale explain RUN --image FILE``: one picture on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..engine.request import ExplainRequest
    from ..toolkit.words import WordRelevance


class PictureOptions(NamedTuple):
    """What the command line says about the picture."""

    image: Path
    class_name: str | None
    output: Path | None
    as_json: bool


def show(options: PictureOptions, request: ExplainRequest) -> None:
    """Explain the picture, write the overlay and tell the result."""
    from ..stages.picture import run
    from .screen import console, print_json

    result = run(request, options.image, options.class_name, options.output)
    words = result.words
    if options.as_json:
        print_json(
            {
                "image": str(options.image),
                "prediction": result.prediction,
                "confidence": result.confidence,
                "ranking": [{"class": name, "probability": value} for name, value in result.ranking],
                "explained": result.explained,
                "estimator": result.estimator,
                "words": None if words is None else _words(words),
                "elsewhere": None if words is None else words.elsewhere,
                "overlay": str(result.overlay),
            }
        )
        return
    console().print(f"Prediction: {result.prediction} ({result.confidence:.1%})", markup=False)
    for name, value in result.ranking[1:]:
        console().print(f"            {name} ({value:.1%})", markup=False, style="dim")
    console().print(f"Heatmap of {result.explained!r} ({result.estimator}): {result.overlay}", markup=False)
    if words is not None:
        _show(words, result.explained)


def _words(found: WordRelevance) -> list[dict[str, object]]:
    changes = found.without or (None,) * len(found.words)
    return [
        {"word": word, "share": share, "without": change}
        for (word, share), change in zip(found.words, changes, strict=True)
    ]


def _show(found: WordRelevance, explained: str) -> None:
    from .screen import console

    told = " · ".join(f"{word} {share:.0%}" for word, share in found.words)
    console().print(f"Words of {explained!r}: {told}", markup=False)
    if found.without is not None:
        pairs = zip(found.words, found.without, strict=True)
        told = " · ".join(f"{word} {change:+.2f}" for (word, _), change in pairs)
        console().print(f"Logit without each: {told}", markup=False, style="dim")
