"""Parts of a pass are found again and merged in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rationale_cli.errors import WorkError
from rationale_cli.runs.parts import Parts, spread


def columns(*ids: str, skipped: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    if not ids:
        return {"skipped": np.array(skipped, dtype=np.str_)}
    return {
        "id": np.array(ids),
        "rma": np.arange(len(ids), dtype=float),
        "skipped": np.array(skipped, dtype=np.str_),
    }


def test_parts_are_merged_in_order_whatever_order_they_came_in(tmp_path: Path) -> None:
    parts = Parts(tmp_path / ".parts-x", 3)
    assert parts.missing() == [0, 1, 2]
    parts.write(2, columns("a much longer name"))
    parts.write(0, columns("a", "b", skipped=("lost",)))
    assert parts.missing() == [1]
    parts.write(1, columns(skipped=("gone", "away")))
    merged = parts.read()
    assert merged["id"].tolist() == ["a", "b", "a much longer name"]
    assert merged["skipped"].tolist() == ["lost", "gone", "away"]
    assert merged["rma"].tolist() == [0, 1, 0]
    (tmp_path / ".parts-older").mkdir()
    parts.remove()
    assert not list(tmp_path.iterdir())


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    parts = Parts(tmp_path / ".parts-x", 1)
    parts.write(0, columns("a"))
    (path,) = parts.folder.iterdir()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(WorkError, match=r"000000\.npz"):
        parts.read()


def test_parts_are_written_while_others_are_made(tmp_path: Path) -> None:
    parts = Parts(tmp_path / ".parts-x", 8)
    with parts.writing() as write:
        for number in range(8):
            write(number, columns(f"picture {number}"))
    assert parts.read()["id"].tolist() == [f"picture {number}" for number in range(8)]


def test_what_was_handed_over_is_there_though_the_work_fails(tmp_path: Path) -> None:
    parts = Parts(tmp_path / ".parts-x", 3)
    with pytest.raises(ZeroDivisionError), parts.writing() as write:
        write(0, columns("a"))
        write(1, columns("b"))
        raise ZeroDivisionError
    assert parts.missing() == [2]


@pytest.mark.parametrize("after", [0, 8])
def test_a_part_that_cannot_be_written_fails_the_work(tmp_path: Path, after: int) -> None:
    parts = Parts(tmp_path / ".parts-x", 9)
    (tmp_path / ".parts-x").write_text("a file where the folder should be")
    with pytest.raises(WorkError), parts.writing() as write:
        for number in range(after + 1):
            write(number, columns("a"))


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.integers(1, 30),
    st.integers(0, 3),
)
def test_a_sample_is_even_over_groups_and_does_not_depend_on_the_rest(
    groups: list[int], total: int, dropped: int
) -> None:
    ids = [f"picture {number}" for number in range(len(groups))]
    rows = spread(ids, np.array(groups), total, hash)
    assert len(rows) == min(total, len(ids))
    counts = [sum(groups[row] == group for row in rows) for group in set(groups)]
    sizes = [groups.count(group) for group in set(groups)]
    full = [count for count, size in zip(counts, sizes, strict=True) if count < size]
    assert not full or max(counts) - min(full) <= 1
    order = np.random.default_rng(dropped).permutation(len(ids))
    shuffled = spread([ids[row] for row in order], np.array(groups)[order], total, hash)
    same_size = {ids[order[row]] for row in shuffled}
    assert len(same_size ^ {ids[row] for row in rows}) <= 2 * len(set(groups))
