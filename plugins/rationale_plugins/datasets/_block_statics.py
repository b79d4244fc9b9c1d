"""Whether blocks that rest on each other stand: exact statics of rigid boxes, seen from the side.

Boxes are upright, of uniform density (mass = width · height · density), and touch along horizontal edges
only. Nothing slides and nothing bends: an assembly stands where forces exist that push, never pull, and
balance every block. Where each block rests on one other that is the centre-of-mass rule, else a linear
programme; where both tell, they agree.

Lengths are in block widths throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rationale_cli.errors import WorkError

Floats = npt.NDArray[np.float64]

GROUND = -1
"""Stands for the ground where a contact names its lower block."""

_TOUCHING = 1e-9
"""Lengths below it are rounding."""
_BALANCED = 1e-7
"""Largest residue of force and torque that counts as none: ten times the tolerance of the solver is less."""


class Block(NamedTuple):
    """One box."""

    x: float
    """Of its centre."""
    bottom: float
    width: float
    height: float
    density: float = 1.0

    @property
    def left(self) -> float:
        """Its left edge."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """Its upper edge."""
        return self.bottom + self.height

    @property
    def mass(self) -> float:
        """In units of a square block of density 1."""
        return self.width * self.height * self.density


Assembly = tuple[Block, ...]


class Contact(NamedTuple):
    """Where one block rests on another, or on the ground."""

    lower: int
    """Index of the block below; ``GROUND`` where there is none."""
    upper: int
    left: float
    right: float


def stacked(x: Sequence[float], width: Sequence[float], height: Sequence[float]) -> Assembly:
    """A column, from the lowest block to the highest."""
    bottoms = np.concatenate(([0.0], np.cumsum(height)[:-1])).tolist()
    return tuple(Block(*sides) for sides in zip(x, bottoms, width, height, strict=True))


def margins(x: Floats, width: Floats, mass: Floats) -> Floats:
    """…×n positions of columns' blocks, from the lowest on, with n or …×n widths and masses → …×n margins.

    Margin i is how far inside its support the centre of mass of block i and all above it lies: negative where
    the column tips over at interface i, which is under block i. A column stands where none is negative.
    """
    weight = np.broadcast_to(mass, x.shape)
    above = np.cumsum((weight * x)[..., ::-1], axis=-1)[..., ::-1]
    centre = above / np.cumsum(weight[..., ::-1], axis=-1)[..., ::-1]
    left, right = x - width / 2, x + width / 2
    support_left, support_right = left.copy(), right.copy()
    support_left[..., 1:] = np.maximum(left[..., 1:], left[..., :-1])
    support_right[..., 1:] = np.minimum(right[..., 1:], right[..., :-1])
    inside = np.minimum(centre - support_left, support_right - centre)
    return np.where(support_right > support_left, inside, -np.inf)


def column_margins(column: Sequence[Block]) -> Floats:
    """The n margins of one column, see ``margins``."""
    x, width, mass = np.array([(block.x, block.width, block.mass) for block in column]).T
    return margins(x, width, mass)


def failing_interface(found: Floats) -> int | None:
    """The lowest interface at which a column of these margins tips over; None where it stands."""
    failing = np.flatnonzero(found < -_TOUCHING)
    return int(failing[0]) if len(failing) else None


def contacts(assembly: Sequence[Block]) -> list[Contact]:
    """Every contact of more than a point, by upper block."""
    found = []
    for upper, block in enumerate(assembly):
        if abs(block.bottom) < _TOUCHING:
            found.append(Contact(GROUND, upper, block.left, block.right))
        for lower, other in enumerate(assembly):
            left, right = max(block.left, other.left), min(block.right, other.right)
            if lower != upper and abs(other.top - block.bottom) < _TOUCHING and right - left > _TOUCHING:
                found.append(Contact(lower, upper, left, right))
    return found


def stand(assemblies: Sequence[Sequence[Block]]) -> tuple[bool, ...]:
    """Of each assembly, whether it stands: by the rule where it tells, else by a linear programme."""
    answers = {index: _by_rule(one) for index, one in enumerate(assemblies)}
    open_questions = [index for index, answer in answers.items() if answer is None]
    answers |= zip(open_questions, balanced([assemblies[index] for index in open_questions]), strict=True)
    return tuple(bool(answer) for answer in answers.values())


def _by_rule(assembly: Sequence[Block]) -> bool | None:
    """Whether it stands, where no block needs two others to stand on; None where the rule does not tell.

    Then each block carries what rests on it in one place alone: the centre of mass of all that.
    """
    resting = contacts(assembly)
    if len({one.upper for one in resting}) < len(assembly):
        return False
    mass = [block.mass for block in assembly]
    moment = [block.mass * block.x for block in assembly]
    if len(resting) > len(assembly):
        return None if _over_ground(resting, sum(moment) / sum(mass)) else False
    for one in sorted(resting, key=lambda contact: -assembly[contact.upper].bottom):
        if not _over(one, moment[one.upper] / mass[one.upper]):
            return False
        if one.lower != GROUND:
            mass[one.lower] += mass[one.upper]
            moment[one.lower] += moment[one.upper]
    return True


def _over(contact: Contact, centre: float) -> bool:
    return contact.left - _TOUCHING <= centre <= contact.right + _TOUCHING


def _over_ground(resting: Sequence[Contact], centre: float) -> bool:
    """Whether the centre of mass of the whole is not beside all that touches the ground."""
    ground = [one for one in resting if one.lower == GROUND]
    left, right = min(one.left for one in ground), max(one.right for one in ground)
    return _over(Contact(GROUND, GROUND, left, right), centre)


def balanced(assemblies: Sequence[Sequence[Block]]) -> tuple[bool, ...]:
    """Of each assembly, whether forces balance it: one linear programme for all.

    A force pushes at either end of every contact. What is left of weight and torque on a block when they are
    chosen best is minimised; an assembly stands where nothing is left.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, eye_array, hstack

    if not assemblies:
        return ()
    entries, targets, owners, forces = _balance(assemblies)
    count = len(targets)
    rows, columns, values = np.array(entries).reshape(-1, 3).T
    pushes = coo_array((values, (rows.astype(int), columns.astype(int))), shape=(count, forces))
    slack = eye_array(count)
    costs = np.concatenate((np.zeros(forces), np.ones(2 * count)))
    # Sparse matrices are taken, but the stubs of scipy do not know.
    matrix: Any = hstack((pushes, slack, -slack), format="csc")
    result = linprog(costs, A_eq=matrix, b_eq=targets, method="highs")
    if result.status != 0:
        raise WorkError(f"Expected a solution of the blocks' statics but got: {result.message}")
    slacks = np.asarray(result.x)[forces:]
    left = slacks[:count] + slacks[count:]
    residue = np.bincount(owners, weights=left, minlength=len(assemblies))
    return tuple((residue < _BALANCED).tolist())


