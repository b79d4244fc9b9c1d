"""Published triples of accuracy, PT and IR, taken apart as far as their printed digits allow (protocol §1).

A printed 63.30 stands for anything from 63.295 to 63.305. Every derived number carries the least and the
greatest value that such rounding allows, so that what is called impossible is so under any rounding.
Sampling error is another matter: published figures come without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Status = Literal["consistent", "within rounding", "impossible", "incomplete"]
"""``within rounding``: the digits contradict each other, but some numbers that round to them do not."""

Rise = Literal["beyond", "explained", "short", "undefined"]
"""IR beside what accuracy alone makes of it: more, no more and no less, or less."""

_DUST = 1e-12


@dataclass(frozen=True)
class Printed:
    """A number as printed, as a fraction of 1: anything within ``half`` of ``value`` prints the same."""

    value: float
    half: float = 0.0

    @property
    def ends(self) -> tuple[float, float]:
        """The least and greatest share that it may stand for, within [0, 1]."""
        return max(0.0, self.value - self.half), min(1.0, self.value + self.half)


@dataclass(frozen=True)
class Triple:
    """What was published of one method; None for what was not."""

    accuracy: Printed | None
    PT: Printed | None
    IR: Printed | None


@dataclass(frozen=True)
class Bounded:
    """A derived number, and the least and greatest that rounding allows; NaN where undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Audit:
    """A triple taken apart; fractions of all pictures, and the lift."""

    RR: Bounded
    RW: Bounded
    WR: Bounded
    WW: Bounded
    V: Bounded
    """Valid-evidence rate."""
    lift: Bounded
    """IR/Acc = PT/V; 1 when evidence and correctness are independent."""
    status: Status


@dataclass(frozen=True)
class Contrast:
    """A method less its zero-shot row, and whether accuracy alone makes the rise of IR.

    IR = Acc · lift, so IR moves with accuracy even where valid evidence says no more about correctness than
    before. What "no more" means can be said in two ways, and both are given: the lift stays,
    IR′ = Acc₁ · IR₀/Acc₀ (at most 1), or the odds ratio stays, odds(IR′)/odds(Acc₁) = odds(IR₀)/odds(Acc₀),
    which is Bayes' rule with the evidence's P(valid | right)/P(valid | wrong) unchanged.
    """

    accuracy: Bounded
    PT: Bounded
    IR: Bounded
    V: Bounded
    WR: Bounded
    lift: Bounded
    by_lift: Bounded
    """IR′ − IR₀: the rise of IR that accuracy alone makes, with the lift kept."""
    by_odds: Bounded
    """The same with the odds ratio kept."""
    beyond_lift: Bounded
    """IR₁ − IR′: what is left of the rise."""
    beyond_odds: Bounded
    rise: Rise
    """``beyond`` or ``short`` where both ways agree on the sign under any rounding, else ``explained``."""


def audit(triple: Triple) -> Audit:
    """Take a triple apart: RR = Acc·PT, RW = Acc − RR, V = RR/IR, WR = V − RR, WW = 1 − Acc − WR.

    All but WW lie in [0, 1] whatever the triple; so it is consistent when WW ≥ 0, that is WR ≤ 1 − Acc, and
    impossible when WW < 0 for every number that rounds to what was printed. Where one of the three is
    missing, what needs it is undefined. Where nothing is right by valid evidence (RR = 0), IR must be 0 too.

    >>> one = audit(Triple(Printed(0.6330, 5e-5), Printed(0.8705, 5e-5), Printed(0.6633, 5e-5)))
    >>> one.status, round(one.V.value, 3), round(one.lift.value, 3)  # CLIP-ViT-B/16, zero-shot: Table 4
    ('consistent', 0.831, 1.048)
    """
    corners = _corners(triple.accuracy, triple.PT, triple.IR)

    def derived(formula: Callable[..., Array]) -> Bounded:
        return _bounded(formula, *corners)

    rr = derived(lambda acc, pt, ir: acc * pt)
    ww = derived(lambda acc, pt, ir: 1 - acc - acc * pt * (1 / ir - 1))
    return Audit(
        RR=rr,
        RW=derived(lambda acc, pt, ir: acc * (1 - pt)),
        WR=derived(lambda acc, pt, ir: acc * pt * (1 / ir - 1)),
        WW=ww,
        V=derived(lambda acc, pt, ir: acc * pt / ir),
        lift=derived(lambda acc, pt, ir: ir / acc),
        status=_status(triple, rr, ww),
    )


