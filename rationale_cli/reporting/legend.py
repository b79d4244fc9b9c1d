"""The keys of the report's legends, drawn once and used by reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from . import ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (24, 12)


def sprite(runs: int, references: int) -> Markup:
    """Symbols of runs (line and marker) and of reference lines, for ``<use href="#run-0">``."""
    symbols = [
        _symbol(
            f"run-{place}",
            lw=2.2,
            ms=6,
            markevery=[1],
            color=ink.colour(place),
            ls=ink.dash(place),
            marker=ink.marker(place),
        )
        for place in range(runs)
    ]
    symbols += [
        _symbol(f"reference-{place}", lw=1.4, color=ink.MUTED, ls=ink.REFERENCE_DASHES[place])
        for place in range(references)
    ]
    return Markup("<svg hidden>{}</svg>").format(Markup().join(symbols))


def _symbol(name: str, **style: Any) -> Markup:
    def draw(axes: Axes) -> None:
        axes.plot([0, 1, 2], [0, 0, 0], **style)
        axes.set_axis_off()

    drawn = ink.render(draw, _SIZE, f"key {name}", ink.Margins(2, 1, 2, 1))
    inner = drawn[drawn.index(">") + 1 : drawn.rindex("</svg>")]
    return Markup('<symbol id="{}" viewBox="0 0 {} {}">{}</symbol>').format(name, *_SIZE, inner)