def settled(assemblies: Sequence[Sequence[Block]], margin: float) -> tuple[bool | None, ...]:
    """Of each, whether it stands, however any one block is moved by ``margin``; None where that matters."""
    families = [[assembly, *_moved(assembly, margin)] for assembly in assemblies]
    answers = iter(stand([one for family in families for one in family]))
    found = [{next(answers) for _ in family} for family in families]
    return tuple(one.pop() if len(one) == 1 else None for one in found)


def without(assembly: Sequence[Block], removed: int) -> Assembly:
    """The assembly without one block."""
    return tuple(block for index, block in enumerate(assembly) if index != removed)


def _moved(assembly: Sequence[Block], by: float) -> list[Assembly]:
    return [
        tuple(one._replace(x=one.x + step) if index == moved else one for index, one in enumerate(assembly))
        for moved in range(len(assembly))
        for step in (-by, by)
    ]


class _Balance(NamedTuple):
    """Two equations a block: the forces on it make up its weight, and their torque around its centre is 0."""

    entries: Sequence[tuple[int, int, float]]
    """(equation, force, coefficient)."""
    targets: Sequence[float]
    """Of each equation."""
    owners: Sequence[int]
    """Of each equation, its assembly."""
    forces: int


def _balance(assemblies: Sequence[Sequence[Block]]) -> _Balance:
    entries: list[tuple[int, int, float]] = []
    targets: list[float] = []
    owners: list[int] = []
    force = 0
    for owner, assembly in enumerate(assemblies):
        first = len(targets)
        for contact in contacts(assembly):
            for place in (contact.left, contact.right):
                for index, sign in ((contact.upper, 1.0), (contact.lower, -1.0)):
                    if index != GROUND:
                        equation = first + 2 * index
                        arm = place - assembly[index].x
                        entries += [(equation, force, sign), (equation + 1, force, sign * arm)]
                force += 1
        for block in assembly:
            targets += [block.mass, 0.0]
            owners += [owner, owner]
    return _Balance(entries, targets, owners, force)