def contrast(method: Triple, baseline: Triple) -> Contrast:
    """Hold a method against its zero-shot row. Undefined where a number that is needed is missing.

    >>> shot = Triple(Printed(0.50, 0.005), Printed(0.80, 0.005), Printed(0.50, 0.005))
    >>> tuned = Triple(Printed(0.75, 0.005), Printed(0.60, 0.005), Printed(0.75, 0.005))
    >>> found = contrast(tuned, shot)
    >>> found.rise, round(found.IR.value, 2), round(found.by_lift.value, 2)
    ('explained', 0.25, 0.25)
    """
    one, other = audit(method), audit(baseline)
    corners = _corners(baseline.accuracy, baseline.IR, method.accuracy, method.IR)
    beyond_lift = _bounded(lambda acc0, ir0, acc1, ir1: ir1 - _lift_kept(acc0, ir0, acc1), *corners)
    beyond_odds = _bounded(lambda acc0, ir0, acc1, ir1: ir1 - _odds_kept(acc0, ir0, acc1), *corners)
    return Contrast(
        accuracy=_difference(_as_bounded(method.accuracy), _as_bounded(baseline.accuracy)),
        PT=_difference(_as_bounded(method.PT), _as_bounded(baseline.PT)),
        IR=_difference(_as_bounded(method.IR), _as_bounded(baseline.IR)),
        V=_difference(one.V, other.V),
        WR=_difference(one.WR, other.WR),
        lift=_difference(one.lift, other.lift),
        by_lift=_bounded(lambda acc0, ir0, acc1, ir1: _lift_kept(acc0, ir0, acc1) - ir0, *corners),
        by_odds=_bounded(lambda acc0, ir0, acc1, ir1: _odds_kept(acc0, ir0, acc1) - ir0, *corners),
        beyond_lift=beyond_lift,
        beyond_odds=beyond_odds,
        rise=_rise(beyond_lift, beyond_odds),
    )


def _lift_kept(acc0: Array, ir0: Array, acc1: Array) -> Array:
    return np.minimum(1.0, acc1 * ir0 / acc0)


def _odds_kept(acc0: Array, ir0: Array, acc1: Array) -> Array:
    right, wrong = acc1 * ir0 / acc0, (1 - acc1) * (1 - ir0) / (1 - acc0)
    return right / (right + wrong)


def _status(triple: Triple, rr: Bounded, ww: Bounded) -> Status:
    if triple.accuracy is None or triple.PT is None or triple.IR is None:
        return "incomplete"
    if ww.high < -_DUST or (rr.high == 0 and triple.IR.ends[0] > 0):
        return "impossible"
    contradictory = ww.value < -_DUST or (rr.value == 0 and triple.IR.value > 0)
    return "within rounding" if contradictory else "consistent"


def _rise(*beyond: Bounded) -> Rise:
    lows, highs = [one.low for one in beyond], [one.high for one in beyond]
    if np.isnan([*lows, *highs]).any():
        return "undefined"
    if min(lows) > _DUST:
        return "beyond"
    return "short" if max(highs) < -_DUST else "explained"


def _corners(*numbers: Printed | None) -> list[Array]:
    """One array a number: the printed values first, then every combination of least and greatest.

    Formulas that move one way with each number, the others held, are least and greatest at such corners.
    """
    known = [one or Printed(np.nan) for one in numbers]
    ends = [(np.nan, np.nan) if one is None else one.ends for one in numbers]
    return list(np.array([[one.value for one in known], *product(*ends)]).T)


def _bounded(formula: Callable[..., Array], *corners: Array) -> Bounded:
    """A formula's value at the printed numbers, and its range; undefined where rounding admits 0/0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = formula(*corners)
    return Bounded(float(found[0]), float(found.min()), float(found.max()))


def _as_bounded(number: Printed | None) -> Bounded:
    return Bounded(np.nan, np.nan, np.nan) if number is None else Bounded(number.value, *number.ends)


def _difference(one: Bounded, other: Bounded) -> Bounded:
    return Bounded(one.value - other.value, one.low - other.high, one.high - other.low)
